import { native } from './native.ts'

/** The libtorch that was loaded, and how it computes here. */
export interface Library {
  version: string
  /** The instructions its own kernels were chosen for: `AVX512`, `AVX2`, `DEFAULT`. */
  cpuCapability: string
  threads: number
  cudaDevices: number
}
/** What was loaded. */
export function library(): Library {
  return {
    version: native.version(),
    cpuCapability: native.cpuCapability(),
    threads: native.threads(),
    cudaDevices: native.cudaDevices(),
  }
}
/** How many threads one operator may use. */
export const setThreads = (n: number): void => {
  threadsChosen = n
  native.setThreads(n)
}
let threadsChosen: number | undefined
/** What `setThreads` was given last in this thread; undefined where it was never called. */
export const chosenThreads = (): number | undefined => threadsChosen
export { keepMemory } from './native.ts'
/** Whether `keepMemory` has been called in this process. */
export const keepsMemory = (): boolean => native.keepsMemory()
/** What the addons that are loaded have loaded stays when the thread ends that loaded them. For workers. */
export const pinLibraries = (): void => native.pinLibraries()
/** Runs `fn` with one thread an operator. Where operators see some ten thousand numbers, to wake the others costs more than
 *  they take off. */
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
/** Bytes that are free on a device; undefined where libtorch does not tell: on the CPU, and before 2.9. */
export const freeMemory = (device: string): number | undefined => native.freeMemory(device) ?? undefined
/** Waits until the GPU has done what was asked of it; nothing on a CPU. */
export const synchronize = (): void => native.synchronize()
/** Only algorithms that give the same bits each time, where libtorch has them. */
export const setDeterministic = (on: boolean): void => native.setDeterministic(on)
