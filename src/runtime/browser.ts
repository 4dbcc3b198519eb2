import { decode, type Input } from './decode-browser.ts'
import type { Model as AnyModel } from './model.ts'
import { type OpenModel, open } from './open.ts'
import { modelOf, type Source } from './source.ts'
import type { Host, LoadOptions, ModelKind } from './types.ts'
import { webHost } from './web.ts'

export type { Input } from './decode-browser.ts'
export type { BitmapLike, CanvasLike, FrameLike, ImageLike, VideoLike } from './dom.ts'
export * from './exports.ts'
export type { Source } from './source.ts'

/** A model of pictures, loaded by {@link load}. */
export type Model = AnyModel<Input>
/** A model of a kind, as {@link load} gives it. Of an unknown kind it is a union, which `model.kind` tells apart. */
export type ModelOf<K extends ModelKind = ModelKind> = OpenModel<Input, K>

const host: Host<Input> = { ...webHost, decode, sounds: () => import('./sound/browser.ts') }

/** Loads an exported model of pictures, of a table, of texts or of sounds: `model.onnx` of `anneal export`. source: its address, or its bytes. Works in a page and in a
 *  worker. Throws a RunError for a file that is no such model. */
export async function load<K extends ModelKind = ModelKind>(
  source: Source,
  options: LoadOptions<K> = {},
): Promise<ModelOf<K>> {
  return open(...(await modelOf(source, options)), host, options)
}
