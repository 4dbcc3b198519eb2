import { existsSync } from 'node:fs'
import { OptionError } from '../base/errors.ts'
import type { Options } from '../base/option-table.ts'
import { type Report, silent, streamReport } from '../base/progress.ts'
import type { Narrator, Progress } from '../domain/index.ts'
import { chooseModel, type ImageModel, type ModelName, type NetworkFunction } from '../models/index.ts'
import { readEnvironment } from '../ranks/environment.ts'
import { programRanks } from '../ranks/program.ts'
import type { Ranks } from '../ranks/ranks.ts'
import { keepsStatistics } from '../recipes/options.ts'
import { checkDevice, usualDevice } from '../recipes/prepare/device.ts'
import { prepare } from '../recipes/prepare/prepare.ts'
import type { Prepared as AnyPrepared } from '../recipes/prepare/prepared.ts'
import { explain } from '../recipes/results/interpretation.ts'
import { modelCard } from '../recipes/results/model-card.ts'
import { refuseOther, sameSettings } from '../recipes/run/over-ranks.ts'
import type { Interpretation } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { keepMemory } from '../torch/index.ts'
import type { EpochInfo } from '../train/callback.ts'
import { type FitOptions, Learner, type LearnerOptions } from '../train/learner.ts'
import type { Network } from '../train/network.ts'
import type { LossName } from '../train/objective.ts'
import type { LossFunction } from '../train/own-loss.ts'
import type { Prediction } from '../train/prediction.ts'
import { type FindOptions, lrFind, type RateFinding } from '../train/rates/finder.ts'
import { saveModel } from '../train/saved-model.ts'
import type { ImageDataset } from '../vision/dataset.ts'
import { images, imagesFor } from '../vision/domain/images.ts'
import type { ImageInput } from '../vision/inference/image-inputs.ts'
import {
  inThisThread,
  type PredictAllOptions,
  type PredictOptions,
  predictImage,
  predictImages,
} from '../vision/inference/predict.ts'
import type { ModelCard, Preprocessing } from '../vision/inference/saved.ts'
import { checkOptions } from './check-options.ts'
import type { optionTables } from './options.ts'

type Prepared = AnyPrepared<ImageModel, Preprocessing>

/** The options of `learner` beside folder and model, with those that say where labels come from. Ranges and defaults:
 *  docs/options.md. Loss and optimizer may be your own functions. */
export interface ImageLearnerOptions
  extends Omit<Options<typeof optionTables.learner>, 'optimizer' | 'loss'>,
    Pick<LearnerOptions, 'callbacks' | 'optimizer' | 'metrics' | 'batchTransforms'> {
  /** The name of a loss, or your own function: outputs and targets → one number. */
  loss?: LossName | LossFunction | undefined
  progress?: Progress
  /** Called with messages about downloads. Default: they are written to stderr. */
  report?: Report
  signal?: AbortSignal
}

/** A learner over a folder of pictures, ready to train: a pretrained frozen body and a fresh head. `model`: a name;
 *  `auto`, which is `resnet34` if its weights are here or can be downloaded, else `tf_efficientnet_lite0`; or your own
 *  function that makes a network (`imageModel`) for the given number of channels, and leaves out the
 *  classifier if `classes` is 0. Your own network begins unfrozen, unless `weights` names a file for it, or
 *  `pretrained: true` says that your function loads weights itself. Started by a launcher (docs/ranks.md), the processes
 *  train one net together: each calls the same methods in the same order. */
