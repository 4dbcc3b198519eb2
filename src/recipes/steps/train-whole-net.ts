import { plural } from '../../base/format.ts'
import { LostError } from '../../ranks/ranks.ts'
import { advise, smoothingLoss } from '../../train/advise.ts'
import type { Callback, EpochInfo } from '../../train/callback.ts'
import type { Learner, Snapshot } from '../../train/learner.ts'
import { said } from '../../train/objective.ts'
import { Stopped } from '../../train/stop.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { recordBatch, recordEpoch } from '../run/record-events.ts'
import { isBetter, validated } from './best-weights.ts'
import { checkRanks } from './check-ranks.ts'
import { type CycleEnd, explainEnd, judgeCycle, pays } from './cycle-end.ts'
import { nextCycle, shapeOf, worthACycle } from './cycles.ts'
import { partOf } from './head-state.ts'
import { keepSnapshot } from './snapshots.ts'
import type { WholeOptions, WholeState } from './types.ts'
import { beginWhole, wholeLearner } from './whole-learner.ts'

/** A resume state is written at least this often while training, in seconds. */
const checkpointSeconds = 30

/** Steps 3 to 5: unfreezes, sets the learning rates of the layer groups, and trains the whole net in cycles until it
 *  overfits, does not pay, or the budget is used up. Returns the validation results of the best weights. */
export async function trainWhole(prepared: Prepared, context: Context, options: WholeOptions): Promise<WholeState> {
  const { from, head } = options
  const learn = wholeLearner(prepared, context, options)
  const state = from?.state ?? (await beginWhole(learn, prepared, context, options))
  if (from) learn.loadState({ ...state.learner, tensors: from.tensors })
  const start = head && (from ? partOf(from.tensors, beginning) : learn.snapshot().state)
  const run = new WholeRun(prepared, context, { ...options, learn, state, start })
  try {
    do if (await run.judge()) break
    while ((await run.plan()) && (await run.cycle()))
  } finally {
    for (const t of start?.values() ?? []) t.dispose()
  }
  run.explainKept()
  return state
}

/** The names of the weights that the phase began from, in its resume state. */
const beginning = 'start.'

/** The phase of the whole net in progress: its cycles and its state. */
class WholeRun {
  readonly #prepared: Prepared
  readonly #context: Context
  readonly #options: WholeOptions
  readonly #learn: Learner
  readonly #state: WholeState
  /** The weights of the frozen phase. */
  readonly #start: Snapshot['state'] | undefined
  #saved = performance.now()

  constructor(
    prepared: Prepared,
    context: Context,
    options: WholeOptions & { learn: Learner; state: WholeState; start: Snapshot['state'] | undefined },
  ) {
    this.#prepared = prepared
    this.#context = context
    this.#options = options
    this.#learn = options.learn
    this.#state = options.state
    this.#start = options.start
  }

