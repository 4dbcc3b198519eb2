import type { Card } from '../../onnx/card.ts'
import type { Model, Ort, Prediction } from '../../runtime/browser.ts'
import { type AnyCard, readCard } from '../../runtime/card.ts'
import { decode, type Input } from '../../runtime/decode-browser.ts'
import type { BitmapLike } from '../../runtime/dom.ts'
import { openModel } from '../../runtime/model.ts'
import type { Host, LoadOptions } from '../../runtime/types.ts'
import { webHost } from '../../runtime/web.ts'
import { thumbnailOf } from './thumbnail.ts'

/** What is known of a picture: the prediction, and the picture as the model gets it. */
export interface Answer {
  prediction: Prediction
  /** Size of the upright picture in pixels. */
  width: number
  height: number
  /** A small copy, where it was asked for. */
  thumbnail?: ImageData
  /** Milliseconds of the net, and of the whole. */
  net: number
  all: number
}

/** What the page asks for a picture. */
export interface Question {
  input: Blob | ImageBitmap
  heat: boolean
  thumbnail: boolean
}

/** Answers questions: in this thread or in a worker. */
export interface Engine<Q = Question, A = Answer> {
  answer(question: Q): Promise<A>
}

/** What is asked of a kind of model. */
export interface Kind<Q, A> {
  /** Loads the model into this thread. wasm: the bytes of onnxruntime-web's .wasm file, so that nothing is fetched. */
  create(ort: Ort, model: ArrayBuffer, wasm: ArrayBuffer): Promise<Engine<Q, A>>
  /** What goes to a worker and comes from it without a copy. */
  given(question: Q): Transferable[]
  taken(answer: A): Transferable[]
}

/** The most pixels of a picture: more would need gigabytes, which a page on a phone does not get. */
const limitPixels = 100e6

/** The card of a model, and how its module opens it in a page. The runtime's `load` would bring the readers of all kinds into the
 *  page. */
export function opening<C extends AnyCard>(
  ort: Ort,
  model: ArrayBuffer,
  wasm: ArrayBuffer,
): { card: C; bytes: Uint8Array; name: string; host: Host<never>; options: LoadOptions } {
  const bytes = new Uint8Array(model)
  const options = { ort, wasm, device: 'wasm', threads: 1, limitPixels } as const
  return { card: readCard(bytes) as C, bytes, name: 'the model', host: webHost as Host<never>, options }
}

/** Models of pictures. */
export const pictures: Kind<Question, Answer> = {
  async create(ort, model, wasm) {
    const { card, bytes, name, host, options } = opening<Card>(ort, model, wasm)
    const loaded = await openModel<Input>(card, bytes, name, { ...host, decode }, options)
    return { answer: question => answer(loaded, question) }
  },
  given: ({ input }) => ('close' in input ? [input] : []),
  taken: ({ thumbnail }) => (thumbnail ? [thumbnail.data.buffer] : []),
}

async function answer(model: Model, { input, heat, thumbnail }: Question): Promise<Answer> {
  const start = performance.now()
  const pixels = await model.decode(input as Blob | (ImageBitmap & BitmapLike))
  if ('close' in input) input.close()
  const { width, height } = pixels
  const decoded = performance.now()
  const prediction = await model.predictPixels({ ...pixels, alpha: false }, { heat })
  const end = performance.now()
  return {
    prediction,
    width,
    height,
    ...(thumbnail && { thumbnail: thumbnailOf(pixels) }),
    net: end - decoded,
    all: end - start,
  }
}
