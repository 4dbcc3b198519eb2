import { kindOf } from './pixels.ts'
import type { BlobLike } from './types.ts'

/** The bytes of a file. */
export async function bytesOf(input: Uint8Array | ArrayBuffer | BlobLike): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return input
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  return new Uint8Array('arrayBuffer' in input ? await input.arrayBuffer() : input)
}

/** Whether an input is bytes of a file. */
export const isBytes = (input: object): input is Uint8Array | ArrayBuffer | BlobLike =>
  ArrayBuffer.isView(input) || kindOf(input) === 'ArrayBuffer' || typeof (input as BlobLike).arrayBuffer === 'function'

/** Whether PNG files can be decoded here: it needs a decompressor, which browsers have since 2023, and workers. */
export const readsPng = (): boolean => 'DecompressionStream' in globalThis
