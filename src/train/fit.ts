import { type AnnealError, TrainingError } from '../base/errors.ts'
import { rate } from '../base/format.ts'
import { setting } from '../base/options.ts'
import type { EpochInfo } from './callback.ts'
import { DebiasedMean } from './debiased-mean.ts'
import { type EvaluateOptions, type Evaluation, LeftEvaluation } from './evaluate.ts'
import type { FitProgress } from './learner-state.ts'
import type { Answer, Answers, EventName, Subject } from './loop-events.ts'
import type { Curves } from './rates/named.ts'
import type { PredictedValidationBatch, Source } from './source.ts'
import { type Stepping, type StepTools, takeStep } from './step.ts'
import { Stopped, turn } from './stop.ts'

/** The settings of a fit, fixed before its first step. */
export interface Plan {
  /** Each layer group's rate, before the schedule. */
  base: readonly number[]
  curves: Curves
  epochs: number
  batchesPerEpoch: number
  /** The layer group of each of the optimizer's groups. */
  layerOf: readonly number[]
  signal: AbortSignal | undefined
}

/** The interface of the learner for a fit. */
export interface Fitting extends Stepping {
  epoch: number
  step: number
  evaluated: Evaluation | undefined
  readonly average: { update(): void } | undefined
  batches(epoch: number): Uint32Array[]
  validate(source?: Source, options?: Pick<EvaluateOptions, 'signal' | 'around'>): Promise<Evaluation>
}

const leavesValidation = (answers: Answers): boolean =>
  answers.has('skip validate') || answers.has('skip epoch') || answers.has('cancel')

/** One fit: epochs of batches and validation, with their events. `progress` is its state between two steps. */
export class Fit {
  readonly progress: FitProgress
  readonly tools: StepTools
  readonly #learn: Fitting
  readonly #plan: Plan
  readonly #smooth: DebiasedMean
  #ended: 'stop' | 'cancel' | undefined
  #lrs: number[] = []
  #momentum: number | undefined
  #clockBegan = 0

  constructor(learn: Fitting, plan: Plan, progress: FitProgress, tools: StepTools) {
    this.#learn = learn
    this.#plan = plan
    this.progress = progress
    this.tools = tools
    this.#smooth = new DebiasedMean(progress.smooth)
  }

  async run(): Promise<EpochInfo[]> {
    const { epochs, batchesPerEpoch } = this.#plan
    const history: EpochInfo[] = []
    await this.#tell('beforeFit', { epochs, batchesPerEpoch })
    while (this.progress.epoch < epochs && !this.#ended) {
      const info = await this.#epoch()
      if (info) history.push(info)
    }
    await this.#tell('afterFit', { history })
    return history
  }

  /** Runs the rest of one epoch and its validation. Returns undefined if the epoch was skipped. */
  async #epoch(): Promise<EpochInfo | undefined> {
    const p = this.progress
    const epoch = this.#learn.epoch + 1
    if (p.batch === 0) {
      const answers = await this.#tell('beforeEpoch', { epoch })
      if (answers.has('skip epoch')) return this.#skipEpoch(epoch)
      if (this.#ended) return undefined
    }
    const trained = await this.#train(epoch)
    if (this.#ended === 'cancel') return undefined
    if (trained.has('skip epoch')) return this.#skipEpoch(epoch)
    const trainLoss = p.lossSum / p.lossCount
    const after = await this.#tell('afterTrain', { epoch, trainLoss })
    const validated = after.has('skip epoch') || this.#isCancelled() ? after : await this.#validate(epoch)
    if (this.#isCancelled()) return undefined
    if (validated.has('skip epoch')) return this.#skipEpoch(epoch)
    const { evaluated } = this.#learn
    const info: EpochInfo = {
      step: this.#learn.step,
      epoch,
      trainLoss,
      validLoss: evaluated?.loss ?? Number.NaN,
      accuracy: evaluated?.accuracy ?? Number.NaN,
      score: evaluated?.score ?? Number.NaN,
      metrics: evaluated?.metrics ?? {},
      seconds: p.epochSeconds,
      lrs: this.#lrs,
    }
    this.#nextEpoch(epoch)
    await this.#tell('afterEpoch', info)
    return info
  }

  /** Runs the rest of an epoch's batches. */
  async #train(epoch: number): Promise<Answers> {
    const p = this.progress
    const batches = this.#learn.batches(epoch)
    this.#setRates(Math.max(0, p.step - 1)) // the rates of the last step, if a fit goes on after it
    let answers: Answers = p.batch === 0 ? await this.#tell('beforeTrain', { epoch }) : new Set()
    while (p.batch < batches.length && !this.#leavesTraining(answers)) {
      this.#startClock()
      answers = await this.#step(epoch, batches)
    }
    if (answers.has('skip train')) [p.batch, p.step] = [batches.length, (p.epoch + 1) * batches.length]
    return answers
  }
  #leavesTraining(answers: Answers): boolean {
    return this.#ended !== undefined || answers.has('skip train') || answers.has('skip epoch')
  }

