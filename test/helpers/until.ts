import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

/** Waits until something holds, for at most so many seconds; then fails with what `said` returns. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  seconds = 60,
  said: () => string = () => '',
): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await holds())) {
    if (performance.now() > end) assert.fail(`waited ${seconds} s for ${what}${said()}`)
    await pause(50)
  }
}
