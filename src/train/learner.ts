import { TrainingError } from '../base/errors.ts'
import { samples } from '../base/samples.ts'
import { epochOrder, trainingBatches } from '../data/sampler.ts'
import { GradientSum } from '../ranks/gradients.ts'
import { alone, type Ranks } from '../ranks/ranks.ts'
import { defaultGenerator, fromArray, keepMemory, manualSeed, optim, type Tensor } from '../torch/index.ts'
import { weightedOrder } from './balance.ts'
import type { EpochInfo, Training } from './callback.ts'
import { WeightAverage } from './ema.ts'
import { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts'
import { Fit } from './fit.ts'
import { LayeredNetwork } from './layered-network.ts'
import { type FitOptions, type LearnerOptions, type LearnerSettings, settled } from './learner-options.ts'
import {
  asTensor,
  checkPlan,
  type FitProgress,
  type LearnerProgress,
  type LearnerState,
  loadTensors,
  newProgress,
  stateTensors,
} from './learner-state.ts'
import { Events } from './loop-events.ts'
import type { Trainable } from './network.ts'
import { makeOptimizer } from './optimizer.ts'
import { ownScores } from './own-metrics.ts'
import { optimizerGroups } from './param-groups.ts'
import { pooled } from './pooled.ts'
import { curvesOf } from './rates/named.ts'
import { cycleEpochs } from './rates/restarts.ts'
import { trainingLoop } from './show-loop.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import type { Source } from './source.ts'
import { type StepPlace, type StepResult, type StepTools, takeStep } from './step.ts'

export type { FitOptions, LearnerOptions } from './learner-options.ts'
export type { FitProgress } from './learner-state.ts'
export type { OptimizerName } from './optimizer.ts'
export { dropSnapshot, type Snapshot } from './snapshot.ts'

/** Trains a network: the loop, and its callbacks. Steps are synchronous; between two of them signals and timers run. */
export class Learner extends LayeredNetwork implements Training {
  readonly options: LearnerOptions & LearnerSettings
  train: Source
  valid: Source | undefined
  /** The averaged weights, if `averageSteps` asks for them. */
  readonly average: WeightAverage | undefined
  /** Epochs and steps so far, over all fits. */
  epoch = 0
  step = 0
  /** The validation results of the last epoch of a fit. */
  evaluated: Evaluation | undefined
  /** The processes that train this net together. */
  readonly ranks: Ranks
  #optimizer: optim.Optimizer | undefined
  /** The fit in progress; after an exception the fit that it ended. */
  #fit: Fit | undefined
  /** A fit in progress that `loadState` restored: the next `fit` goes on with it. */
  #loaded: LoadedFit | undefined
  /** The tools of steps outside a fit. */
  #tools: StepTools | undefined

  constructor(network: Trainable, options: LearnerOptions) {
    super(network)
    this.options = settled(options)
    this.train = options.train
    this.valid = options.valid
    this.ranks = options.ranks ?? alone
    if (this.options.averageSteps) this.average = new WeightAverage(network.net, this.options.averageSteps)
  }

  /** Trains `cycles` cycles of `cycleLen` epochs, each `cycleMult` times as long as the one before (cosine annealing
   *  with warm restarts); with another schedule the same number of epochs. Validates after each epoch. After
   *  `loadState` of a fit in progress it goes on with that fit. */
  async fit(cycles: number, options: FitOptions = {}): Promise<EpochInfo[]> {
    keepMemory()
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
    if (from) checkPlan(from, plan)
    const accumulating = from ? (this.#loaded?.gradients ?? this.#fit?.tools.accumulating ?? false) : false
    this.#takeOptimizer(base, from)
    const progress = from ? structuredClone(from) : newProgress(epochs, plan)
    this.#fit = new Fit(
      this,
      { base, curves, epochs, batchesPerEpoch, layerOf: this.#optimizerGroups(base).map(g => g.group), signal },
      progress,
      {
        ...this.#newTools(this.#optimizer!, events, progress.scaler),
        accumulating,
        stopping: () => signal?.aborted ?? false,
      },
    )
    try {
      const history = await this.#fit.run()
      this.#fit.tools.gradients?.dispose()
      this.#fit = undefined
      return history
    } catch (error) {
      this.#fit?.tools.gradients?.dispose()
      throw error
    }
  }

  /** The optimizer of a fit: a new one, or that of a fit that goes on. */
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
    const gradients = this.ranks.alone
      ? undefined
      : new GradientSum(
          this.ranks,
          optimizer.groups.flatMap(g => g.params.filter(p => p.requiresGrad)),
          { dtype: this.options.gradientType },
        )
    return { optimizer, events, scaler, accumulating: false, gradients }
  }

  /** The loop as text: what runs in which order, and the callbacks at each event, including those of one fit. */
  showTrainingLoop({ callbacks = [] }: Pick<FitOptions, 'callbacks'> = {}): string {
    const { callbacks: own = [], batchTransforms = [], gradClip } = this.options
    const parts = { batchTransforms: batchTransforms.length, gradClip, averages: this.average !== undefined }
    return trainingLoop(new Events([...own, ...callbacks]), parts)
  }

  /** Runs `fn` with the averaged weights in the net, if an average is kept. */
  async averaged<T>(fn: () => Promise<T> | T): Promise<T> {
    return this.average ? this.average.during(fn) : fn()
  }

  /** The progress of the learner and its running fit: the plain data of `state()`. Call it between two steps. */
  progress(): LearnerProgress {
    const fit = this.#fit?.progress ?? this.#loaded?.fit
    return {
      epoch: this.epoch,
      step: this.step,
      frozen: this.frozen,
      bnFreeze: this.bnFreeze,
      dropout: this.dropout,
      trainFrozenBn: this.trainFrozenBn,
      ...(fit ? { fit: { ...structuredClone(fit), optimizerStep: this.#optimizerSteps() } } : {}),
    }
  }
  /** The state of the running fit's optimizer: its own tensors, no copies. */
  optimizerTensors(): Map<string, Tensor> {
    return this.#optimizer?.state().tensors ?? new Map()
  }
  /** Makes the optimizer of a fit that goes on, and restores its state. */
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
  #optimizerGroups(lrs: readonly number[]) {
    return optimizerGroups(this.network.groups, { lrs, frozen: this.frozen, weightDecay: this.options.weightDecay })
  }

  /** The batches of an epoch; they depend only on seed and epoch. */
  batches(epoch: number): Uint32Array[] {
    const { seed, batchSize, sampleWeights } = this.options
    const order = sampleWeights ? weightedOrder(sampleWeights, seed, epoch) : epochOrder(this.train.count, seed, epoch)
    return trainingBatches(order, batchSize)
  }

  /** One optimizer step over these samples, with the events of the learner's callbacks. Frees all tensors that it
   *  makes. */
  trainStep(
    samples: Uint32Array,
    epoch: number,
    optimizer: optim.Optimizer,
    place: Partial<StepPlace> = {},
  ): StepResult {
    if (this.#tools?.optimizer !== optimizer) {
      this.#tools?.gradients?.dispose()
      this.#tools = this.#newTools(optimizer, new Events(this.options.callbacks))
    }
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

  /** The sum of the class weights of these targets, where the mean loss is divided by it; undefined where it is divided
   *  by the number of samples. */
  weightOf(y: Tensor): number | undefined {
    const { classWeights, objective } = this.options
    if (!classWeights || !objective.weighsMean || y.dtype !== 'int64') return undefined
    return Array.from(y.data() as BigInt64Array).reduce((sum, c) => sum + classWeights[Number(c)]!, 0)
  }

  /** Loss, accuracy and probabilities over a whole source, in eval mode. Where rows are parts of samples, the figures are
   *  those of samples (`pooled`), and probabilities, logits, losses and targets those of rows. */
  async validate(
    source: Source | undefined = this.valid,
    options: Pick<EvaluateOptions, 'signal' | 'onBatch' | 'around'> = {},
  ): Promise<Evaluation> {
    if (!source || source.count === 0) throw new TrainingError(`there are no validation ${samples.many} to evaluate on`)
    const { objective, evalBatchSize, precision, metrics: own = {} } = this.options
    const found = await evaluate(this.network.net, source, {
      objective,
      device: this.device,
      batchSize: evalBatchSize,
      precision,
      ranks: this.ranks,
      ...options,
    })
    const { probabilities: outputs, targets, metrics, loss, score, accuracy } = pooled(found, source, objective)
    const scores = ownScores(own, { outputs, targets, metrics }, objective.names.length)
    return { ...found, loss, score, accuracy, metrics: { ...metrics, ...scores } }
  }

  /** Seeds the random numbers inside the net (dropout). Order and augmentation have their own streams. */
  seed(extra = 0): void {
    manualSeed(this.options.seed + extra)
  }

  /** The state of the random numbers inside the net. */
  randomState(): Tensor {
    return defaultGenerator(this.device).state
  }
  restoreRandom(state: Tensor): void {
    defaultGenerator(this.device).state = state
  }

  /** All that the next step depends on, between two steps: call it from a callback, or after a fit was stopped by its
   *  signal. Its tensors are copies. Without `copy` they are the learner's own, which the next step changes: write them
   *  at once. */
  state({ copy = true }: { copy?: boolean } = {}): LearnerState<Tensor> {
    const optimizer = this.#fit ? this.optimizerTensors() : (this.#loaded?.optimizer ?? new Map())
    const gradients = this.#fit?.tools.accumulating ?? this.#loaded?.gradients ?? false
    const parts = { net: this.network.net, average: this.average?.tensors ?? new Map(), optimizer, gradients }
    return {
      ...this.progress(),
      tensors: stateTensors({ ...parts, random: this.randomState() }, copy),
    }
  }

  /** Restores a state. If it contains a fit in progress, the next `fit` goes on with that fit and gives the same bits:
   *  call it with the same options. Drop `fit` from the state to begin another one. */
  loadState({ tensors, fit, ...state }: LearnerState): void {
    if (state.frozen.length !== this.groups.length)
      throw new TrainingError(
        `loadState: the state is of a net of ${state.frozen.length} layer groups, this one has ${this.groups.length} (${this.groups.join(', ')})`,
      )
    const { net } = this.network
    const { optimizer, gradients } = loadTensors(tensors, { net, average: this.average })
    this.freezeTo(state.frozen.indexOf(false))
    this.bnFreeze = state.bnFreeze
    this.dropout = state.dropout
    this.trainFrozenBn = state.trainFrozenBn
    this.epoch = state.epoch
    this.step = state.step
    this.#fit = undefined
    this.#loaded = fit && { fit: structuredClone(fit), optimizer, gradients }
    const random = tensors.get('random')
    if (random) this.restoreRandom(asTensor(random))
  }
  /** A copy of weights, statistics and random state, to restore later. */
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

/** A fit in progress from `loadState`, and whether gradients are kept for its next step. */
interface LoadedFit {
  fit: FitProgress
  optimizer: ReadonlyMap<string, Tensor>
  gradients: boolean
}
