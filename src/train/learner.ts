import { AnnealError } from '../base/errors.ts'
import { rate } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { epochOrder, trainingBatches } from '../data/sampler.ts'
import {
  aten,
  autocast,
  defaultGenerator,
  fromArray,
  keep,
  keepMemory,
  manualSeed,
  type nn,
  noGrad,
  optim,
  scope,
  type Tensor,
} from '../torch/index.ts'
import type { StoredTensor } from '../weights/index.ts'
import { weightedOrder } from './balance.ts'
import type { BatchInfo, Callback, EpochInfo } from './callback.ts'
import { DebiasedMean } from './debiased-mean.ts'
import { WeightAverage } from './ema.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import {
  asTensor,
  asTensors,
  type FitProgress,
  type LearnerProgress,
  type LearnerState,
  stateTensors,
  tensorsUnder,
} from './learner-state.ts'
import type { Precision, Trainable } from './network.ts'
import { type Objective, objective } from './objective.ts'
import { byDecay } from './param-groups.ts'
import { cosineRestarts, cycleEpochs } from './rates/restarts.ts'
import { constant, oneCycle, oneCycleMomentum, type Schedule } from './rates/schedule.ts'
import type { Source } from './source.ts'
import { turn } from './stop.ts'

/** An optimizer by its name in `optim`. */
export type OptimizerName = 'adamw' | 'adam' | 'sgd'

/** What a learner trains on, and how. */
export interface LearnerOptions {
  train: Source
  valid?: Source | undefined
  classes: readonly string[]
  /** What the net's outputs mean; one class a picture unless given. */
  objective?: Objective
  batchSize?: number
  /** Samples of a batch without gradients; twice the training batch unless given. */
  evalBatchSize?: number
  optimizer?: OptimizerName
  weightDecay?: number
  labelSmoothing?: number
  /** [classes]: how much a mistake in each class weighs. */
  classWeights?: readonly number[] | undefined
  /** [N]: how often a sample is seen, beside the others; all alike unless given. */
  sampleWeights?: readonly number[] | undefined
  precision?: Precision
  seed?: number
  /** Clip the norm of all gradients together to this. */
  gradClip?: number | undefined
  /** Keep an exponential average of the weights over about this many steps, and validate with it (Polyak & Juditsky
   *  1992); 0 keeps none. */
  averageSteps?: number
  callbacks?: readonly Callback[]
}

/** How a fit goes: constant rate, or cycles of cosine annealing, or one cycle; by batch. */
export interface FitOptions {
  /** One rate for the last group, or one a group, earliest first. */
  lr?: number | readonly number[]
  /** Each earlier group's rate is the next one's divided by this; only with one `lr`. */
  factor?: number
  schedule?: 'cosine' | 'one-cycle' | 'constant'
  /** Of the one-cycle: the share that warms up, and what the rate starts below its top by. */
  warmup?: number
  div?: number
  cycleLen?: number
  cycleMult?: number
  callbacks?: readonly Callback[]
  signal?: AbortSignal | undefined
  /** Where an interrupted fit goes on: what `progress()` gave. */
  from?: FitProgress | undefined
}

export type { FitProgress } from './learner-state.ts'

/** What a fit has settled before its first step. */
interface Plan {
  base: readonly number[]
  curve: Schedule
  momentum: Schedule | undefined
  total: number
  optimizer: optim.Optimizer
  smooth: DebiasedMean
  signal: AbortSignal | undefined
  tell(fn: (c: Callback) => unknown): Promise<boolean>
}

/** A module of the net, and the number of its group; -1 for those of none. */
interface LearnerModule {
  module: nn.Module
  kind: string
  group: number
}

/** Trains a network: the loop, and what hangs on it by callbacks. Steps are synchronous; between two of them signals and
 *  timers get their turn. */
export class Learner {
  readonly network: Trainable
  readonly options: Required<
    Pick<
      LearnerOptions,
      | 'objective'
      | 'batchSize'
      | 'evalBatchSize'
      | 'optimizer'
      | 'weightDecay'
      | 'labelSmoothing'
      | 'precision'
      | 'seed'
    >
  > &
    LearnerOptions
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
  #scaler: optim.GradScaler | undefined
  #progress: FitProgress | undefined
  /** What `loadState` brought of a fit in progress: the next `fit` goes on with it. */
  #loaded: { fit: FitProgress; optimizer: ReadonlyMap<string, Tensor> } | undefined

