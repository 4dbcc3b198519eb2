import { load, type Model, type Ort, type Prediction } from '../../runtime/browser.ts'
import type { BitmapLike } from '../../runtime/dom.ts'
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

/** Models of pictures. */
export const pictures: Kind<Question, Answer> = {
  async create(ort, model, wasm) {
    const loaded = await load(model, { kind: 'picture', ort, wasm, device: 'wasm', threads: 1, limitPixels })
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
