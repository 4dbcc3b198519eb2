import { AnnealError } from '../../base/errors.ts'
import { plural, rate } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { advise, type EpochLosses } from '../../train/advise.ts'
import type { Callback, EpochInfo } from '../../train/callback.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { Learner } from '../../train/learner.ts'
import type { LearnerProgress } from '../../train/learner-state.ts'
import { said } from '../../train/objective.ts'
import { Stopped } from '../../train/stop.ts'
import { mixedSource } from '../../vision/augment/mixed-source.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { keepsStatistics } from '../options.ts'
import type { Prepared } from '../prepare/prepare.ts'
import type { Context } from '../run/context.ts'
import { recorder } from '../run/record-events.ts'
import { type Best, isBetter, validated } from './best-weights.ts'
import { chooseFactor, chooseRates, secondsPerEpoch } from './layer-rates.ts'
import { keepSnapshot } from './snapshots.ts'
import type { HeadResult } from './train-head.ts'

/** Where the whole phase stands, for the resume state: plain data beside the tensors. */
export interface WholeState {
  lrs: number[]
  cycle: number
  cycleLen: number
  epochsDone: number
  history: EpochLosses[]
  /** The best weights of this size so far; none before the first epoch of a net that begins from random ones. */
  best?: Best | undefined
  /** Names of the weights kept at the ends of cycles. */
  snapshots?: string[]
  /** Seconds of the slowest epoch so far; an estimate before the first, where the time is limited. */
  slowest: number
  /** Where the learner stands; with its fit in progress, where it is not between two cycles. */
  learner: LearnerProgress
}

/** Where the whole phase begins, and how its best weights are kept. */
export interface WholeOptions {
  /** The phase's name in the run's events. */
  phase: string
  /** How the frozen phase of this size ended, where it had one. */
  head: HeadResult | undefined
  /** Whether the body has been trained: on ImageNet, or at a size before. */
  trained: boolean
  /** How the frozen phase validated. */
  best: Best | undefined
  /** The share of the minutes that are spent at the end of this size. */
  until: number
  /** Where an interrupted phase goes on. */
  from?: { state: WholeState; tensors: ReadonlyMap<string, StoredTensor> } | undefined
  keepBest(best: Best, evaluated: Evaluation | undefined): void
}

/** The budget of the whole net where none is given: four cycles of two. */
const usualEpochs = 8

/** A resume state is written at least this often while training, in seconds. */
const checkpointSeconds = 30

/** Steps 3 to 5: unfreezes, sets lower rates for earlier groups, and trains the whole net in cycles until it overfits or
 *  the budget is used. Gives the best weights' validation result. */
