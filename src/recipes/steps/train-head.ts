import { rate } from '../../base/format.ts'
import { onOneThread } from '../../torch/index.ts'
import type { Callback } from '../../train/callback.ts'
import { featureSource } from '../../train/features.ts'
import { dropSnapshot, Learner, type Snapshot } from '../../train/learner.ts'
import { lrFind, usualSteps } from '../../train/rates/finder.ts'
import { Stopped } from '../../train/stop.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { netTensors, type Prepared } from '../prepare/prepare.ts'
import { doubtsOf } from '../results/data-issues.ts'
import type { Context } from '../run/context.ts'
import { findingEvent, recorder } from '../run/record-events.ts'
import { isBetter, type Validated, validated } from './best-weights.ts'
import { explainOptimum, headOptimum, type OptimumOptions, penalties } from './fit-linear-head.ts'
import type { StageResult } from './five-steps.ts'
import { frozenFeatures } from './frozen-features.ts'
import {
  type HeadState,
  headTensors,
  partOf,
  revived,
  storedNumbers,
  storedSnapshot,
  type TriedSnapshot,
} from './head-state.ts'
import { planSearch, type SearchPlan } from './search-plan.ts'

/** How the frozen phase ended: the best head, by validation. */
export interface HeadResult extends Validated {
  /** Whether the whole net begins from a logistic regression: regularised by its L2, not by dropout. */
  logistic: boolean
  /** Epochs and steps so far, over the whole run. */
  epoch: number
  step: number
  /** The rate that it trained at, found or given. */
  lr: number
}

/** A head of as many parameters takes its steps faster on one thread. */
const fewParameters = 2 ** 18

/** A resume state is written at least this often, in seconds. */
const checkpointSeconds = 30

/** What the head of this size begins with. */
export interface HeadOptions {
  /** The phase's name in the run's events. */
  phase: string
  /** The size before it, whose head goes on; a fresh head without. */
  before?: StageResult | undefined
  /** Where an interrupted phase goes on. */
  from?: { state: HeadState; tensors: ReadonlyMap<string, StoredTensor> } | undefined
  /** Called with the best head in the net. */
  keepBest(best: Validated): void
}

/** Steps 1 and 2: finds the rate and trains the head on kept features, in cycles of one epoch, then to its optimum: the
 *  last layer's logistic regression, over all views. `keepBest` is called with the best head in the net; the one that
 *  the whole net begins from stays in it. At a further size the head goes on at the rate of the size before. */
