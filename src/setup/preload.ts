import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { findAddon } from './addon.ts'
import { machine } from './machine.ts'
import { here } from './platform/index.ts'

/** Sets the environment variables that libtorch and its threads read when they are loaded. */
export function prepareEnvironment(): void {
  // By default libtorch 1.13 uses AVX2, and on some machines one thread.
  if (machine().cpu.avx512 && !process.env.ATEN_CPU_CAPABILITY) process.env.ATEN_CPU_CAPABILITY = 'avx512'
  // By default a waiting thread spins for a long time. With other work on the cores, a step then takes 2 to 10 times as
  // long as with threads that soon go to sleep. The library of OpenMP reads the variable when it is loaded.
  const { name, value } = here.spin
  if (!process.env[name] && !process.env.OMP_WAIT_POLICY) process.env[name] = value
}

/** Begins to load libtorch on a separate thread, if set-up has run. Loading takes as long as everything else before the
 *  first step. Throws nothing: the code that needs libtorch reports what is wrong. */
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
    // libtorch is then loaded when it is needed.
  }
}
