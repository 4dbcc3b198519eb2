import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

/** The cache of a test in its folder. What was measured of this machine's speed is common to all tests of `npm test`, which
 *  sets ANNEAL_TEST_SPEED: each measurement takes seconds. */
export function ownCache(folder: string): string {
  const cache = join(folder, 'cache')
  const speed = process.env.ANNEAL_TEST_SPEED
  if (speed) {
    mkdirSync(cache, { recursive: true })
    symlinkSync(speed, join(cache, 'speed'), 'dir')
  }
  return cache
}