  /** Plans the next cycle, unless one is in progress; false if the budget is used up. */
  async plan(): Promise<boolean> {
    const state = this.#state
    if (state.learner.fit) return true
    const { groups, epoch, train } = this.#learn
    const { session } = this.#context
    const options = { ...this.#options, samples: train.count, usual: this.#prepared.domain.usual }
    const plan = () => nextCycle(state, this.#context, options) ?? null
    const epochs = (await session.ranks.fromFirst('next cycle', plan)) ?? undefined // time decides, too
    if (epochs === undefined) return false
    state.cycleLen = epochs
    if (state.grown) this.#context.session.choice('cycle length', plural(epochs, 'epoch'), state.grown)
    state.grown = undefined
    const stepsPerEpoch = Math.max(1, Math.round(train.count / this.#prepared.batchSize))
    this.#context.session.emit({
      type: 'phase',
      ...this.#options.phase,
      epochs,
      firstEpoch: epoch + 1,
      groups: [...groups],
      steps: epochs * stepsPerEpoch,
    })
    return true
  }

  /** Trains one cycle, or the rest of it. */
  async cycle(): Promise<true> {
    const [state, learn] = [this.#state, this.#learn]
    const { session, signal, options } = this.#context
    const { lrs: lr, cycleLen } = state
    try {
      await learn.fit(1, {
        lr,
        cycleLen,
        ...shapeOf(options, this.#prepared.domain.usual),
        signal,
        callbacks: [this.#recorder(), this.#saver()],
      })
    } catch (error) {
      if (error instanceof Stopped || error instanceof LostError) {
        this.#checkpoint()
        session.stands(`training up to step ${learn.step}`)
      }
      throw error
    }
    state.cycle++
    state.learner = learn.progress()
    if (options.snapshots || options.swa) {
      const validation = { ...state.history.at(-1)!, epoch: learn.epoch }
      const name = keepSnapshot(this.#prepared, this.#context, { cycle: state.cycle, validation })
      state.snapshots = [...(state.snapshots ?? []), name]
    }
    this.#checkpoint()
    session.stands(`training up to step ${learn.step}`, 'the validation of the weights at the end of the cycle')
    return true
  }

  /** Judges the weights of a cycle that has ended, and keeps them if they are the best. Returns whether it was the last
   *  cycle, because the net does not pay, overfits or no longer improves; if not, plans the length of the next one. */
  async judge(): Promise<boolean> {
    const { ended, enough = false } = this.#state
    if (!ended) return enough
    const paid = await this.#learn.averaged(() =>
      this.#start ? this.#compare(ended, this.#start) : this.#takeIfBetter(ended),
    )
    this.#record(ended, paid)
    this.#state.ended = undefined
    this.#state.enough = this.#isEnough(paid)
    this.#checkpoint()
    return this.#state.enough
  }

  /** Compares the weights of a cycle's end with those of the frozen phase and of the cycles before. */
  async #compare({ epoch }: EpochInfo, start: Snapshot['state']): Promise<boolean> {
    const { keeper, head } = this.#options
    const [state, { size }] = [this.#state, this.#prepared]
    let isBest = false
    const use = (end: CycleEnd) => {
      const { chosen, evaluation } = end
      isBest = state.calibrated === undefined ? pays(end) : chosen.calibrated < state.calibrated
      explainEnd(this.#context.session, this.#prepared, { end, isBest, best: state.calibrated })
      const keptShare = isBest ? chosen.share : 0
      if (isBest || state.best?.epoch === this.#options.best?.epoch)
        state.path = end.path.map(p => ({ ...p, kept: p.share === keptShare }))
      if (!isBest) return
      const found = { ...validated(chosen), epoch, size }
      keeper.offer(found, { evaluated: evaluation, over: state.best })
      Object.assign(state, { best: found, calibrated: chosen.calibrated })
    }
    await judgeCycle(this.#learn, this.#prepared, this.#context, { start, l2: head?.l2, use })
    return isBest
  }

  /** Keeps the weights of a net from random weights, which has no frozen phase to compare with, if they are the best. */
  async #takeIfBetter(info: EpochInfo): Promise<boolean> {
    const found = { ...validated({ ...info, loss: info.validLoss }), epoch: info.epoch, size: this.#prepared.size }
    const { best } = this.#state
    if (best && !isBetter(found, best)) return false
    this.#state.best = found
    this.#options.keeper.offer(found, { evaluated: this.#learn.evaluated })
    return true
  }

  #isEnough(paid: boolean): boolean {
    const state = this.#state
    const { session, options } = this.#context
    const { history, cycleLen } = state
    if (!paid && state.cycle === 1 && this.#start && options.pretrained !== false) {
      session.choice(
        'stop',
        `after ${plural(state.epochsDone, 'epoch')}`,
        'training the whole net does not pay on these data',
      )
      return true
    }
    const first = history.length - cycleLen
    const { task, names } = this.#prepared.objective
    const { labelSmoothing } = this.#learn.options
    const smoothing = options.loss === 'focal' ? 0 : smoothingLoss(labelSmoothing, { task, classes: names.length })
    const advice = advise(history.slice(first), history.slice(0, first), { tolerance: worthACycle, smoothing })
    if (advice.overfits || advice.stalled) {
      session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, advice.reason)
      return true
    }
    const mult = options.cycleMult ?? (advice.grow ? 2 : 1)
    if (mult !== 1) {
      state.cycleLen = Math.max(1, Math.round(state.cycleLen * mult))
      state.grown = options.cycleMult === undefined ? advice.reason : `cycle-mult ${mult}`
    }
    return false
  }

  /** Writes into the log which weights are kept. */
  explainKept(): void {
    const kept = this.#state.best!
    const isFrozen = kept.epoch === this.#options.best?.epoch
    this.#context.session.choice(
      'weights kept',
      isFrozen
        ? this.#options.byPairs
          ? 'from the training by pairs'
          : 'from the frozen phase'
        : `from epoch ${kept.epoch}`,
      `on validation: ${said(this.#prepared.objective.metric, kept.score)}, loss ${kept.loss.toFixed(3)}`,
    )
  }

  /** Records batches and epochs. The last epoch of a cycle is recorded once its weights are judged. */
  #recorder(): Callback {
    const [state, { epoch: before }] = [this.#state, this.#learn]
    const last = before + state.cycleLen - (state.learner.fit?.epoch ?? 0)
    return {
      order: -10,
      beforeEpoch: () => void this.#context.session.ranks.waits(),
      afterBatch: info => recordBatch(this.#context.session, this.#options.phase, info),
      afterEpoch: info => {
        state.epochsDone++
        state.slowest = Math.max(state.slowest, info.seconds)
        state.history.push({ trainLoss: info.trainLoss, validLoss: info.validLoss })
        if (info.epoch === last) state.ended = info
        else this.#record(info, false)
        // Afterwards: if a rank is gone, the state that is saved holds this epoch.
        checkRanks(this.#context.session, this.#learn.network.net, info)
      },
    }
  }
  #record(info: EpochInfo, isBest: boolean): void {
    recordEpoch(this.#context.session, this.#options.phase, info, isBest)
  }

  /** Writes a resume state every half minute. */
  #saver(): Callback {
    return {
      afterBatch: () => {
        if (performance.now() - this.#saved >= checkpointSeconds * 1000) this.#checkpoint()
      },
    }
  }

  #checkpoint(): void {
    const { tensors, ...progress } = this.#learn.state({ copy: false })
    this.#state.learner = progress
    const { step, epoch } = progress
    const start = Array.from(this.#start ?? [], ([name, t]) => [beginning + name, t] as const)
    const all = new Map([...tensors, ...start])
    this.#context.session.checkpoint({ step, epoch, inner: this.#state, tensors: all })
    this.#saved = performance.now()
  }
}
