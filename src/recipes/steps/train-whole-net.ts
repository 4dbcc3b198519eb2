import { plural } from '../../base/format.ts'
import { advise } from '../../train/advise.ts'
import type { Callback, EpochInfo } from '../../train/callback.ts'
import type { Learner } from '../../train/learner.ts'
import { said } from '../../train/objective.ts'
import { Stopped } from '../../train/stop.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { recorder } from '../run/record-events.ts'
import { isBetter, validated } from './best-weights.ts'
import { nextCycle, worthACycle } from './cycles.ts'
import { keepSnapshot } from './snapshots.ts'
import type { WholeOptions, WholeState } from './types.ts'
import { beginWhole, wholeLearner } from './whole-learner.ts'

/** A resume state is written at least this often while training, in seconds. */
const checkpointSeconds = 30

/** Steps 3 to 5: unfreezes, sets lower learning rates for earlier groups, and trains the whole net in cycles until it
 *  overfits or the budget is used up. Returns the validation results of the best weights. */
export async function trainWhole(prepared: Prepared, context: Context, options: WholeOptions): Promise<WholeState> {
  const { from } = options
  const learn = wholeLearner(prepared, context, options)
  const state = from?.state ?? (await beginWhole(learn, prepared, context, options))
  if (from) learn.loadState({ ...state.learner, tensors: from.tensors })
  const run = new WholeRun(prepared, context, { ...options, learn, state })
  while (run.plan()) {
    await run.cycle()
    if (run.isEnough()) break
  }
  run.explainKept()
  return state
}

/** The phase of the whole net in progress: its cycles and its state. */
class WholeRun {
  readonly #prepared: Prepared
  readonly #context: Context
  readonly #options: WholeOptions
  readonly #learn: Learner
  readonly #state: WholeState
  #saved = performance.now()
  /** Epochs before the cycle in progress. */
  #first = 0

  constructor(prepared: Prepared, context: Context, options: WholeOptions & { learn: Learner; state: WholeState }) {
    this.#prepared = prepared
    this.#context = context
    this.#options = options
    this.#learn = options.learn
    this.#state = options.state
  }

  /** Plans the next cycle, unless one is in progress; false if the budget is used up. */
  plan(): boolean {
    const state = this.#state
    if (state.learner.fit) return true
    const epochs = nextCycle(state, this.#context, this.#options)
    if (epochs === undefined) return false
    state.cycleLen = epochs
    const { groups, epoch, train } = this.#learn
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
  async cycle(): Promise<void> {
    const [state, learn] = [this.#state, this.#learn]
    const { session, signal, options } = this.#context
    const { lrs: lr, cycleLen } = state
    this.#first = state.history.length - (state.learner.fit?.epoch ?? 0)
    const callbacks = [recorder(session, this.#options.phase, info => this.#judge(info)), this.#keeper()]
    try {
      await learn.fit(1, { lr, cycleLen, signal, callbacks })
    } catch (error) {
      if (error instanceof Stopped) {
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
  }

  /** Whether the cycle that ended is the last one, because the net overfits or no longer improves. If not, plans the
   *  length of the next one. */
  isEnough(): boolean {
    const state = this.#state
    const { session, options } = this.#context
    const { history } = state
    const advice = advise(history.slice(this.#first), history.slice(0, this.#first), { tolerance: worthACycle })
    if (advice.overfits || advice.stalled) {
      session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, advice.reason)
      return true
    }
    const mult = options.cycleMult ?? (advice.grow ? 2 : 1)
    if (mult !== 1) {
      state.cycleLen = Math.max(1, Math.round(state.cycleLen * mult))
      const reason = options.cycleMult === undefined ? advice.reason : `cycle-mult ${mult}`
      session.choice('cycle length', plural(state.cycleLen, 'epoch'), reason)
    }
    this.#checkpoint()
    return false
  }

  /** Writes into the log which weights are kept. */
  explainKept(): void {
    const kept = this.#state.best!
    const isFrozen = kept.epoch === this.#options.best?.epoch
    this.#context.session.choice(
      'weights kept',
      isFrozen ? 'from the frozen phase' : `from epoch ${kept.epoch}`,
      `best on validation: ${said(this.#prepared.objective.metric, kept.score)}, loss ${kept.loss.toFixed(3)}`,
    )
  }

  /** Whether an epoch's weights are the best of this size. */
  #judge(info: EpochInfo): boolean {
    const { epoch, validLoss } = info
    const now = { ...validated({ ...info, loss: validLoss }), epoch, size: this.#prepared.size }
    if (this.#state.best && !isBetter(now, this.#state.best)) return false
    this.#state.best = now
    return true
  }

  /** Keeps the best weights at the end of an epoch, and writes a resume state every half minute. */
  #keeper(): Callback {
    const [state, learn, { keeper }] = [this.#state, this.#learn, this.#options]
    return {
      async afterEpoch({ epoch, seconds, trainLoss, validLoss }) {
        state.epochsDone++
        state.slowest = Math.max(state.slowest, seconds)
        state.history.push({ trainLoss, validLoss })
        const found = state.best
        if (found?.epoch === epoch) await learn.averaged(() => keeper.offer(found, learn.evaluated))
      },
      afterBatch: () => {
        if (performance.now() - this.#saved >= checkpointSeconds * 1000) this.#checkpoint()
      },
    }
  }

  #checkpoint(): void {
    const { tensors, ...progress } = this.#learn.state({ copy: false })
    this.#state.learner = progress
    const { step, epoch } = progress
    this.#context.session.checkpoint({ step, epoch, inner: this.#state, tensors })
    this.#saved = performance.now()
  }
}
