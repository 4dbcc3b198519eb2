import { AnnealError } from '../base/errors.ts'
import { epochOrder, trainingBatches } from '../data/sampler.ts'
import {
  defaultGenerator,
  fromArray,
  keep,
  manualSeed,
  type nn,
  noGrad,
  optim,
  scope,
  type Tensor,
} from '../torch/index.ts'
import type { StoredTensor } from '../weights/index.ts'
import { weightedOrder } from './balance.ts'
import type { EpochInfo, Training } from './callback.ts'
import { WeightAverage } from './ema.ts'
import { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts'
import { Events } from './events.ts'
import { Fit } from './fit.ts'
import type { FitOptions, LearnerOptions, LearnerSettings } from './learner-options.ts'
import {
  asTensor,
  asTensors,
  type FitProgress,
  type LearnerProgress,
  type LearnerState,
  stateTensors,
  tensorsUnder,
} from './learner-state.ts'
import type { Trainable } from './network.ts'
import { objective } from './objective.ts'
import { makeOptimizer } from './optimizer.ts'
import { withLoss } from './own-loss.ts'
import { checkMetrics, ownScores } from './own-metrics.ts'
import { byDecay } from './param-groups.ts'
import { groupRates } from './rates/group-rates.ts'
import { curvesOf } from './rates/named.ts'
import { cycleEpochs } from './rates/restarts.ts'
import { trainingLoop } from './show-loop.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import type { Source } from './source.ts'
import { type StepPlace, type StepResult, type StepTools, takeStep } from './step.ts'
import { type TrainMode, trainModeOf } from './train-mode.ts'

export type { FitOptions, LearnerOptions } from './learner-options.ts'
export type { FitProgress } from './learner-state.ts'
export type { OptimizerName } from './optimizer.ts'
export { dropSnapshot, type Snapshot } from './snapshot.ts'

/** Trains a network: the loop, and what hangs on it by callbacks. Steps are synchronous; between two of them signals and
 *  timers get their turn. */
export class Learner implements Training {
  readonly network: Trainable
  readonly options: LearnerOptions & LearnerSettings
  train: Source
  valid: Source | undefined
  /** Every BatchNorm keeps its statistics, also where its weights train; with `'body'` all but the last group's. */
  bnFreeze: boolean | 'body' = false
  /** Whether dropout drops. */
  dropout = true
  /** BatchNorm of frozen groups follows the batch all the same (fastai's `train_bn`). */
  trainFrozenBn = false
  /** The averaged weights, where `averageSteps` asks for them. */
  readonly average: WeightAverage | undefined
  /** Epochs and steps so far, over all fits. */
  epoch = 0
  step = 0
  /** How the last epoch of a fit validated. */
  evaluated: Evaluation | undefined
  #frozen: boolean[]
  #optimizer: optim.Optimizer | undefined
  /** The fit in progress, and after an exception the one that it ended. */
  #fit: Fit | undefined
  /** What `loadState` brought of a fit in progress: the next `fit` goes on with it. */
  #loaded: LoadedFit | undefined
  /** Of steps outside a fit. */
  #tools: StepTools | undefined
  readonly #setTrainMode: (mode: TrainMode) => void

  constructor(network: Trainable, options: LearnerOptions) {
    const { batchSize = 32 } = options
    this.network = network
    const { metrics = {}, loss, objective: given = objective('single', options.classes) } = options
    this.options = {
      evalBatchSize: batchSize * 2,
      optimizer: 'adamw',
      weightDecay: 0.01,
      labelSmoothing: 0,
      precision: 'float32',
      seed: 42,
      averageSteps: 0,
      ...options,
      batchSize,
      objective: loss ? withLoss(given, loss) : given,
    }
    checkMetrics(metrics, given)
    this.#setTrainMode = trainModeOf(network)
    this.train = options.train
    this.valid = options.valid
    this.#frozen = network.groups.map(() => false)
    if (this.options.averageSteps) this.average = new WeightAverage(network.net, this.options.averageSteps)
    if (this.train.count < 2) throw new AnnealError(`training needs at least 2 pictures, got ${this.train.count}`)
    if (!Number.isInteger(batchSize) || batchSize < 2)
      throw new AnnealError(`the batch size must be a whole number from 2, got ${batchSize}`)
  }

  get groups(): readonly string[] {
    return this.network.groups.map(g => g.name)
  }
  get device(): string {
    return this.network.device ?? 'cpu'
  }
  /** Which groups do not train, earliest first. */
  get frozen(): readonly boolean[] {
    return this.#frozen
  }

  /** Only group `n` and those behind it train; negative counts from the end. */
  freezeTo(n: number): void {
    const first = n < 0 ? this.groups.length + n : n
    if (!Number.isInteger(first) || first < 0 || first >= this.groups.length)
      throw new AnnealError(
        `freezeTo: there is no group ${n}; the groups are ${this.groups.map((g, i) => `${i} (${g})`).join(', ')}`,
      )
    this.#frozen = this.groups.map((_, i) => i < first)
    for (const [i, group] of this.network.groups.entries())
      for (const m of group.modules) m.requiresGrad(!this.#frozen[i])
  }
  /** Only the head trains. */
  freeze(): void {
    this.freezeTo(-1)
  }
  /** Everything trains. */
  unfreeze(): void {
    this.freezeTo(0)
  }

  /** One rate per group: given as such, or one for the head and `factor` less for each group before it. */
  rates(lr: number | readonly number[], factor = 1): number[] {
    return groupRates(this.groups, lr, factor)
  }

  /** Trains `cycles` cycles of `cycleLen` epochs, each `cycleMult` times as long as the one before (cosine annealing with
   *  warm restarts); with another schedule as many epochs. Validates after each epoch. After `loadState` of a fit in
   *  progress it goes on with that. */
  async fit(cycles: number, options: FitOptions = {}): Promise<EpochInfo[]> {
    const { lr = 1e-3, factor = 1, schedule = 'cosine', cycleLen = 1, cycleMult = 1 } = options
    const { warmup = 0.25, div = 25, signal, from = this.#loaded?.fit } = options
    const epochs = cycleEpochs({ cycles, cycleLen, cycleMult })
    const batchesPerEpoch = this.batches(0).length
    const base = this.rates(lr, factor)
    const settings = { cycles, cycleLen, cycleMult, stepsPerEpoch: batchesPerEpoch, warmup, div }
    const curves = curvesOf(schedule, settings)
    const events = new Events([...(this.options.callbacks ?? []), ...(options.callbacks ?? [])])
    const name = typeof schedule === 'string' ? schedule : 'your own'
    const plan = JSON.stringify({ lr: base, schedule: name, ...settings })
    if (from?.plan !== undefined && from.plan !== plan) throw otherPlan(from.plan, plan)
    const accumulating = from ? (this.#loaded?.gradients ?? this.#fit?.tools.accumulating ?? false) : false
    this.#takeOptimizer(base, from)
    const progress = from ? structuredClone(from) : newProgress(epochs, plan)
    this.#fit = new Fit(
      this,
      { base, curves, epochs, batchesPerEpoch, layerOf: this.#optimizerGroups(base).map(g => g.group), signal },
      progress,
      { ...this.#newTools(this.#optimizer!, events, progress.scaler), accumulating },
    )
    const history = await this.#fit.run()
    this.#fit = undefined
    return history
  }

  /** The optimizer of a fit: a new one, or the one of a fit that goes on. */
  #takeOptimizer(base: readonly number[], from: FitProgress | undefined): void {
    if (!from) {
      for (const t of this.optimizerTensors().values()) t.dispose()
      this.#optimizer = makeOptimizer(this.options.optimizer, this.#optimizerGroups(base))
    } else if (this.#loaded) this.restoreOptimizer(base, this.#loaded.optimizer, from.optimizerStep)
    else if (!this.#optimizer) this.restoreOptimizer(base, new Map(), from.optimizerStep)
    this.#loaded = undefined
  }
  #newTools(optimizer: optim.Optimizer, events: Events, scale?: optim.ScalerState): StepTools {
    const scaler = this.options.precision === 'float16' ? new optim.GradScaler(scale) : undefined
    return { optimizer, events, scaler, accumulating: false }
  }

  /** The loop as text: what runs in which order, and which callbacks hear it, those of one fit among them. */
  showTrainingLoop({ callbacks = [] }: Pick<FitOptions, 'callbacks'> = {}): string {
    const { callbacks: own = [], batchTransforms = [], gradClip } = this.options
    const parts = { batchTransforms: batchTransforms.length, gradClip, averages: this.average !== undefined }
    return trainingLoop(new Events([...own, ...callbacks]), parts)
  }

  /** Runs `fn` with the averaged weights in the net, where an average is kept. */
  async averaged<T>(fn: () => Promise<T> | T): Promise<T> {
    return this.average ? this.average.during(fn) : fn()
  }

  /** Where the learner and its running fit stand: the plain data of `state()`. Call it between two steps. */
  progress(): LearnerProgress {
    const fit = this.#fit?.progress ?? this.#loaded?.fit
    return {
      epoch: this.epoch,
      step: this.step,
      frozen: this.#frozen,
      bnFreeze: this.bnFreeze,
      dropout: this.dropout,
      trainFrozenBn: this.trainFrozenBn,
      ...(fit ? { fit: { ...structuredClone(fit), optimizerStep: this.#optimizerSteps() } } : {}),
    }
  }
  /** The state of the running fit's optimizer, as the tensors themselves. */
  optimizerTensors(): Map<string, Tensor> {
    return this.#optimizer?.state().tensors ?? new Map()
  }
  /** Makes the optimizer of a fit that goes on, with its state. */
  restoreOptimizer(base: readonly number[], tensors: ReadonlyMap<string, Tensor>, step: number): void {
    this.#optimizer = makeOptimizer(this.options.optimizer, this.#optimizerGroups(base))
    this.#optimizer.loadState({ step, tensors: new Map(tensors) })
  }

  /** The running fit's optimizer; after a fit its last one's. */
  get optimizer(): optim.Optimizer | undefined {
    return this.#optimizer
  }
  #optimizerSteps(): number {
    return this.#loaded ? this.#loaded.fit.optimizerStep : this.#optimizer!.state().step
  }
  /** Parameter groups of the layer groups that train: `group` is the layer group's number. */
  #optimizerGroups(lrs: readonly number[]) {
    const { weightDecay } = this.options
    return this.network.groups.flatMap(({ modules }, group) => {
      if (this.#frozen[group]) return []
      const { decayed, plain } = byDecay(modules)
      return [
        { params: decayed, lr: lrs[group]!, weightDecay, group },
        { params: plain, lr: lrs[group]!, weightDecay: 0, group },
      ]
    })
  }

  /** The batches of an epoch, a function of seed and epoch alone. */
  batches(epoch: number): Uint32Array[] {
    const { seed, batchSize, sampleWeights } = this.options
    const order = sampleWeights ? weightedOrder(sampleWeights, seed, epoch) : epochOrder(this.train.count, seed, epoch)
    return trainingBatches(order, batchSize)
  }

  /** Train mode, with the BatchNorm of frozen groups (with `bnFreeze` of all) in eval. */
  trainMode(): void {
    this.#setTrainMode(this)
  }

  /** One optimizer step over the samples given, heard by the learner's callbacks. Frees everything that it made. */
  trainStep(
    samples: Uint32Array,
    epoch: number,
    optimizer: optim.Optimizer,
    place: Partial<StepPlace> = {},
  ): StepResult {
    if (this.#tools?.optimizer !== optimizer)
      this.#tools = this.#newTools(optimizer, new Events(this.options.callbacks))
    const usual = { epoch, step: this.step + 1, number: 1, of: 1, progress: 0 }
    return takeStep(this, samples, { ...usual, ...place }, this.#tools)
  }

  /** The training loss, with this learner's smoothing and class weights. */
  loss(logits: Tensor, y: Tensor): Tensor {
    const { labelSmoothing, classWeights, objective } = this.options
    const weight =
      classWeights &&
      fromArray(Float32Array.from(classWeights), [classWeights.length]).to('float32', { device: this.device })
    return objective.loss(logits, y, { labelSmoothing, weight })
  }

  /** Loss, accuracy and probabilities over a whole source, in eval mode. */
  async validate(
    source: Source | undefined = this.valid,
    options: Pick<EvaluateOptions, 'signal' | 'onBatch' | 'around'> = {},
  ): Promise<Evaluation> {
    if (!source || source.count === 0) throw new AnnealError('there are no validation pictures to evaluate on')
    const { objective, evalBatchSize, precision, metrics: own = {} } = this.options
    const found = await evaluate(this.network.net, source, {
      objective,
      device: this.device,
      batchSize: evalBatchSize,
      precision,
      ...options,
    })
    const { probabilities: outputs, targets, metrics } = found
    const scores = ownScores(own, { outputs, targets, metrics }, objective.names.length)
    return { ...found, metrics: { ...metrics, ...scores } }
  }

  /** Seeds what is drawn inside the net (dropout), apart from order and augmentation, which have streams of their own. */
  seed(extra = 0): void {
    manualSeed(this.options.seed + extra)
  }

  /** The state of the random numbers that are drawn inside the net. */
  randomState(): Tensor {
    return defaultGenerator(this.device).state
  }
  restoreRandom(state: Tensor): void {
    defaultGenerator(this.device).state = state
  }

  /** All that the next step depends on, between two steps: call it from a callback, or when a fit was stopped by its
   *  signal. Its tensors are copies; without `copy` the learner's own, which the next step changes: to be written at once. */
  state({ copy = true }: { copy?: boolean } = {}): LearnerState<Tensor> {
    const optimizer = this.#fit ? this.optimizerTensors() : (this.#loaded?.optimizer ?? new Map())
    const gradients = this.#fit?.tools.accumulating ?? this.#loaded?.gradients ?? false
    const parts = { net: this.network.net, average: this.average?.tensors ?? new Map(), optimizer, gradients }
    return {
      ...this.progress(),
      tensors: stateTensors({ ...parts, random: this.randomState() }, copy),
    }
  }

  /** Puts a state back. Where it is of a fit in progress, the next `fit` goes on with that, to the same bits: call it with
   *  the same options. Drop `fit` from the state to begin another one. */
  loadState({ tensors, fit, ...state }: LearnerState): void {
    if (state.frozen.length !== this.groups.length)
      throw new AnnealError(
        `loadState: the state is of a net of ${state.frozen.length} layer groups, this one has ${this.groups.length} (${this.groups.join(', ')})`,
      )
    const average = tensorsUnder('average.', tensors)
    if (average.size > 0 && !this.average)
      throw new AnnealError(
        'loadState: the state has an average of the weights; make the learner with averageSteps too',
      )
    this.network.net.loadStateDict(tensorsUnder('net.', tensors))
    scope(() => this.average?.restore(asTensors(average)))
    this.freezeTo(state.frozen.indexOf(false))
    this.bnFreeze = state.bnFreeze
    this.dropout = state.dropout
    this.trainFrozenBn = state.trainFrozenBn
    this.epoch = state.epoch
    this.step = state.step
    this.#fit = undefined
    const optimizer = asTensors(tensorsUnder('optimizer.', tensors))
    const gradients = tensorsUnder('gradient.', tensors)
    this.#loaded = fit && { fit: structuredClone(fit), optimizer, gradients: gradients.size > 0 }
    this.#loadGradients(gradients)
    const random = tensors.get('random')
    if (random) this.restoreRandom(asTensor(random))
  }
  #loadGradients(gradients: ReadonlyMap<string, Tensor | StoredTensor>): void {
    for (const [name, p] of this.network.net.namedParameters()) {
      const gradient = gradients.get(name)
      p.grad = gradient ? noGrad(() => scope(() => keep(p.detach().clone().copy_(asTensor(gradient))))) : null
    }
  }

  /** A copy of weights, statistics and random state, to put back. */
  snapshot(): Snapshot {
    return snapshotOf(this.network.net, { random: this.randomState(), epoch: this.epoch, step: this.step })
  }
  restore({ state, random, epoch, step }: Snapshot): void {
    this.network.net.loadStateDict(state)
    this.restoreRandom(random)
    this.epoch = epoch
    this.step = step
  }
}

/** A fit in progress as `loadState` brought it; whether gradients are kept for its next step. */
interface LoadedFit {
  fit: FitProgress
  optimizer: ReadonlyMap<string, Tensor>
  gradients: boolean
}

const newProgress = (totalEpochs: number, plan: string): FitProgress => ({
  epoch: 0,
  batch: 0,
  step: 0,
  totalEpochs,
  lossSum: 0,
  lossCount: 0,
  smooth: { mean: 0, count: 0 },
  optimizerStep: 0,
  epochSeconds: 0,
  plan,
})

const otherPlan = (began: string, now: string): AnnealError =>
  new AnnealError(
    `fit: the fit that is to go on was called with ${began}, this one with ${now}; give the same options, or drop \`fit\` from the state to begin another`,
  )