export async function learner(
  dir: string,
  model: ModelName | 'auto' | NetworkFunction = 'auto',
  { progress = () => {}, report = streamReport(process.stderr), signal, ...given }: ImageLearnerOptions = {},
): Promise<ImageLearner> {
  const isOwn = typeof model === 'function'
  const options = isOwn ? { ...given, pretrained: given.pretrained ?? given.weights !== undefined } : given
  const { loss, optimizer, callbacks, metrics, batchTransforms, ...rest } = options
  const asked = {
    ...rest,
    ...(typeof loss === 'function' ? {} : { loss }),
    ...(typeof optimizer === 'function' ? {} : { optimizer }),
  }
  checkOptions(asked, 'learner', ['callbacks', 'metrics', 'batchTransforms', 'progress', 'report', 'signal'])
  if (readEnvironment()) refuseOther(asked.device ?? usualDevice())
  if (existsSync(dir)) await setUpOnce(report)
  checkDevice(asked.device ?? usualDevice(), asked.precision)
  keepMemory()
  const ranks = await programRanks({ report, signal })
  const own = ranks.isFirst ? { report, progress } : { report: silent, progress: () => {} }
  return together(ranks, async () => {
    await sameSettings(ranks, { model: isOwn ? 'your own function' : model, ...asked })
    const once = onceIn(ranks)
    // A program gets the same net each time, at once: the comparison of nets takes seconds, and belongs to a run's log.
    const { pretrained = true, weights } = asked
    const choose = (name: ModelName | 'auto') =>
      once('auto', () => chooseModel(name, { report, pretrained: pretrained && weights === undefined }))
    const name = isOwn ? undefined : await choose(model)
    const nobody: Narrator = { once, choice() {}, emit() {} }
    const prepared = await prepare(isOwn ? imagesFor(model) : images, dir, {
      narrator: nobody,
      options: { ...asked, ...(name === undefined ? {} : { model: name }) },
      ...own,
      signal,
    })
    const { net } = prepared.net
    ranks.compare('pictures, labels or split', prepared.data.fingerprint)
    ranks.compare('layers', JSON.stringify([...net.stateDict()].map(([name, { shape }]) => [name, shape])))
    ranks.copyFirst(net.stateDict().values()) // your own function may draw other weights in each process
    const learn = make(prepared, options, ranks)
    if (!isOwn || options.pretrained) learn.freeze()
    learn.seed()
    return learn
  })
}

/** Counts the learners of this program: what one decides does not hold for the next. */
let learners = 0

/** Runs the steps that one rank decides for all: `once` of a learner. */
function onceIn(ranks: Ranks): Narrator['once'] {
  const number = ++learners
  return (name, fn) => ranks.onceFromFirst(`learner ${number}/${name}`, fn)
}

/** Runs what all ranks do together. Where another rank has ended, the error says so. */
async function together<T>(ranks: Ranks, work: () => Promise<T>): Promise<T> {
  if (ranks.hasLeft)
    throw new OptionError(
      'this learner trained over ranks, and its group has ended: a run (trainFolder, resumeRun, evaluateFolder) in the same program has a group of its own. Make another learner with learner().',
    )
  try {
    return await work()
  } catch (error) {
    throw ranks.explained(error)
  }
}

let make: (prepared: Prepared, options: ImageLearnerOptions, ranks: Ranks) => ImageLearner

/** A `Learner` for pictures: it also predicts files, interprets its results, and saves all that prediction needs. */
export class ImageLearner extends Learner {
  /** The network with its body, as `gradCam` and `layerFeatures` take it. */
  declare readonly network: Network<ImageModel>
  static {
    make = (prepared, options, ranks) => new ImageLearner(prepared, options, ranks)
  }

  readonly #prepared: Prepared
  readonly #given: ImageLearnerOptions
  #isDisposed = false

