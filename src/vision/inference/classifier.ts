import { ImageError } from '../../base/errors.ts'
import type { Task } from '../../data/index.ts'
import type { Precision } from '../../train/network.ts'
import { targetText } from '../../train/objective.ts'
import type { Prediction } from '../../train/prediction.ts'
import { precisionOf, type StoredModel } from '../../train/saved-model.ts'
import { type Answer, answer, type ComputeOptions } from './answer.ts'
import type { ImageInput, ReadImage } from './image-inputs.ts'
import { canRunOffThread, OffThread } from './off-thread.ts'
import { type Engine, type PredictAllOptions, type PredictOptions, predictImage, predictImages } from './predict.ts'
import { buildStored, disposeModel, type LoadedModel, type Preprocessing, readStored } from './saved.ts'

/** A trained classifier: weights, labels, and how a picture becomes its input. `T`: what it predicts. */
export interface Classifier<T extends Task = Task> {
  readonly task: T
  readonly architecture: string
  readonly classes: readonly string[]
  readonly preprocessing: Preprocessing
  /** The type of products: the one the net was validated in, where this machine has instructions for it, unless asked for
   *  another. To find out loads libtorch. */
  readonly precision: Precision
  /** What the net makes of one picture. */
  predict(image: ImageInput, options?: PredictOptions): Promise<Prediction<T>>
  /** The same of many, in their order. Back pressure holds: at most two batches are read before you take the predictions. */
  predictAll(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options?: PredictAllOptions,
  ): AsyncGenerator<Prediction<T>>
  /** Loads the net now, which else the first prediction does. Rejects where the weights do not fit. */
  ready(): Promise<void>
  /** A value of the target of that name as text, with all decimals that the target has. */
  text(value: number, target: string): string
  /** Frees the memory of the net, once every `predict` that was called is answered; `predictAll` ends with its next batch. */
  close(): Promise<void>
  /** The same, without waiting for it: `using classifier = loadClassifier(run)`. */
  [Symbol.dispose](): void
}

/** How a classifier is loaded. */
export interface LoadOptions<T extends Task = Task> {
  /** The task that you expect: predictions have its type, and a model of another task is refused. */
  task?: T
  /** Where the net computes: `cpu` unless given. */
  device?: string
  precision?: Precision
  /** Whether the net computes in a thread of its own, so that this one stays free for other work: yes unless you say `false`. All
   *  classifiers share that thread; the first prediction starts it. */
  worker?: boolean
}

/** Loads a classifier that a run kept: the run's folder (its best weights), or the path of the weights or of its JSON. The files
 *  are read now; libtorch is loaded by the first prediction. */
export function loadClassifier<T extends Task = Task>(
  path: string,
  { task: wanted, worker = true, device, precision }: LoadOptions<T> = {},
): Classifier<T> {
  const stored = readStored(path)
  const { card } = stored
  const { classes, preprocessing, architecture, task = 'single' } = card
  if (wanted !== undefined && wanted !== task)
    throw new ImageError(`${path}: task: expected a model for ${wanted}, this one is for ${task}.`)
  const engine =
    worker && findsThread() ? new OffThread(stored, { device, precision }) : new InThread(stored, { device, precision })
  const asked = new Set<Promise<unknown>>()
  let isClosed = false
  const open: Engine = {
    depth: engine.depth,
    async answer(images, options) {
      if (isClosed) throw closed(path)
      return engine.answer(images, options)
    },
  }
  const close = async () => {
    if (isClosed) return
    isClosed = true
    await Promise.allSettled(asked)
    await engine.close()
  }
  return {
    task: task as T,
    architecture,
    classes,
    preprocessing,
    get precision() {
      return precision ?? precisionOf(card, device)
    },
    text: (value, target) => targetText(value, classes.indexOf(target), card.scale),
    async predict(image, options) {
      if (isClosed) throw closed(path)
      const found = predictImage<T>(engine, card, image, options)
      asked.add(found)
      return found.finally(() => asked.delete(found))
    },
    predictAll(images, options) {
      if (isClosed) throw closed(path)
      return predictImages<T>(open, card, images, options)
    },
    async ready() {
      if (isClosed) throw closed(path)
      await engine.ready()
    },
    close,
    [Symbol.dispose]: () => void close(),
  }
}

/** The nets in the calling thread, made at once. */
class InThread implements Engine {
  readonly depth = 1
  readonly #loaded: LoadedModel
  readonly #options: ComputeOptions
  #working: Promise<unknown> = Promise.resolve()

  constructor(stored: StoredModel<Preprocessing>, options: ComputeOptions) {
    this.#loaded = buildStored(stored, options.device)
    this.#options = options
  }
  async answer(images: readonly ReadImage[], { alone }: { alone: boolean }): Promise<Answer> {
    const found = answer(this.#loaded, images, { ...this.#options, alone })
    this.#working = Promise.allSettled([this.#working, found])
    return found
  }
  async ready(): Promise<void> {}
  async close(): Promise<void> {
    await this.#working
    disposeModel(this.#loaded)
  }
}

let isTold = false
/** Whether nets can have a thread of their own; says it once where they can't. */
function findsThread(): boolean {
  const found = canRunOffThread()
  if (!found && !isTold)
    process.emitWarning(
      'anneal predicts in the calling thread: the file of its own thread is not beside this bundle. Keep the package `anneal` external when you bundle, or say so: loadClassifier(run, { worker: false }).',
      { code: 'ANNEAL_IN_THREAD' },
    )
  isTold ||= !found
  return found
}

const closed = (path: string) =>
  new ImageError(
    `${path}: this classifier is closed (by close() or Symbol.dispose); load it again with loadClassifier.`,
  )