  /** Runs one batch, then lets signals and timers run. */
  async #step(epoch: number, batches: readonly Uint32Array[]): Promise<Answers> {
    const p = this.progress
    const learn = this.#learn
    this.#setRates(p.step)
    const place = { epoch, step: learn.step + 1, number: p.batch + 1, of: batches.length, progress: this.#share() }
    const { loss, answers, stepped, stop } = takeStep(learn, batches[p.batch]!, place, this.tools)
    if (loss !== undefined && !Number.isFinite(loss)) throw this.#noNumber(loss)
    if (stepped) learn.average?.update()
    if (loss !== undefined) {
      this.#smooth.add(loss)
      p.smooth = this.#smooth.state
      p.lossSum += loss
      p.lossCount++
    }
    if (this.tools.scaler) p.scaler = this.tools.scaler.state
    p.batch++
    p.step++
    learn.step++
    this.#readClock()
    this.#heed(answers)
    if (loss !== undefined)
      for (const answer of await this.#tell('afterBatch', {
        step: learn.step,
        epoch,
        progress: this.#share(),
        loss,
        smooth: this.#smooth.value,
        lrs: this.#lrs,
        momentum: this.#momentum ?? this.tools.optimizer.groups[0]!.momentum,
      }))
        answers.add(answer)
    // Several ranks stop after the same step.
    await turn(this.#learn.ranks.alone ? this.#plan.signal : undefined)
    if (stop) throw new Stopped()
    return answers
  }

  async #validate(epoch: number): Promise<Answers> {
    const learn = this.#learn
    learn.evaluated = undefined
    const before = await this.#tell('beforeValidate', { epoch })
    if (leavesValidation(before) || !learn.valid?.count) return before
    this.#startClock()
    return this.#evaluate()
  }
  async #evaluate(): Promise<Answers> {
    const { events } = this.tools
    const learn = this.#learn
    const answers = new Set<Answer>()
    const hear = <N extends EventName>(name: N, batch: Subject<N>): boolean => {
      for (const answer of events.now(name, batch, learn)) answers.add(answer)
      return leavesValidation(answers)
    }
    const around = {
      before: (batch: PredictedValidationBatch) => hear('beforeValidationBatch', batch),
      after: (batch: PredictedValidationBatch) => hear('afterValidationBatch', batch),
    }
    try {
      const { signal } = this.#plan
      learn.evaluated = await learn.averaged(() => learn.validate(learn.valid, { signal, around }))
    } catch (error) {
      if (!(error instanceof LeftEvaluation)) throw error
    }
    this.#readClock()
    this.#heed(answers)
    if (learn.evaluated) for (const answer of await this.#tell('afterValidate', learn.evaluated)) answers.add(answer)
    return answers
  }

  async #tell<N extends EventName>(name: N, subject: Subject<N>): Promise<Answers> {
    const answers = await this.tools.events.tell(name, subject, this.#learn)
    this.#heed(answers)
    return answers
  }
  #heed(answers: Answers): void {
    if (answers.has('cancel')) this.#ended = 'cancel'
    else if (answers.has('stop')) this.#ended ??= 'stop'
  }
  #isCancelled(): boolean {
    return this.#ended === 'cancel'
  }

  #share(): number {
    return this.progress.step / (this.#plan.epochs * this.#plan.batchesPerEpoch)
  }
  /** Writes the rates and momentum of a step into the optimizer. */
  #setRates(step: number): void {
    const { base, curves, layerOf, epochs, batchesPerEpoch } = this.#plan
    const t = step / (epochs * batchesPerEpoch)
    this.#lrs = base.map((v, i) => (this.#learn.frozen[i] ? 0 : v * curves.lr(t)))
    this.#momentum = curves.momentum?.(t)
    for (const [i, group] of this.tools.optimizer.groups.entries()) {
      group.lr = this.#lrs[layerOf[i]!]!
      if (this.#momentum !== undefined) group.momentum = this.#momentum
    }
  }

  #nextEpoch(epoch: number): void {
    this.#learn.epoch = epoch
    const { epoch: done } = this.progress
    Object.assign(this.progress, { epoch: done + 1, batch: 0, lossSum: 0, lossCount: 0, epochSeconds: 0 })
  }
  #skipEpoch(epoch: number): undefined {
    this.progress.step = (this.progress.epoch + 1) * this.#plan.batchesPerEpoch
    this.#nextEpoch(epoch)
  }

  #noNumber(loss: number): AnnealError {
    const [now, lower] = [rate(this.#lrs.at(-1)!), rate(this.#plan.base.at(-1)! / 10)]
    return new TrainingError(
      `the loss became ${loss} at step ${this.#learn.step + 1} (rate ${now}): try a lower rate, e.g. ${setting('lr', lower)}`,
    )
  }

  #startClock(): void {
    this.#clockBegan = performance.now()
  }
  #readClock(): void {
    this.progress.epochSeconds += (performance.now() - this.#clockBegan) / 1000
  }
}
