import { rate } from '../../../base/format.ts'
import { purpose, rng } from '../../../base/random.ts'
import {
  aten,
  fromArray,
  generator,
  keep,
  manualSeed,
  noGrad,
  onOneThread,
  optim,
  scope,
  type Tensor,
} from '../../../torch/index.ts'
import type { Callback } from '../../../train/callback.ts'
import type { Evaluation } from '../../../train/evaluate.ts'
import { Learner } from '../../../train/learner.ts'
import type { LearnerProgress } from '../../../train/learner-state.ts'
import { objective } from '../../../train/objective.ts'
import { lrFind } from '../../../train/rates/finder.ts'
import type { LabelledSource } from '../../../train/source.ts'
import type { FitTableOptions, LabelledRows } from '../../types.ts'
import { batchSizeFor } from '../batch-size.ts'
import { readFitState, rowsDigest, secondsBetweenStates, under, writeFitState } from '../state.ts'
import { type TrainedScale, trainedLoss, trainedScale, trainedValues } from '../targets.ts'
import { embeddingCodes, fitMlpInputs, type MlpInputs, mlpRows } from './inputs.ts'
import { Mlp } from './model.ts'
import { type MlpShape, mlpNet } from './net.ts'

/** AutoGluon's settings of fastai's net: width of the layers, dropout. */
const hiddenWidths: readonly number[] = [200, 100]
const dropout = 0.1
/** The share of codes that is replaced by that of an unknown word, so that its embedding is trained too. */
const unknownShare = 0.01

/** Epochs by the number of training rows. */
const epochsFor = (rows: number): number => (rows <= 30_000 ? 30 : rows <= 100_000 ? 20 : rows <= 300_000 ? 10 : 5)

/** Trains fastai's TabularModel by one cycle. Default rate: the rate finder's. Keeps the weights of the epoch with the lowest
 *  validation loss. The same rows, seed, threads and options give the same bits. */
export async function fitMlp(options: FitTableOptions): Promise<Mlp> {
  const fit = new MlpFit(options)
  try {
    await fit.run()
    return fit.model()
  } finally {
    fit.dispose()
  }
}

/** Where a fit stands between two steps. */
interface MlpProgress {
  lr: number
  best?: number
  bestEpoch: number
  seconds: number
  learner?: LearnerProgress
}

class MlpFit {
  readonly #options: FitTableOptions
  readonly #inputs: MlpInputs
  readonly #scale: TrainedScale | undefined
  readonly #shape: MlpShape
  readonly #learn: Learner
  readonly #epochs: number
  readonly #validValues: Float64Array
  readonly #sources: TableSource[]
  #best = new Map<string, Tensor>()
  #at: MlpProgress = { lr: 0, bestEpoch: 0, seconds: 0 }
  #written = performance.now()

