import { setMaxListeners } from 'node:events'
import { untilAborted } from '../../base/abort.ts'
import { ImageError } from '../../base/errors.ts'
import type { Task } from '../../data/index.ts'
import type { Outputs } from '../../train/objective.ts'
import { type Prediction, predictionOf } from '../../train/prediction.ts'
import { type Answer, answer, type ComputeOptions } from './answer.ts'
import { type ImageInput, inputName, type ReadImage } from './image-inputs.ts'
import { type Read, readBatches } from './read-batches.ts'
import type { LoadedModel, ModelCard } from './saved.ts'

/** How one picture is predicted. */
export interface PredictOptions {
  /** Ends it: the promise is rejected at once with the signal's reason, an `AbortError` unless you gave another. */
  signal?: AbortSignal | undefined
  /** The most bytes that an encoded picture in memory or in a stream may have. Default: 2 GiB, as much as Node holds. */
  maxBytes?: number | undefined
}

/** How many pictures are predicted. */
export interface PredictAllOptions extends PredictOptions {
  /** How many go through the net at once. Default: 32. At most three times as many are in memory. */
  batchSize?: number | undefined
  /** Hears of pictures that can't be read, in their order among the predictions; without it the first one throws. */
  onError?: ((file: string, error: Error, index: number) => void) | undefined
}

/** Who computes: this thread or another. */
export interface Engine {
  /** How many batches it is given before its first answer is awaited. */
  readonly depth: number
  answer(images: readonly ReadImage[], options: { signal: AbortSignal; alone: boolean }): Promise<Answer>
}

/** The nets compute in this thread. */
export const inThisThread = (loaded: LoadedModel, options: ComputeOptions = {}): Engine => ({
  depth: 1,
  answer: (images, { alone }) => answer(loaded, images, { ...options, alone }),
})

/** Predicts pictures in files, by a net that is loaded in this thread; see `predictImages`. */
export const predictFiles = <T extends Task = Task>(
  loaded: LoadedModel,
  files: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  { precision, device, ...options }: PredictAllOptions & ComputeOptions = {},
): AsyncGenerator<Prediction<T>> =>
  predictImages<T>(inThisThread(loaded, { precision, device }), loaded.card, files, options)

/** Predicts one picture. */
export async function predictImage<T extends Task = Task>(
  engine: Engine,
  card: ModelCard,
  image: ImageInput,
  options: PredictOptions = {},
): Promise<Prediction<T>> {
  for await (const found of inBatches<T>(engine, card, [image], { ...options, batchSize: 1 }, () => 'image'))
    return found
  throw new Error('no prediction') // an error has been thrown
}

/** Predicts pictures one after another, in the order in which they come. Not more than two batches are read before what was
 *  predicted of them is taken. */
export function predictImages<T extends Task = Task>(
  engine: Engine,
  card: ModelCard,
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  options: PredictAllOptions = {},
): AsyncGenerator<Prediction<T>> {
  const given: unknown = images
  const isMany =
    typeof given === 'object' && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given)
  if (!isMany || ArrayBuffer.isView(given))
    throw new ImageError(
      `predictAll: expected an array or another iterable of images, got ${inputName(given)}. For one image: predict(image), or predictAll([image]).`,
    )
  const { batchSize = 32 } = options
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new ImageError(`batchSize: expected a whole number from 1, got ${batchSize}`)
  return inBatches<T>(engine, card, images, { ...options, batchSize }, index => `image ${index + 1}`)
}

/** A batch: its inputs, each with its outputs or its error. */
type Done = { index: number; name: string; row?: Outputs; error?: Error }[]

async function* inBatches<T extends Task>(
  engine: Engine,
  card: ModelCard,
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  { signal, batchSize, onError, maxBytes }: PredictAllOptions & { batchSize: number },
  nameOf: (index: number) => string,
): AsyncGenerator<Prediction<T>> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  setMaxListeners(0, stop.signal) // each image of a batch listens
  const onAbort = () => stop.abort(signal!.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const batches = readBatches(images, { batchSize, nameOf, signal: stop.signal, maxBytes })
  const coming: Promise<Done | undefined>[] = []
  let reading: Promise<unknown> = Promise.resolve()
  const begin = () => {
    const reads = reading.then(() => (stop.signal.aborted ? [] : batches.next()))
    reading = reads
    const done = reads.then(async (reads): Promise<Done | undefined> => {
      if (reads.length === 0) return undefined
      const images = reads.flatMap(({ image }) => (image ? [image] : []))
      const found =
        images.length === 0
          ? { rows: new Float32Array(), errors: [] }
          : await engine.answer(images, { signal: stop.signal, alone: batchSize === 1 || reads.length === 1 })
      return withRows(reads, found, card.classes.length)
    })
    for (const promise of [reads, done]) promise.catch(() => {}) // who awaits it hears of it
    coming.push(done)
  }
  try {
    for (;;) {
      while (coming.length < engine.depth) begin()
      const done = await untilAborted(coming.shift()!, signal)
      if (!done) return
      if (engine.depth > 1) begin()
      for (const { index, name, row, error } of done) {
        signal?.throwIfAborted()
        if (row) yield predictionOf<T>({ file: name, index, scores: row }, card)
        else if (!onError) throw error
        else onError(name, error!, index)
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stop.abort(signal?.reason)
    batches.end()
  }
}

/** Gives each input its row of outputs or its error. */
function withRows(reads: readonly Read[], { rows, errors }: Answer, classes: number): Done {
  let asked = 0
  let good = 0
  return reads.map(({ index, name, image, error }) => {
    const why = image ? errors[asked++] : error
    if (why) return { index, name, error: why }
    return { index, name, row: rows.slice(good * classes, ++good * classes) }
  })
}