export async function trainWhole(
  prepared: Prepared,
  context: Context,
  { phase, head, trained, best, until, from, keepBest }: WholeOptions,
): Promise<WholeState> {
  const { session, options, signal } = context
  const { net, classes, objective, source, batchSize, seed, precision } = prepared
  const { mixup, cutmix } = options
  const views = source('train', { augmented: true })
  const mix = { mixup, cutmix, classes: classes.length, task: objective.task, seed }
  const train = mixup === undefined && cutmix === undefined ? views : mixedSource(views, mix)
  const valid = source('valid')
  const stepsPerEpoch = Math.max(1, Math.round(train.count / batchSize))
  const averageSteps = head ? Math.min(500, Math.max(20, stepsPerEpoch)) : 0
  const labelSmoothing = options.labelSmoothing ?? (objective.task === 'single' ? 0.1 : 0)
  const learn = new Learner(net, {
    train,
    valid,
    classes,
    objective,
    classWeights: prepared.classWeights,
    sampleWeights: prepared.sampleWeights,
    batchSize,
    seed,
    precision,
    labelSmoothing,
    averageSteps,
    weightDecay: options.weightDecay ?? 0.01,
    ...(options.optimizer ? { optimizer: options.optimizer } : {}),
  })
  session.stands(head ? 'the features and the trained head' : 'the decoded pictures', 'the search for the rates')
  learn.unfreeze()
  const pretrained = options.pretrained ?? true
  learn.bnFreeze = keepsStatistics(options, { pictures: train.count, batchSize })
  learn.dropout = options.dropout !== undefined || !head?.logistic
  const chosen = from
    ? undefined
    : await chooseRates(learn, context, { head, trained, ...(await chooseFactor(prepared, context, head)) })
  const timed = !from && options.minutes !== undefined
  if (from) learn.loadState({ ...from.state.learner, tensors: from.tensors })
  else {
    learn.epoch = head?.epoch ?? 0
    learn.step = head?.step ?? 0
  }
  const state: WholeState = from?.state ?? {
    lrs: chosen!.lrs,
    cycle: 0,
    cycleLen: options.cycleLen ?? 2,
    epochsDone: 0,
    history: [],
    best,
    slowest: timed ? await secondsPerEpoch(learn, stepsPerEpoch, signal) : 0,
    learner: learn.progress(),
  }
  if (chosen) {
    session.choice(
      'unfreeze',
      `${learn.groups.length} layer groups`,
      head ? 'the head is trained; now everything is' : 'from random weights everything is trained from the start',
    )
    session.choice(
      'BatchNorm',
      learn.bnFreeze ? 'statistics kept' : 'statistics follow the batch',
      options.bnFreeze !== undefined
        ? 'as asked'
        : learn.bnFreeze
          ? `${plural(train.count, 'picture')} in batches of ${batchSize} make poorer statistics than ImageNet's`
          : pretrained
            ? 'there are pictures enough for statistics of their own'
            : 'a net from random weights has no statistics yet',
    )
    session.choice('rates', chosen.lrs.map(rate).join(', '), chosen.reason)
    if (!learn.dropout)
      session.choice('dropout', 'off', 'the head is at the optimum of its L2; dropout would only blur it')
    session.choice(
      'weights',
      averageSteps ? 'averaged' : 'not averaged',
      averageSteps
        ? `validated and kept as their mean over the last ${plural(averageSteps, 'step')} or so`
        : 'from random ones they change so fast that their mean is behind',
    )
  }
  if (!from) learn.seed(1)

  const checkpoint = () => {
    const { tensors, ...progress } = learn.state({ copy: false })
    state.learner = progress
    session.checkpoint({ step: learn.step, epoch: learn.epoch, inner: state, tensors })
  }
  const judge = (info: EpochInfo): boolean => {
    const now = {
      ...validated({ ...info, loss: info.validLoss }),
      epoch: info.epoch,
      size: prepared.preprocessing.size,
    }
    if (state.best && !isBetter(now, state.best)) return false
    state.best = now
    return true
  }
  let saved = performance.now()
  const keeper: Callback = {
    async afterEpoch(info) {
      state.epochsDone++
      state.slowest = Math.max(state.slowest, info.seconds)
      state.history.push({ trainLoss: info.trainLoss, validLoss: info.validLoss })
      const found = state.best
      if (found?.epoch === info.epoch) await learn.averaged(() => keepBest(found, learn.evaluated))
    },
    afterBatch() {
      if (performance.now() - saved < checkpointSeconds * 1000) return
      checkpoint()
      saved = performance.now()
    },
  }

  const most = options.epochs ?? (options.minutes === undefined ? usualEpochs : Number.POSITIVE_INFINITY)
  while (true) {
    const { fit } = state.learner
    if (!fit) {
      const planned = planCycle(state, context, { most, until })
      if (planned === undefined) break
      state.cycleLen = planned
      session.emit({
        type: 'phase',
        phase,
        epochs: state.cycleLen,
        groups: [...learn.groups],
        steps: state.cycleLen * stepsPerEpoch,
      })
    }
    const first = state.history.length - (fit?.epoch ?? 0)
    try {
      await learn.fit(1, {
        lr: state.lrs,
        cycleLen: state.cycleLen,
        signal,
        callbacks: [recorder(session, phase, judge), keeper],
      })
    } catch (error) {
      if (error instanceof Stopped) {
        checkpoint()
        session.stands(`training up to step ${learn.step}`)
      }
      throw error
    }
    state.cycle++
    state.learner = learn.progress()
    if (options.snapshots || options.swa) {
      const validation = { ...state.history.at(-1)!, epoch: learn.epoch }
      const name = keepSnapshot(prepared, context, { cycle: state.cycle, validation })
      state.snapshots = [...(state.snapshots ?? []), name]
    }
    const advice = advise(state.history.slice(first), state.history.slice(0, first), { tolerance: worthACycle })
    if (advice.overfits || advice.stalled) {
      session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, advice.reason)
      break
    }
    const mult = options.cycleMult ?? (advice.grow ? 2 : 1)
    if (mult !== 1) {
      state.cycleLen = Math.max(1, Math.round(state.cycleLen * mult))
      session.choice(
        'cycle length',
        plural(state.cycleLen, 'epoch'),
        options.cycleMult === undefined ? advice.reason : `cycle-mult ${mult}`,
      )
    }
    checkpoint()
    saved = performance.now()
  }
  const kept = state.best!
  session.choice(
    'weights kept',
    kept.epoch === best?.epoch ? 'of the frozen phase' : `of epoch ${kept.epoch}`,
    `they validate best: ${said(objective.metric, kept.score)}, loss ${kept.loss.toFixed(3)}`,
  )
  return state
}

/** A cycle that betters the validation loss by a smaller share than this is the last. */
const worthACycle = 0.01

/** How many epochs the next cycle has; undefined where the budget is used. An error where it is before the first epoch
 *  and nothing is trained. */
function planCycle(
  state: WholeState,
  { session, options }: Context,
  { most, until }: { most: number } & Pick<WholeOptions, 'until'>,
): number | undefined {
  const left = most - state.epochsDone
  if (left <= 0) {
    if (state.epochsDone > 0)
      session.choice(
        'stop',
        `after ${plural(state.epochsDone, 'epoch')}`,
        options.epochs === undefined
          ? `the usual budget of ${most} is used; ${option('epochs')} or ${option('minutes')} for another`
          : `the budget of ${setting('epochs', most)} is used`,
      )
    return undefined
  }
  let length = Math.min(state.cycleLen, left)
  if (options.minutes !== undefined) {
    const seconds = options.minutes * 60 * until - session.run.seconds
    const fitting = Math.floor((seconds - 5) / state.slowest)
    const budget = `${until < 1 ? "this size's share of " : ''}${setting('minutes', options.minutes)}`
    if (fitting < 1 && !state.best)
      throw new AnnealError(
        `${budget} leaves no time for one epoch, which takes some ${Math.ceil(state.slowest)} s here; give more minutes.`,
      )
    if (fitting < 1) {
      session.choice('stop', `after ${plural(state.epochsDone, 'epoch')}`, `${budget} leaves no time for another`)
      return undefined
    }
    if (fitting < length) session.choice('cycle length', plural(fitting, 'epoch'), `what ${budget} leaves time for`)
    length = Math.min(length, fitting)
  }
  return length
}
