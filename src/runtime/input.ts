import { scope } from './dom.ts'
import { RunError } from './errors.ts'
import { fetchModel } from './fetch.ts'
import { kindOf } from './pixels.ts'
import type { BlobLike, LoadOptions } from './types.ts'

/** The bytes of a file. */
export async function bytesOf(input: Uint8Array | ArrayBuffer | BlobLike): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return input
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  return new Uint8Array('arrayBuffer' in input ? await input.arrayBuffer() : input)
}

/** Whether an input is bytes of a file. */
export const isBytes = (input: object): input is Uint8Array | ArrayBuffer | BlobLike =>
  ArrayBuffer.isView(input) || kindOf(input) === 'ArrayBuffer' || typeof (input as BlobLike).arrayBuffer === 'function'

/** Where a model comes from outside Node: its address, or the bytes of its file. */
export type Source = string | { readonly href: string } | Uint8Array | ArrayBuffer | BlobLike

/** The bytes of a model, and what errors call it. */
export async function modelOf(source: Source, { signal }: LoadOptions): Promise<[bytes: Uint8Array, name: string]> {
  if (typeof source === 'object' && source !== null && !('href' in source) && isBytes(source))
    return [await bytesOf(source), 'the model']
  const url = addressOf(source)
  return [await fetchModel(url, signal), url]
}

/** The whole address, which errors name. */
function addressOf(source: unknown): string {
  const given = typeof source === 'string' ? source : (source as { href?: string } | null)?.href
  if (typeof given !== 'string')
    throw new RunError(
      'use',
      `load: got ${String(source)}, expected the address of a model.onnx, or its bytes (Uint8Array, ArrayBuffer, Blob).`,
    )
  try {
    return new URL(given, scope.location?.href).href
  } catch (cause) {
    throw new RunError(
      'use',
      `load: ${given} is no whole address, and no page is here that it could be relative to. Give the whole one, or bytes.`,
      { cause },
    )
  }
}

/** Whether PNG files can be decoded here: it needs a decompressor, which browsers have since 2023, and workers. */
export const readsPng = (): boolean => 'DecompressionStream' in globalThis
