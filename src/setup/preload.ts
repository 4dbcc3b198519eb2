import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type FoundAddon, findAddon } from './addon.ts'
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
    const { path, library, cuda = library } = findAddon() ?? {}
    const loader = path && smallBeside(path)
    if (!cuda || !loader) return
    prepareEnvironment()
    loader.load(cuda)
    process.once('exit', loader.wait)
  } catch {
    // libtorch is then loaded when it is needed.
  }
}

/** Loads the libraries that an addon needs but is not linked with. Call it before the addon is loaded. */
export function loadBefore({ path, cuda }: FoundAddon): void {
  const loader = cuda && smallBeside(path)
  if (!loader) return
  loader.wait()
  loader.load(cuda)
  loader.wait()
}

/** What `preload.node` has: the addon that needs no libtorch. */
export interface SmallAddon {
  /** Loads a library on a thread. */
  load(library: string): void
  wait(): void
  /** Rows of text files into columns (`native/tables/rows.h`). An older addon has none. */
  readRows?(
    bytes: Uint8Array,
    place: Float64Array,
    end: number,
    delimiter: number,
    quote: number,
    room: number,
    mostWords: number,
    kinds: Uint8Array,
    arrays: (ArrayBufferView | undefined)[],
  ): void
  /** Of a JPEG file: [height, width] of its upright picture; null if `decodePixels` does not take it (`native/pictures/pixels.h`). */
  planPixels?(bytes: Uint8Array, limit: number): readonly [height: number, width: number] | null
  /** Fills `out` [height, width, 3]; false for a damaged file. `atOnce`: in this thread, else a promise. */
  decodePixels?(bytes: Uint8Array, limit: number, out: Uint8Array, atOnce: boolean): boolean | Promise<boolean>
}

/** The small addon in the folder of the other. */
function smallBeside(addon: string): SmallAddon | undefined {
  const file = join(dirname(addon), 'preload.node')
  return existsSync(file) ? createRequire(import.meta.url)(file) : undefined
}

/** The small addon beside the one that is in use; undefined where set-up has not run, or it can't be loaded. */
export function smallAddon(): SmallAddon | undefined {
  try {
    const found = findAddon()
    return found && smallBeside(found.path)
  } catch {
    return undefined
  }
}
