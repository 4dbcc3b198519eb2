import { scope } from './dom.ts'
import type { Host, LoadOptions, Ort } from './types.ts'

const file = 'ort-wasm-simd-threaded.wasm'

interface WasmFlags {
  numThreads?: number
  initTimeout?: number
  wasmPaths?: LoadOptions['wasmPaths']
  wasmBinary?: Uint8Array | ArrayBuffer
}

/** What browsers and edge runtimes share: onnxruntime-web. */
export const webHost: Omit<Host<never>, 'decode' | 'sounds'> = {
  device: 'wasm',
  importOrt: async () => (await import('onnxruntime-web/wasm')) as unknown as Ort,
  async prepare(ort, { threads, wasm, ...options }) {
    const { wasm: flags } = ort.env as { wasm?: WasmFlags }
    if (!flags) return {}
    const paths = pathsOf(options)
    // In a bundle, threads do not find their script by themselves, and onnxruntime-web waits for them without end.
    const findable = typeof paths === 'object' && paths.mjs !== undefined
    flags.numThreads = threads ?? (findable ? usualThreads() : 1)
    if (flags.numThreads > 1) flags.initTimeout ||= 30_000
    if (paths !== undefined) flags.wasmPaths = paths
    if (wasm !== undefined) flags.wasmBinary = (await import('./wasm-module.ts')).binaryOf(wasm)
    return {}
  },
  explain: async (error, options) => (await import('./explain-web.ts')).explain(error, options, pathsOf(options)),
}

/** The paths for onnxruntime-web. In a folder it would look for a script as well, which the module imported here has. */
function pathsOf({ wasmPaths, ort }: LoadOptions): LoadOptions['wasmPaths'] {
  if (typeof wasmPaths !== 'string') return wasmPaths
  if (!wasmPaths.endsWith('/')) return { wasm: wasmPaths }
  return ort ? wasmPaths : { wasm: wasmPaths + file }
}

/** Threads need shared memory, which pages have that are cross-origin isolated. */
function usualThreads(): number {
  if (!scope.crossOriginIsolated) return 1
  return Math.min(4, Math.ceil((scope.navigator?.hardwareConcurrency ?? 1) / 2))
}
