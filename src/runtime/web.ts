import { scope } from './dom.ts'
import { reasonOf } from './errors.ts'
import type { Host, LoadOptions, Ort } from './types.ts'

/** What browsers and edge runtimes share: onnxruntime-web. */
export const webHost: Omit<Host<never>, 'decode'> = {
  device: 'wasm',
  importOrt: async () => (await import('onnxruntime-web/wasm')) as unknown as Ort,
  prepare(ort, { threads = usualThreads(), wasmPaths }) {
    const { wasm } = ort.env as { wasm?: { numThreads?: number; wasmPaths?: LoadOptions['wasmPaths'] } }
    if (!wasm) return {}
    wasm.numThreads = threads
    if (wasmPaths !== undefined) wasm.wasmPaths = wasmPaths
    return {}
  },
  explain: error => `onnxruntime-web does not start (${reasonOf(error)}).`,
}

/** Threads need shared memory, which pages have that are cross-origin isolated. */
function usualThreads(): number {
  if (!scope.crossOriginIsolated) return 1
  return Math.min(4, Math.ceil((scope.navigator?.hardwareConcurrency ?? 1) / 2))
}