  constructor(options: FitTableOptions) {
    const { train, valid, seed, epochs } = options
    const { task, classes } = train.y
    this.#options = options
    this.#epochs = epochs ?? epochsFor(train.x.rows)
    this.#inputs = fitMlpInputs(train.x)
    const values = trainedValues(train.y)
    this.#validValues = trainedValues(valid.y)
    this.#scale = task === 'regression' ? trainedScale(values, classes.length) : undefined
    const codes = embeddingCodes(this.#inputs)
    this.#shape = { numbers: train.x.numberNames.length, codes, hidden: hiddenWidths, outputs: classes.length, dropout }
    manualSeed(seed)
    const net = mlpNet(this.#shape)
    const words = train.x.cardinalities.length
    const source = (rows: LabelledRows, y: Float64Array, trains: boolean) =>
      new TableSource(mlpRows(this.#inputs, rows.x), y, { task, shape: this.#shape, seed, words: trains ? words : 0 })
    this.#sources = [source(train, values, true), source(valid, this.#validValues, false)]
    this.#learn = new Learner(
      { net, groups: [{ name: 'net', modules: [net] }] },
      {
        train: this.#sources[0]!,
        valid: this.#sources[1]!,
        classes,
        objective: objective(task, classes, { scale: this.#scale }),
        batchSize: Math.min(train.x.rows, batchSizeFor(train.x.rows)),
        evalBatchSize: 4096,
        // fastai's Adam.
        optimizer: groups => optim.adamw(groups, { betas: [0.9, 0.99], eps: 1e-5 }),
        seed,
      },
    )
  }

  async run(): Promise<void> {
    const { signal, state, onChoice } = this.#options
    const going = state !== undefined && this.#resume(state)
    if (!going) {
      this.#at.lr = await this.#rate()
      this.#learn.seed()
    }
    try {
      const { lr } = this.#at
      if (!going || this.#at.learner?.fit) {
        const callbacks = [this.#watch()]
        // Waking other threads costs more than they save for layers as small as these.
        await onOneThread(() => this.#learn.fit(this.#epochs, { lr, schedule: 'one-cycle', signal, callbacks }))
      }
    } catch (error) {
      if (state && signal?.aborted) this.#store(state)
      throw error
    }
    if (state) this.#store(state)
    onChoice?.('mlp', `its epoch ${this.#at.bestEpoch} of ${this.#epochs} kept`, 'the validation loss was lowest there')
  }

  /** The learning rate: the user's, or that of the finder. */
  async #rate(): Promise<number> {
    const { lr, signal, onFinder, onChoice } = this.#options
    if (lr !== undefined) return lr
    this.#learn.seed()
    const { lrs, smoothed, suggestions } = await lrFind(this.#learn, { signal })
    const chosen = suggestions.minimum
    const how =
      'a tenth of the rate of the lowest loss: a new net under one cycle takes a higher rate than a trained one'
    onFinder?.({ lrs, losses: smoothed, chosen, how })
    onChoice?.('rate of mlp', rate(chosen), how)
    return chosen
  }

  /** Keeps the best weights, reports each epoch, and ends the fit in time. */
  #watch(): Callback {
    const { state, minutes = Number.POSITIVE_INFINITY, onStep, onChoice, valid } = this.#options
    let validLoss = Number.NaN
    return {
      afterValidate: ({ probabilities }: Evaluation) => {
        validLoss = trainedLoss(Float64Array.from(probabilities), this.#validValues, valid.y, this.#scale?.std ?? [])
      },
      afterEpoch: ({ epoch, trainLoss, seconds, lrs }) => {
        const best = !Number.isNaN(validLoss) && (this.#at.best === undefined || validLoss <= this.#at.best)
        if (best) this.#keepBest(validLoss, epoch)
        this.#at.seconds += seconds
        if (state && performance.now() - this.#written > 1000 * secondsBetweenStates) this.#store(state)
        const at = { epoch, epochs: this.#epochs, seconds: this.#at.seconds }
        onStep?.({ model: 'mlp', ...at, trainLoss, validLoss, lrs, best })
        if (this.#at.seconds <= 60 * minutes || epoch === this.#epochs) return undefined
        onChoice?.('mlp', `ended after epoch ${epoch}`, `the time of ${minutes} minutes is over`)
        return 'stop'
      },
    }
  }
  #keepBest(best: number, bestEpoch: number): void {
    Object.assign(this.#at, { best, bestEpoch })
    for (const t of this.#best.values()) t.dispose()
    this.#best = copyOf(this.#learn.network.net.stateDict())
  }

  get #plan(): object {
    const { seed, train, valid, lr = null } = this.#options
    return { seed, rows: rowsDigest(train, valid), epochs: this.#epochs, lr, shape: this.#shape }
  }
  #resume(folder: string): boolean {
    const found = readFitState<MlpProgress>(folder, 'mlp', this.#plan)
    if (!found?.at.learner) return false
    this.#at = found.at
    this.#best = keep(under('best.', found.tensors))
    const learner = under('learner.', found.tensors)
    this.#learn.loadState({ ...found.at.learner, tensors: learner })
    return true
  }
  #store(folder: string): void {
    const { tensors, ...learner } = this.#learn.state({ copy: false })
    const all = new Map(Array.from(tensors, ([name, t]) => [`learner.${name}`, t]))
    for (const [name, t] of this.#best) all.set(`best.${name}`, t)
    writeFitState(folder, 'mlp', this.#plan, { at: { ...this.#at, learner }, tensors: all })
    this.#written = performance.now()
  }

  model(): Mlp {
    const { net } = this.#learn.network
    if (this.#best.size > 0) net.loadStateDict(this.#best)
    const card = { format: 'anneal-mlp' as const, version: 1 as const, shape: this.#shape, inputs: this.#inputs }
    return new Mlp(net.eval(), { ...card, scale: this.#scale }, this.#options.train.y)
  }

  dispose(): void {
    for (const t of this.#best.values()) t.dispose()
    for (const source of this.#sources) source.dispose()
    for (const t of this.#learn.optimizerTensors().values()) t.dispose()
  }
}

const copyOf = (tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  noGrad(() => scope(() => keep(new Map(Array.from(tensors, ([name, t]) => [name, t.detach().clone()])))))

interface SourceOptions {
  task: 'single' | 'regression'
  shape: MlpShape
  seed: number
  /** How many of the codes are categories, of which some are replaced by the unknown word in training; 0 for none. */
  words: number
}

/** Encoded rows as batches. */
class TableSource implements LabelledSource {
  readonly count: number
  readonly targets
  readonly #x: Tensor
  readonly #y: Tensor
  readonly #options: SourceOptions

  constructor(data: Float32Array, values: Float64Array, options: SourceOptions) {
    const { numbers, codes, outputs } = options.shape
    const width = numbers + codes.length
    this.#options = options
    this.count = data.length / width
    this.#x = keep(fromArray(data, [this.count, width]))
    const single = options.task === 'single'
    this.#y = keep(
      single ? fromArray(BigInt64Array.from(values, BigInt), [this.count]) : fromArray(values, [this.count, outputs]),
    )
    this.targets = single ? Int32Array.from(values) : values
  }

  batch(samples: Uint32Array, epoch: number) {
    const index = fromArray(Int32Array.from(samples), [samples.length])
    const x = this.#x.indexSelect(0, index)
    const { words, seed, shape } = this.#options
    if (words > 0) {
      const random = rng(seed, epoch, samples[0] ?? 0, purpose.augment).integer(2 ** 48)
      const codes = x.narrow(1, shape.numbers, words)
      const chosen = aten.bernoulli_(aten.empty(codes.shape), { p: unknownShare, generator: generator(random) })
      aten.masked_fill_(codes, chosen.to('bool'), 1)
    }
    return { x, y: this.#y.indexSelect(0, index) }
  }

  dispose(): void {
    this.#x.dispose()
    this.#y.dispose()
  }
}
