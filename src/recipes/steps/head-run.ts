import type { Phase } from '../../runs/index.ts'
import { onOneThread } from '../../torch/index.ts'
import type { Callback } from '../../train/callback.ts'
import { dropSnapshot, type Learner, type Snapshot } from '../../train/learner.ts'
import { Stopped } from '../../train/stop.ts'
import { netTensors, type Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { recorder } from '../run/record-events.ts'
import { isBetter, type Validated, validated } from './best-weights.ts'
import { type Optimum, penalties } from './fit-linear-head.ts'
import {
  freshHeadState,
  type HeadState,
  headTensors,
  partOf,
  revived,
  storedNumbers,
  storedSnapshot,
  type TriedSnapshot,
} from './head-state.ts'
import type { From, HeadResult, StageResult } from './types.ts'

/** A head of at most this many parameters trains faster on one thread. */
const fewParameters = 2 ** 18

/** A resume state is written at least this often, in seconds. */
const checkpointSeconds = 30

/** The frozen phase in progress: trains the head, keeps the best one, and writes resume states. */
export class HeadRun {
  readonly phase: Phase
  readonly learn: Learner
  readonly state: HeadState
  best: Validated
  /** The strengths of L2 that are done, and the point from which the search goes on. */
  tried: readonly TriedSnapshot[] = []
  point: Float64Array | undefined
  #kept: Snapshot
  #saved = performance.now()
  readonly #prepared: Prepared
  readonly #context: Context
  readonly #before: StageResult | undefined
  /** Runs work on the number of threads that suits the head. */
  readonly within: <T>(work: () => Promise<T>) => Promise<T>

  constructor(
    prepared: Prepared,
    context: Context,
    {
      phase,
      learn,
      before,
      from,
    }: { phase: Phase; learn: Learner; before?: StageResult | undefined; from?: From<HeadState> | undefined },
  ) {
    this.#prepared = prepared
    this.#context = context
    this.#before = before
    this.phase = phase
    this.learn = learn
    const parameters = prepared.net.head.parameters().reduce((sum, p) => sum + p.numel, 0)
    this.within = parameters <= fewParameters ? work => onOneThread(work) : work => work()
    this.state = from?.state ?? freshHeadState({ epoch: before?.epochs ?? 0, step: before?.step ?? 0 })
    this.best = revived(this.state.best)
    learn.seed(before ? before.size : 0)
    learn.epoch = this.state.learner.epoch
    learn.step = this.state.learner.step
    if (from) this.#restore(from)
    this.#kept = from ? storedSnapshot(from.tensors, 'head.kept.', this.state.learner) : learn.snapshot()
  }

  #restore({ state, tensors }: From<HeadState>): void {
    const numbers = (name: string) => storedNumbers(tensors, name)?.buffer
    this.tried = state.tried.map((one, i) => ({
      ...revived(one),
      ...storedSnapshot(tensors, `head.tried.${i}.`, state.learner),
      losses: new Float32Array(numbers(`head.tried.${i}.losses`)!),
    }))
    const point = numbers('head.point')
    this.point = point && new Float64Array(point)
    if (state.fit) {
      const optimizer = partOf(tensors, 'head.optimizer.')
      this.learn.restoreOptimizer(this.learn.rates(state.lr), optimizer, state.fit.optimizerStep)
    }
    this.learn.restoreRandom(partOf(tensors, 'head.').get('random')!)
  }

  /** The planned cycles of one epoch each. */
  async plannedCycles(): Promise<void> {
    const { learn, state } = this
    if (state.cycled) return
    const { session, options } = this.#context
    const cycles = options.headCycles ?? 3
    if (!state.fit) {
      const steps = cycles * Math.ceil(learn.train.count / this.#prepared.batchSize)
      const firstEpoch = learn.epoch + 1
      session.emit({ type: 'phase', ...this.phase, epochs: cycles, firstEpoch, groups: ['head'], steps })
      if (this.#before) this.#take(await learn.validate())
    }
    await this.#fit(cycles)
    state.cycled = true
  }

  /** Trains further cycles until three in a row improve nothing. */
  async trainOn(): Promise<void> {
    while (this.state.idle < 3) {
      const before = this.best
      await this.#fit(1)
      this.state.idle = this.best === before ? this.state.idle + 1 : 0
    }
  }

  async #fit(cycles: number): Promise<void> {
    const { learn, state, phase } = this
    const { session, signal } = this.#context
    const record = recorder(session, phase, info => this.#take({ ...info, loss: info.validLoss }))
    const keeper: Callback = { afterBatch: () => this.checkpoint({ rarely: true }) }
    const how = { lr: state.lr, cycleLen: 1, signal, from: state.fit, callbacks: [record, keeper] }
    await this.stoppable(() => this.within(() => learn.fit(cycles, how)))
    state.fit = undefined
  }

  /** Keeps the current head if it is the best so far. */
  #take(found: Validated): boolean {
    if (!isBetter(found, this.best)) return false
    this.best = validated(found)
    dropSnapshot(this.#kept)
    this.#kept = this.learn.snapshot()
    return true
  }

  /** Records the optima that are found so far. */
  took(tried: readonly TriedSnapshot[], at: { point: Float64Array | undefined; searched: boolean }): void {
    this.tried = tried
    this.point = at.point
    this.state.searched = at.searched
    this.checkpoint({ rarely: true })
  }

  /** Records that the optimum is among the epochs; keeps it if it is the best head. */
  takeOptimum(optimum: Optimum['best'], isBest: boolean): void {
    this.state.optimumKnown = true
    if (!isBest) return
    this.best = validated(optimum)
    dropSnapshot(this.#kept)
    this.#kept = optimum
  }

  /** Calls `keepBest` with the best head in the net, then puts the head into the net that the whole net begins from. */
  end(
    start: (Snapshot & { l2: number; crossValidated: boolean }) | undefined,
    keepBest: (best: Validated) => void,
  ): HeadResult {
    const { learn, best } = this
    const net = learn.network.net
    net.loadStateDict(this.#kept.state)
    keepBest(best)
    if (start) net.loadStateDict(start.state)
    for (const snapshot of new Set([this.#kept, start ?? this.#kept, ...this.tried])) dropSnapshot(snapshot)
    const { epoch, step } = learn
    return {
      ...best,
      logistic: start !== undefined,
      l2: start?.l2,
      crossValidated: start?.crossValidated ?? false,
      epoch,
      step,
      lr: this.state.lr,
    }
  }

  /** Writes a resume state; `rarely`: only if the last one was written long ago. */
  checkpoint({ rarely = false } = {}): void {
    if (rarely && performance.now() - this.#saved < checkpointSeconds * 1000) return
    const { learn, state, tried, point } = this
    state.fit = learn.progress().fit
    state.learner = { epoch: learn.epoch, step: learn.step }
    state.best = this.best
    state.tried = tried.map(({ l2, ...one }) => ({ l2, ...validated(one) }))
    const tensors = new Map([
      ...netTensors(this.#prepared),
      ...headTensors(learn, { kept: this.#kept, tried, point, fitting: state.fit !== undefined }),
    ])
    this.#context.session.checkpoint({ step: learn.step, epoch: learn.epoch, inner: state, tensors })
    this.#saved = performance.now()
  }

  /** Runs work that writes a resume state when it is stopped. */
  async stoppable<T>(work: () => Promise<T>, again?: string): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof Stopped) {
        this.checkpoint()
        this.#stands(again)
      }
      throw error
    }
  }

  #stands(again?: string): void {
    const { tried, searched } = this.state
    const searching = tried.length > 0 && !searched
    const done = tried.map(({ l2 }) => l2).join(', ')
    this.#context.session.stands(
      `the features, and the head's training up to step ${this.learn.step}${done ? ` and its optimum at L2 ${done}` : ''}`,
      again ?? (searching ? `the search at L2 ${penalties[tried.length]}` : undefined),
    )
  }
}
