import { bytesOf, decode, type Input, isBytes } from './decode-browser.ts'
import { scope } from './dom.ts'
import { RunError } from './errors.ts'
import { fetchModel } from './fetch.ts'
import { type Model as AnyModel, openModel } from './model.ts'
import type { BlobLike, Host, LoadOptions } from './types.ts'
import { webHost } from './web.ts'

export type { Card, CardCheck, CardInput, CardMetric } from '../onnx/card.ts'
export { probePicture } from '../onnx/probe.ts'
export { readCard } from './card.ts'
export type { Input } from './decode-browser.ts'
export type { BitmapLike, CanvasLike, FrameLike, ImageLike, VideoLike } from './dom.ts'
export { type ErrorKind, RunError } from './errors.ts'
export type { Saved as SavedClasses, Taught } from './teach.ts'
export type * from './types.ts'

/** A model, loaded by {@link load}. */
export type Model = AnyModel<Input>

const host: Host<Input> = { ...webHost, decode }

/** Loads an exported model: `model.onnx` of `anneal export`. source: its address, or its bytes. Works in a page and in a
 *  worker. Throws a RunError for a file that is no such model. */
export async function load(
  source: string | { readonly href: string } | Uint8Array | ArrayBuffer | BlobLike,
  options: LoadOptions = {},
): Promise<Model> {
  if (typeof source === 'object' && source !== null && !('href' in source) && isBytes(source))
    return openModel(await bytesOf(source), 'the model', host, options)
  const url = addressOf(source)
  return openModel(await fetchModel(url, options.signal), url, host, options)
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
      `load: ${given} is no whole address, and this worker has no address that it could be relative to. Give it whole: new URL('model.onnx', location.href) in the page.`,
      { cause },
    )
  }
}
