import { threadsWanted } from '../setup/index.ts'
import { isLoaded, native } from './native.ts'

/** The loaded libtorch, and how it computes on this machine. */
export interface Library {
  version: string
  /** The instructions that libtorch's kernels use here: `AVX512`, `AVX2`, `DEFAULT`. */
  cpuCapability: string
  threads: number
  cudaDevices: number
  /** Whether libtorch can compute on the GPU of this Mac: the device `mps`. */
  mps: boolean
}
/** The loaded libtorch. */
export function library(): Library {
  return {
    version: native.version(),
    cpuCapability: native.cpuCapability(),
    threads: native.threads(),
    cudaDevices: native.cudaDevices(),
    mps: native.mpsAvailable(),
  }
}
/** How many threads one operator may use, or will use once libtorch is loaded: it is not loaded for the answer. */
export const operatorThreads = (): number => (isLoaded() ? native.threads() : threadsWanted())
/** How many threads one operator may use. */
export const setThreads = (n: number): void => {
  threadsChosen = n
  native.setThreads(n)
}
let threadsChosen: number | undefined
/** The last argument of `setThreads` in this thread; undefined if it was never called. */
export const chosenThreads = (): number | undefined => threadsChosen
export { keepMemory } from './native.ts'
/** Whether `keepMemory` has been called in this process. */
export const keepsMemory = (): boolean => native.keepsMemory()
/** Keeps the libraries of the loaded addons in memory after the thread that loaded them ends. For workers. */
export const pinLibraries = (): void => native.pinLibraries()
/** Runs `fn` with this many threads per operator. */
export function withThreads<T>(n: number, fn: () => T): T {
  const before = native.threads()
  native.setThreads(n)
  try {
    return fn()
  } finally {
    native.setThreads(before)
  }
}
/** Runs `fn` with one thread per operator. For operators on about ten thousand numbers, waking other threads costs more
 *  time than they save. */
export async function onOneThread<T>(fn: () => Promise<T>): Promise<T> {
  if (alone++ === 0) {
    usual = native.threads()
    native.setThreads(1)
  }
  try {
    return await fn()
  } finally {
    if (--alone === 0) native.setThreads(usual)
  }
}
let alone = 0
let usual = 1
/** Free bytes on a device; undefined if libtorch does not report them: on the CPU, and before 2.9. */
export const freeMemory = (device: string): number | undefined => native.freeMemory(device) ?? undefined
/** Waits until the GPU has finished all its work; does nothing on a CPU. */
export const synchronize = (): void => native.synchronize()
/** Selects algorithms that give the same bits each time, if libtorch has them. */
export const setDeterministic = (on: boolean): void => native.setDeterministic(on)
