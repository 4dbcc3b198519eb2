import { decode, type Input } from './decode-browser.ts'
import { modelOf, type Source } from './input.ts'
import { type Model as AnyModel, openModel } from './model.ts'
import type { Host, LoadOptions } from './types.ts'
import { webHost } from './web.ts'

export type { Card, CardCheck, CardInput, CardMetric } from '../onnx/card.ts'
export { readCard } from './card.ts'
export type { Input } from './decode-browser.ts'
export type { BitmapLike, CanvasLike, FrameLike, ImageLike, VideoLike } from './dom.ts'
export { type ErrorKind, RunError } from './errors.ts'
export type { Source } from './input.ts'
export type { Saved as SavedClasses, Taught } from './teach.ts'
export type * from './types.ts'

/** A model, loaded by {@link load}. */
export type Model = AnyModel<Input>

const host: Host<Input> = { ...webHost, decode }

/** Loads an exported model: `model.onnx` of `anneal export`. source: its address, or its bytes. Works in a page and in a
 *  worker. Throws a RunError for a file that is no such model. */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return openModel(...(await modelOf(source, options)), host, options)
}