  constructor(network: Trainable, options: LearnerOptions) {
    const { batchSize = 32 } = options
    this.network = network
    this.options = {
      objective: objective('single', options.classes),
      evalBatchSize: batchSize * 2,
      optimizer: 'adamw',
      weightDecay: 0.01,
      labelSmoothing: 0,
      precision: 'float32',
      seed: 42,
      averageSteps: 0,
      ...options,
      batchSize,
    }
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

  /** One rate a group: given as such, or one for the head and `factor` less for each group before it. */
  rates(lr: number | readonly number[], factor = 1): number[] {
    const n = this.groups.length
    const list = typeof lr === 'number' ? [lr] : [...lr]
    if (list.some(v => !(v > 0) || !Number.isFinite(v)))
      throw new AnnealError(`lr: rates must be numbers above 0, got ${list.join(', ')}`)
    if (list.length !== 1 && list.length !== n)
      throw new AnnealError(
        `lr: expected 1 or ${n} rates (the groups are ${this.groups.join(', ')}), got ${list.length}`,
      )
    if (!(factor >= 1))
      throw new AnnealError(
        `factor: expected a number from 1 (3 for photos, 10 for pictures unlike ImageNet's), got ${factor}`,
      )
    return list.length === n ? list : Array.from({ length: n }, (_, i) => list[0]! / factor ** (n - 1 - i))
  }

  /** Trains `cycles` cycles of `cycleLen` epochs, each `cycleMult` times as long as the one before (cosine annealing with
   *  warm restarts); with another schedule `cycles` × `cycleLen` epochs. Validates after each epoch. */
  async fit(cycles: number, options: FitOptions = {}): Promise<EpochInfo[]> {
    keepMemory()
    const { lr = 1e-3, factor = 1, schedule = 'cosine', cycleLen = 1, cycleMult = 1 } = options
    const { warmup = 0.25, div = 25, signal, from = this.#loaded?.fit } = options
    const cyclePlan = { cycles, cycleLen, cycleMult }
    const epochs = cycleEpochs(cyclePlan)
    const stepsPerEpoch = this.batches(0).length
    const total = epochs * stepsPerEpoch
    const base = this.rates(lr, factor)
    const curve: Schedule = {
      cosine: () => cosineRestarts(1, { ...cyclePlan, stepsPerEpoch }),
      'one-cycle': () => oneCycle(1, { warmup, div }),
      constant: () => constant(1),
    }[schedule]()
    const momentum = schedule === 'one-cycle' ? oneCycleMomentum({ warmup }) : undefined
    const callbacks = [...(this.options.callbacks ?? []), ...(options.callbacks ?? [])].toSorted(
      (a, b) => (a.order ?? 0) - (b.order ?? 0),
    )

    const plan = JSON.stringify({ cycles, lr: base, schedule, cycleLen, cycleMult, steps: total })
    if (from?.plan !== undefined && from.plan !== plan) throw otherPlan(from.plan, plan)
    if (!from) {
      for (const t of this.optimizerTensors().values()) t.dispose()
      this.#optimizer = this.#newOptimizer(base)
    } else if (this.#loaded) this.restoreOptimizer(base, this.#loaded.optimizer, from.optimizerStep)
    else if (!this.#optimizer) this.restoreOptimizer(base, new Map(), from.optimizerStep)
    this.#loaded = undefined
    const optimizer = this.#optimizer!
    const p: FitProgress = from
      ? { ...from, smooth: { ...from.smooth } }
      : {
          epoch: 0,
          batch: 0,
          step: 0,
          totalEpochs: epochs,
          lossSum: 0,
          lossCount: 0,
          smooth: { mean: 0, count: 0 },
          optimizerStep: 0,
          epochSeconds: 0,
          plan,
        }
    this.#progress = p
    if (this.options.precision === 'float16') this.#scaler = new optim.GradScaler(p.scaler)
    const history: EpochInfo[] = []
    let stop = false
    const tell = async (fn: (c: Callback) => unknown) => {
      for (const c of callbacks) if ((await fn(c)) === 'stop') stop = true
      return stop
    }

    const settled: Plan = { base, curve, momentum, total, optimizer, smooth: new DebiasedMean(p.smooth), signal, tell }
    await tell(c => c.onFitStart?.(this))
    while (p.epoch < epochs && !stop) {
      if (p.batch === 0) await tell(c => c.onEpochStart?.({ epoch: this.epoch + 1 }, this))
      if (stop) break
      const info = await this.#fitEpoch(p, settled)
      history.push(info)
      Object.assign(p, { epoch: p.epoch + 1, batch: 0, lossSum: 0, lossCount: 0, epochSeconds: 0 })
      await tell(c => c.onEpochEnd?.(info, this))
    }
    await tell(c => c.onFitEnd?.(this))
    this.#progress = undefined
    return history
  }

  /** The rest of one epoch, from where `p` stands, and its validation. */
  async #fitEpoch(
    p: FitProgress,
    { base, curve, momentum, total, optimizer, smooth, signal, tell }: Plan,
  ): Promise<EpochInfo> {
    const epoch = this.epoch + 1
    let began = performance.now()
    const clock = () => {
      p.epochSeconds += (performance.now() - began) / 1000
      began = performance.now()
    }
    const batches = this.batches(epoch)
    const ratesAt = (t: number) => base.map((v, i) => (this.#frozen[i] ? 0 : v * curve(t)))
    let lrs = ratesAt(Math.max(0, p.step - 1) / total) // of the last step, where a fit goes on behind it
    while (p.batch < batches.length) {
      const t = p.step / total
      lrs = ratesAt(t)
      const mom = momentum?.(t)
      for (const g of optimizer.groups as (optim.ParameterGroup & { group: number })[]) {
        g.lr = lrs[g.group]!
        if (mom !== undefined) g.momentum = mom
      }
      const loss = this.trainStep(batches[p.batch]!, epoch, optimizer)
      if (!Number.isFinite(loss))
        throw new AnnealError(
          `the loss became ${loss} at step ${this.step + 1} (rate ${rate(lrs.at(-1)!)}): try a lower rate, e.g. ${setting('lr', rate(base.at(-1)! / 10))}`,
        )
      this.average?.update()
      smooth.add(loss)
      p.smooth = smooth.state
      if (this.#scaler) p.scaler = this.#scaler.state
      p.lossSum += loss
      p.lossCount++
      p.batch++
      p.step++
      p.optimizerStep++
      this.step++
      clock()
      const info: BatchInfo = {
        step: this.step,
        epoch,
        progress: p.step / total,
        loss,
        smooth: smooth.value,
        lrs,
        momentum: mom ?? optimizer.groups[0]!.momentum,
      }
      const stop = await tell(c => c.onBatchEnd?.(info, this))
      await turn(signal)
      if (stop) break
      began = performance.now()
    }
    const evaluated = this.valid?.count ? await this.averaged(() => this.validate(this.valid, { signal })) : undefined
    this.evaluated = evaluated
    clock()
    this.epoch = epoch
    return {
      step: this.step,
      epoch,
      trainLoss: p.lossSum / p.lossCount,
      validLoss: evaluated?.loss ?? Number.NaN,
      accuracy: evaluated?.accuracy ?? Number.NaN,
      score: evaluated?.score ?? Number.NaN,
      metrics: evaluated?.metrics ?? {},
      seconds: p.epochSeconds,
      lrs,
    }
  }

  /** Runs `fn` with the averaged weights in the net, where an average is kept. */
  async averaged<T>(fn: () => Promise<T> | T): Promise<T> {
    return this.average ? this.average.during(fn) : fn()
  }

  /** Where the learner and its running fit stand: the plain data of `state()`. Call it between two steps. */
  progress(): LearnerProgress {
    const fit = this.#progress ?? this.#loaded?.fit
    return {
      epoch: this.epoch,
      step: this.step,
      frozen: this.#frozen,
      bnFreeze: this.bnFreeze,
      dropout: this.dropout,
      trainFrozenBn: this.trainFrozenBn,
      ...(fit ? { fit: structuredClone(fit) } : {}),
    }
  }
  /** The state of the running fit's optimizer, as the tensors themselves. */
  optimizerTensors(): Map<string, Tensor> {
    return this.#optimizer?.state().tensors ?? new Map()
  }
  /** Makes the optimizer of a fit that goes on, with its state. */
  restoreOptimizer(base: readonly number[], tensors: ReadonlyMap<string, Tensor>, step: number): void {
    this.#optimizer = this.#newOptimizer(base)
    this.#optimizer.loadState({ step, tensors: new Map(tensors) })
  }

  #newOptimizer(lrs: readonly number[]): optim.Optimizer {
    const { weightDecay } = this.options
    const groups = this.network.groups.flatMap(({ modules }, group) => {
      if (this.#frozen[group]) return []
      const { decayed, plain } = byDecay(modules)
      return [
        { params: decayed, lr: lrs[group]!, weightDecay, group },
        { params: plain, lr: lrs[group]!, weightDecay: 0, group },
      ]
    })
    return optim[this.options.optimizer](groups)
  }

  /** The batches of an epoch, a function of seed and epoch alone. */
  batches(epoch: number): Uint32Array[] {
    const { seed, batchSize, sampleWeights } = this.options
    const order = sampleWeights ? weightedOrder(sampleWeights, seed, epoch) : epochOrder(this.train.count, seed, epoch)
    return trainingBatches(order, batchSize)
  }

  /** Train mode, with the BatchNorm of frozen groups (with `bnFreeze` of all) in eval. */
  trainMode(): void {
    const last = this.#frozen.length - 1
    this.#modules ??= this.#findModules()
    for (const { module, kind, group } of this.#modules) {
      const kept = this.bnFreeze === true || (this.bnFreeze === 'body' && group < last)
      const still = kept || (this.#frozen[group] && !this.trainFrozenBn)
      module.training = kind === 'Dropout' ? this.dropout : kind === 'BatchNorm' && group >= 0 ? !still : true
    }
  }
  #modules: LearnerModule[] | undefined
  #findModules(): LearnerModule[] {
    const { net, groups } = this.network
    const of = new Map(
      groups.flatMap(({ modules }, i) => modules.flatMap(m => Array.from(m.modules(), ([, m]) => [m, i]))),
    )
    return Array.from(net.modules(), ([, module]) => ({
      module,
      kind: module.kind.startsWith('BatchNorm') ? 'BatchNorm' : module.kind,
      group: of.get(module) ?? -1,
    }))
  }

  /** One optimizer step over the samples given; the loss before it. Frees everything that it made. */
  trainStep(samples: Uint32Array, epoch: number, optimizer: optim.Optimizer): number {
    this.trainMode()
    return scope(() => {
      const { x, y } = this.train.batch(samples, epoch)
      const logits = autocast(this.options.precision, () => this.network.net(x), this.network)
      const loss = this.loss(logits.to('float32'), y)
      optimizer.zeroGrad()
      if (this.options.precision === 'float16') this.#scaler ??= new optim.GradScaler()
      const scaler = this.#scaler
      ;(scaler?.scaled(loss) ?? loss).backward()
      const value = this.#plainLoss(loss, logits, y) // a GPU has the way back to do while this waits for the loss
      const finite = scaler ? scaler.unscale(gradients(optimizer)) : true
      if (this.options.gradClip !== undefined) clipGradients(optimizer, this.options.gradClip)
      if (finite && Number.isFinite(value)) optimizer.step()
      optimizer.zeroGrad()
      return value
    })
  }

  /** What is reported: the loss without smoothing, weights and focus, so that it compares with validation's. */
  #plainLoss(loss: Tensor, logits: Tensor, y: Tensor): number {
    const { objective } = this.options
    return Number.isFinite(loss.item()) ? objective.plainLoss(logits.detach().to('float32'), y).item() : Number.NaN
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
    options: { signal?: AbortSignal | undefined; onBatch?: (done: number) => void } = {},
  ): Promise<Evaluation> {
    if (!source || source.count === 0) throw new AnnealError('there are no validation pictures to evaluate on')
    const { objective, evalBatchSize, precision } = this.options
    return evaluate(this.network.net, source, {
      objective,
      device: this.device,
      batchSize: evalBatchSize,
      precision,
      ...options,
    })
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
    const optimizer = this.#progress ? this.optimizerTensors() : (this.#loaded?.optimizer ?? new Map())
    const parts = { net: this.network.net, average: this.average?.tensors ?? new Map(), optimizer }
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
    this.#progress = undefined
    const optimizer = asTensors(tensorsUnder('optimizer.', tensors))
    this.#loaded = fit && { fit: structuredClone(fit), optimizer }
    this.#loadGradients(tensorsUnder('gradient.', tensors))
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
    return noGrad(() =>
      scope(() => {
        const state = new Map<string, Tensor>()
        for (const [name, t] of this.network.net.stateDict()) state.set(name, t.detach().clone())
        return keep({ state, random: this.randomState(), epoch: this.epoch, step: this.step })
      }),
    )
  }
  restore({ state, random, epoch, step }: Snapshot): void {
    this.network.net.loadStateDict(state)
    this.restoreRandom(random)
    this.epoch = epoch
    this.step = step
  }
}

/** What `restore` puts back. */
export interface Snapshot {
  state: Map<string, Tensor>
  random: Tensor
  epoch: number
  step: number
}
/** Frees the tensors of a snapshot. */
export function dropSnapshot({ state, random }: Snapshot): void {
  for (const t of state.values()) t.dispose()
  random.dispose()
}

const otherPlan = (began: string, now: string): AnnealError =>
  new AnnealError(
    `fit: the fit that is to go on was called with ${began}, this one with ${now}; give the same options, or drop \`fit\` from the state to begin another`,
  )

const gradients = (optimizer: optim.Optimizer): Tensor[] =>
  optimizer.groups.flatMap(g => g.params.flatMap(p => p.grad ?? []))

function clipGradients(optimizer: optim.Optimizer, most: number): void {
  const grads = gradients(optimizer)
  const norm = Math.sqrt(grads.reduce((sum, g) => sum + g.mul(g).sum().item(), 0))
  if (norm > most) noGrad(() => aten._foreach_mul_(grads, most / norm))
}
