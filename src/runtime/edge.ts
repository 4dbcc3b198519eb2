import type { Card } from '../onnx/card.ts'
import { RunError } from './errors.ts'
import { formatOf } from './format.ts'
import { readHeader } from './header.ts'
import { bytesOf, isBytes, readsPng } from './input.ts'
import type { Model as AnyModel } from './model.ts'
import { type OpenModel, open } from './open.ts'
import { checkPixels, isRaw } from './pixels.ts'
import { modelOf, type Source } from './source.ts'
import type { BlobLike, Host, LoadOptions, ModelKind, RawPixels } from './types.ts'
import { webHost } from './web.ts'

export * from './exports.ts'
export type { Source } from './source.ts'

/** A picture to predict: raw pixels, or the bytes of a file: PNG, and with `load(model, { decode })` all that you decode. */
export type Input = Uint8Array | ArrayBuffer | BlobLike | RawPixels
/** A model of pictures, loaded by {@link load}. */
export type Model = AnyModel<Input>
/** A model of a kind, as {@link load} gives it. Of an unknown kind it is a union, which `model.kind` tells apart. */
export type ModelOf<K extends ModelKind = ModelKind> = OpenModel<Input, K>

/** The pixels of an input. There is no canvas on the edge: PNG files are decoded here, others by `decode`. */
async function decode(
  input: Input,
  _: Card,
  { limitPixels, decode }: Parameters<Host<Input>['decode']>[2],
): Promise<RawPixels> {
  const known = typeof input === 'object' && input !== null
  if (known && isRaw(input)) return input
  if (!known || !isBytes(input)) return (await import('./unread.ts')).refuseInput(input, expected)
  const bytes = await bytesOf(input)
  const format = await formatOf(bytes, ['JPEG', 'PNG', 'GIF', 'WebP', 'AVIF', 'TIFF'])
  if (format !== 'TIFF') {
    const { width, height, orientation } = await readHeader(bytes, format)
    checkPixels(width, height, limitPixels)
    if (format === 'PNG' && readsPng()) return (await import('./png.ts')).decodePng(bytes, orientation)
  }
  if (decode) return decode(bytes)
  throw new RunError(
    'picture',
    `it is a file of ${format}, and this runtime has no decoder for it. Give one: load(model, { decode: async bytes => ({ data, width, height, channels }) }), or send raw pixels or PNG. docs/run.md names decoders`,
  )
}

const expected =
  'the bytes of a picture file (Uint8Array, ArrayBuffer, Blob), or raw pixels { data, width, height, channels }'

const host: Host<Input> = { ...webHost, decode, sounds: () => import('./sound/edge.ts') }

/** Loads an exported model: `model.onnx` of `anneal export`, by its address or its bytes, in a worker of an edge runtime.
 *  Such a worker may not compile WebAssembly: give `wasm`, the imported .wasm file of onnxruntime-web. */
export async function load<K extends ModelKind = ModelKind>(
  source: Source,
  options: LoadOptions<K> = {},
): Promise<ModelOf<K>> {
  return open(...(await modelOf(source, options)), host, options)
}
