import { RunError } from './errors.ts'
import { kindOf } from './pixels.ts'
import type { LoadOptions } from './types.ts'

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
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { instantiate(code: object, imports?: object): Promise<object> }
  }
  const mark = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0x61, 0x6e, 0x6e, 0x65, 0x61, 0x6c)
  const { instantiate } = WebAssembly
  const same = (code: object) =>
    ArrayBuffer.isView(code) &&
    code.byteLength === mark.length &&
    mark.every((byte, i) => (code as Uint8Array)[i] === byte)
  WebAssembly.instantiate = async (code, imports) => {
    if (!same(code)) return instantiate(code, imports)
    WebAssembly.instantiate = instantiate
    return { module: wasm, instance: await instantiate(wasm, imports) }
  }
  return mark
}