export async function trainHead(
  prepared: Prepared,
  context: Context,
  { phase, before, from, keepBest }: HeadOptions,
): Promise<HeadResult> {
  const { session, options, progress, signal } = context
  const { net, classes, objective, seed, source, batchSize } = prepared
  if (!from) session.emit({ type: 'phase', phase: 'features' })
  const features = await frozenFeatures(prepared, context)
  const answers = source('train')
  const seen = featureSource(features.train, answers, { views: features.views + 1 })
  const checked = featureSource(features.valid, source('valid'))

  // Features are few numbers: the head trains beside them, and goes back to its body's device at the end.
  if (prepared.device !== 'cpu') net.head.to({ device: 'cpu' })
  const learn = new Learner(
    { net: net.head, groups: [{ name: 'head', modules: [net.head] }] },
    {
      train: seen,
      valid: checked,
      classes,
      objective,
      classWeights: prepared.classWeights,
      sampleWeights: prepared.sampleWeights,
      batchSize,
      evalBatchSize: 1024,
      seed,
      labelSmoothing: options.labelSmoothing ?? 0,
      ...(options.optimizer ? { optimizer: options.optimizer } : {}),
      ...(options.weightDecay === undefined ? {} : { weightDecay: options.weightDecay }),
    },
  )
  const small = net.head.parameters().reduce((sum, p) => sum + p.numel, 0) <= fewParameters
  const within = <T>(work: () => Promise<T>) => (small ? onOneThread(work) : work())
  const state: HeadState = from?.state ?? {
    kind: 'head',
    lr: Number.NaN,
    learner: { epoch: before?.epochs ?? 0, step: before?.step ?? 0 },
    best: { score: Number.NEGATIVE_INFINITY, loss: Number.POSITIVE_INFINITY, metrics: {} },
    cycled: false,
    idle: 0,
    tried: [],
    searched: false,
    told: false,
  }
  learn.seed(before ? before.size : 0)
  learn.epoch = state.learner.epoch
  learn.step = state.learner.step
  if (!from) {
    let lr = options.headLr ?? before?.headLr
    if (lr === undefined) {
      session.emit({ type: 'phase', phase: 'find' })
      session.stands('the features of all pictures', "the search for the head's rate")
      const onStep = (step: number) => progress('rates', step, usualSteps)
      const found = await within(() => lrFind(learn, { signal, onStep }))
      progress('', usualSteps, usualSteps)
      session.emit(findingEvent('head', found))
      lr = found.suggestion
      session.choice('head rate', rate(lr), found.chosen.reason)
    } else session.choice('head rate', rate(lr), options.headLr === undefined ? 'that of the size before' : 'as asked')
    state.lr = lr
  }
  const { lr } = state
  let best = revived(state.best)
  let kept = from ? storedSnapshot(from.tensors, 'head.kept.', state.learner) : learn.snapshot()
  let tried: readonly TriedSnapshot[] = state.tried.map((one, i) => ({
    ...revived(one),
    ...storedSnapshot(from!.tensors, `head.tried.${i}.`, state.learner),
    losses: new Float32Array(storedNumbers(from!.tensors, `head.tried.${i}.losses`)!.buffer),
  }))
  const stored = from && storedNumbers(from.tensors, 'head.point')
  let point: Float64Array | undefined = stored && new Float64Array(stored.buffer)
  if (from) {
    if (state.fit) {
      const optimizer = partOf(from.tensors, 'head.optimizer.')
      learn.restoreOptimizer(learn.rates(lr), optimizer, state.fit.optimizerStep)
    }
    learn.restoreRandom(partOf(from.tensors, 'head.').get('random')!)
  }

  const cycles = options.headCycles ?? 3
  const steps = Math.ceil(seen.count / batchSize)
  const stands = (again?: string) => {
    const searching = state.tried.length > 0 && !state.searched
    const done = state.tried.map(({ l2 }) => l2).join(', ')
    session.stands(
      `the features, and the head's training up to step ${learn.step}${done ? ` and its optimum at L2 ${done}` : ''}`,
      again ?? (searching ? `the search at L2 ${penalties[state.tried.length]}` : undefined),
    )
  }
  let saved = performance.now()
  /** Writes where the head stands; `rarely`, only where that was long ago. */
  const checkpoint = ({ rarely = false } = {}) => {
    if (rarely && performance.now() - saved < checkpointSeconds * 1000) return
    state.fit = learn.progress().fit
    state.learner = { epoch: learn.epoch, step: learn.step }
    state.best = best
    state.tried = tried.map(({ l2, ...one }) => ({ l2, ...validated(one) }))
    const tensors = new Map([
      ...netTensors(prepared),
      ...headTensors(learn, { kept, tried, point, fitting: state.fit !== undefined }),
    ])
    session.checkpoint({ step: learn.step, epoch: learn.epoch, inner: state, tensors })
    saved = performance.now()
  }
  const stoppable = async <T>(work: () => Promise<T>, again?: string): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof Stopped) {
        checkpoint()
        stands(again)
      }
      throw error
    }
  }
  let start: Snapshot | undefined
  const take = (e: Validated) => {
    if (!isBetter(e, best)) return false
    best = validated(e)
    dropSnapshot(kept)
    kept = learn.snapshot()
    return true
  }
  const record = recorder(session, phase, info => take({ ...info, loss: info.validLoss }))
  const keeper: Callback = { afterBatch: () => checkpoint({ rarely: true }) }
  const fit = (cycles: number) =>
    stoppable(() =>
      within(() => learn.fit(cycles, { lr, cycleLen: 1, signal, from: state.fit, callbacks: [record, keeper] })),
    )
  if (!state.cycled) {
    if (!state.fit) {
      session.emit({ type: 'phase', phase, epochs: cycles, groups: ['head'], steps: cycles * steps })
      if (before) take(await learn.validate())
    }
    await fit(cycles)
    state.fit = undefined
    state.cycled = true
  }

  const closed = (options.hidden ?? []).length === 0 && options.loss !== 'focal'
  const rows = { rows: (features.views + 1) * answers.count, classes: classes.length, width: net.body.pooledFeatures }
  // A ridge regression is solved at once, whatever the number of targets. A resumed run must not plan anew.
  const plan: SearchPlan =
    closed && objective.task !== 'regression'
      ? await session.once(`${phase} search`, () => planSearch({ ...rows, strengths: penalties.length }))
      : {}
  if (plan.reason !== undefined)
    session.choice('head search', plan.iterations === 0 ? 'by epochs' : 'limited', plan.reason)
  if (closed && plan.iterations !== 0) {
    const onTried: OptimumOptions['onTried'] = (now, at) => {
      tried = now
      point = at.point
      state.searched = at.searched
      checkpoint({ rarely: true })
      if (plan.reason !== undefined) progress('optimum of the head', tried.length, penalties.length)
    }
    const known = { tried, searched: state.searched, point }
    const optimum = await stoppable(() =>
      headOptimum(learn, net, { features, answers, known, onTried, iterations: plan.iterations, signal }),
    )
    const { epoch } = optimum
    if (state.told) learn.epoch = state.learner.epoch
    else {
      const improved = isBetter(optimum.best, best)
      session.emit({ type: 'epoch', phase, ...epoch, best: improved })
      explainOptimum(session, objective, optimum)
      if (improved) {
        best = validated(optimum.best)
        dropSnapshot(kept)
        kept = optimum.best
      }
      state.told = true
    }
    start = optimum.start
    if (!before && plan.reason === undefined) {
      const find = () => doubtsOf(prepared, context, { features, l2: optimum.best.l2 })
      session.know('doubts', await stoppable(find, 'the look for labels that may be wrong'))
    }
  } else {
    // A head with hidden layers, or with the focal loss, has no closed optimum, and one of very many classes would take hours
    // to it: it trains on, while a cycle in three still improves. (Numbers begin from ridge regression whatever their loss.)
    while (state.idle < 3) {
      const before = best
      await fit(1)
      state.fit = undefined
      state.idle = best === before ? state.idle + 1 : 0
    }
  }
  learn.network.net.loadStateDict(kept.state)
  keepBest(best)
  if (start) learn.network.net.loadStateDict(start.state)
  for (const snapshot of new Set([kept, start ?? kept, ...tried])) dropSnapshot(snapshot)
  seen.dispose()
  checked.dispose()
  if (prepared.device !== 'cpu') net.head.to({ device: prepared.device })
  return { ...best, logistic: start !== undefined, epoch: learn.epoch, step: learn.step, lr }
}
