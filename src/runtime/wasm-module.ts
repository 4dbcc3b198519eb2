import { RunError } from './errors.ts'
import { kindOf } from './pixels.ts'
import type { LoadOptions } from './types.ts'

/** An empty file of WebAssembly, and a few bytes of our own. */
const mark = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0x61, 0x6e, 0x6e, 0x65, 0x61, 0x6c)
const isMark = (code: object): boolean =>
  ArrayBuffer.isView(code) &&
  code.byteLength === mark.length &&
  mark.every((byte, i) => (code as Uint8Array)[i] === byte)

let compiled: object | undefined

/** Bytes for onnxruntime-web. It takes no compiled module, so `WebAssembly.instantiate` is taught to give the module for
 *  an empty file of our own: workers are not allowed to compile bytes. */
export function binaryOf(wasm: NonNullable<LoadOptions['wasm']>): Uint8Array | ArrayBuffer {
  if (kindOf(wasm) !== 'WebAssembly.Module') {
    if (ArrayBuffer.isView(wasm) || kindOf(wasm) === 'ArrayBuffer') return wasm as Uint8Array
    throw new RunError(
      'use',
      `wasm: got ${kindOf(wasm)}, expected the bytes of ort-wasm-simd-threaded.wasm, or a WebAssembly.Module.`,
    )
  }
  const waits = compiled !== undefined
  compiled = wasm
  if (waits) return mark // onnxruntime-web has not started yet, or never will again
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { instantiate(code: object, imports?: object): Promise<object> }
  }
  const { instantiate } = WebAssembly
  WebAssembly.instantiate = async (code, imports) => {
    if (!isMark(code)) return instantiate(code, imports)
    WebAssembly.instantiate = instantiate
    const module = compiled!
    return { module, instance: await instantiate(module, imports) }
  }
  return mark
}