  private constructor(prepared: Prepared, options: ImageLearnerOptions, ranks: Ranks) {
    const { net, objective, batchSize, seed, precision, source, classWeights, sampleWeights } = prepared
    const { optimizer, weightDecay, labelSmoothing, callbacks, gradClip, averageSteps, metrics, batchTransforms } =
      options
    const loss = typeof options.loss === 'function' ? options.loss : undefined
    const own = { optimizer, loss, metrics, batchTransforms, callbacks }
    const given = { ...own, weightDecay, labelSmoothing, gradClip, averageSteps }
    const set = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined))
    super(net, {
      train: source('train', { augmented: true }),
      valid: source('valid'),
      classes: objective.names,
      objective,
      batchSize,
      seed,
      precision,
      classWeights,
      sampleWeights,
      ranks,
      gradientType: options.gradients,
      syncBn: options.syncBn,
      ...set,
    })
    this.#prepared = prepared
    this.#given = options
    this.bnFreeze = keepsStatistics(options, { samples: this.train.count, batchSize }) ? 'body' : false
  }

  get classes(): readonly string[] {
    return this.#prepared.objective.names
  }
  /** The pictures after the scan: counts, and what was left out with its reason. */
  get data(): ImageDataset {
    return this.#prepared.data as ImageDataset
  }

  /** Learning rate finder: raises the rate after each batch and records the loss, then restores the learner. */
  async lrFind(options?: FindOptions): Promise<RateFinding> {
    this.#checkOpen()
    return together(this.ranks, () => lrFind(this, options))
  }

  /** fastai's fine_tune, in two cycles: `freezeEpochs` epochs of the head alone, then `epochs` epochs of the whole net
   *  at half the rate, down to a hundredth of that for the earliest group. */
  async fineTune(
    epochs: number,
    { lr = 2e-3, freezeEpochs = 1, ...options }: Omit<FitOptions, 'lr'> & { lr?: number; freezeEpochs?: number } = {},
  ): Promise<EpochInfo> {
    this.freeze()
    await this.fit(1, { ...options, schedule: 'one-cycle', cycleLen: freezeEpochs, lr, warmup: 0.99 })
    this.unfreeze()
    const factor = 100 ** (1 / (this.groups.length - 1))
    const history = await this.fit(1, {
      ...options,
      schedule: 'one-cycle',
      cycleLen: epochs,
      lr: lr / 2,
      factor,
      warmup: 0.3,
      div: 5,
    })
    return history.at(-1)!
  }

  /** The prediction for one picture: a path, `URL`, bytes, `Blob`, stream or raw pixels. It is computed in this thread,
   *  as training is. */
  predict(image: ImageInput, options?: PredictOptions): Promise<Prediction> {
    const { engine, card } = this.#predictor()
    return predictImage(engine, card, image, options)
  }
  predictAll(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options?: PredictAllOptions,
  ): AsyncGenerator<Prediction> {
    const { engine, card } = this.#predictor()
    return predictImages(engine, card, images, options)
  }
  #predictor() {
    this.#checkOpen()
    const { net, precision } = this.#prepared
    const card = this.#card({})
    return { engine: inThisThread({ members: [{ network: net, card }], card }, { precision }), card }
  }

  /** Frees the memory of net and optimizer. Every later use of the learner throws an error that says so. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return
    this.#isDisposed = true
    for (const t of this.optimizerTensors().values()) t.dispose()
    for (const t of this.network.net.stateDict().values()) t.dispose()
  }
  #checkOpen(): void {
    if (this.#isDisposed)
      throw new OptionError('this learner was disposed (Symbol.dispose); make another with learner().')
  }
  override async fit(cycles: number, options?: FitOptions): Promise<EpochInfo[]> {
    this.#checkOpen()
    return together(this.ranks, async () => {
      const history = await super.fit(cycles, options)
      this.ranks.compareTensors('weights after fit()', this.network.net.stateDict())
      return history
    })
  }
  override async validate(...given: Parameters<Learner['validate']>): ReturnType<Learner['validate']> {
    this.#checkOpen()
    return together(this.ranks, () => super.validate(...given))
  }

  /** Interprets the results on the validation pictures: confusion matrix, scores per class, pictures to look at. */
  async interpret(): Promise<Interpretation> {
    const whole = await this.validate(this.#prepared.source('valid')) // a row is a picture
    return explain(this.#prepared, { whole, rows: whole })
  }

  /** Writes `PATH.safetensors` and `PATH.json`: all that `loadClassifier` needs. Of several ranks the first one writes
   *  them; the others wait for it. */
  async save(path: string): Promise<void> {
    const { metrics, loss } = await this.validate()
    const card = this.#card({ ...metrics, loss, epoch: this.epoch })
    const write = () => saveModel(path.replace(/\.safetensors$/, ''), this.#prepared.net.net.stateDict(), card)
    await together(this.ranks, () => this.ranks.fromFirst('saved', write))
  }
  #card(metrics: ModelCard['metrics']): ModelCard {
    return modelCard(this.#prepared, this.#given, metrics) as ModelCard
  }
}
