import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { findAddon } from './addon.ts'
import { machine } from './machine.ts'

/** What libtorch and its threads read from the environment when they are loaded. */
export function prepareEnvironment(): void {
  // libtorch 1.13 takes AVX2 unless asked, and one thread on some machines.
  if (machine().cpu.avx512 && !process.env.ATEN_CPU_CAPABILITY) process.env.ATEN_CPU_CAPABILITY = 'avx512'
  // A thread that waits spins, by default for long: with any other work on the cores a step then takes 2 to 10 times as
  // long as with threads that soon go to sleep. libgomp reads this when it is loaded.
  if (!process.env.GOMP_SPINCOUNT && !process.env.OMP_WAIT_POLICY) process.env.GOMP_SPINCOUNT = '2000'
}

/** Begins to load libtorch on a thread of its own, where set-up has run: that takes as long as all else before the first
 *  step. Nothing is refused here; whoever needs libtorch says what is wrong. */
export function preload(): void {
  try {
    const { path, library } = findAddon() ?? {}
    const loader = path && join(dirname(path), 'preload.node')
    if (!library || !loader || !existsSync(loader)) return
    prepareEnvironment()
    const { load, wait } = createRequire(import.meta.url)(loader) as { load(library: string): void; wait(): void }
    load(library)
    process.once('exit', wait)
  } catch {
    // It is then loaded when it is needed.
  }
}
