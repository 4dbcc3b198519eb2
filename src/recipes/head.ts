import { rate } from '../base/format.ts'
import { onOneThread } from '../torch/index.ts'
import { featureSource } from '../train/features.ts'
import { lrFind } from '../train/finder.ts'
import { dropSnapshot, Learner, type Snapshot } from '../train/learner.ts'
import { isBetter, type Validated, validated } from './best.ts'
import type { Context } from './context.ts'
import { doubtsOf } from './doubts.ts'
import { findingEvent, recorder } from './events.ts'
import { frozenFeatures } from './features.ts'
import type { StageResult } from './five-steps.ts'
import { explainOptimum, headOptimum } from './optimum.ts'
import type { Prepared } from './prepare.ts'

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

/** What the head of this size begins with. */
export interface HeadOptions {
  /** The phase's name in the run's events. */
  phase: string
  /** The size before it, whose head goes on; a fresh head without. */
  before?: StageResult | undefined
  /** Called with the best head in the net. */
  keepBest(best: Validated): void
}

/** Steps 1 and 2: finds the rate and trains the head on kept features, in cycles of one epoch, then to its optimum: the
 *  last layer's logistic regression, over all views. `keepBest` is called with the best head in the net; the one that
 *  the whole net begins from stays in it. At a further size the head goes on at the rate of the size before. */
export async function trainHead(
  prepared: Prepared,
  context: Context,
  { phase, before, keepBest }: HeadOptions,
): Promise<HeadResult> {
  const { session, options, signal } = context
  const { net, classes, objective, seed, source, batchSize } = prepared
  session.emit({ type: 'phase', phase: 'features' })
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
  learn.seed(before ? before.size : 0)
  learn.epoch = before?.epochs ?? 0
  learn.step = before?.step ?? 0
  let lr = options.headLr ?? before?.headLr
  if (lr === undefined) {
    session.emit({ type: 'phase', phase: 'find' })
    const found = await within(() => lrFind(learn, { signal }))
    session.emit(findingEvent('head', found))
    lr = found.suggestion
    session.choice('head rate', rate(lr), found.chosen.reason)
  } else session.choice('head rate', rate(lr), options.headLr === undefined ? 'that of the size before' : 'as asked')

  const cycles = options.headCycles ?? 3
  session.emit({
    type: 'phase',
    phase,
    epochs: cycles,
    groups: ['head'],
    steps: cycles * Math.ceil(seen.count / batchSize),
  })
  let best: Validated = { score: Number.NEGATIVE_INFINITY, loss: Number.POSITIVE_INFINITY, metrics: {} }
  let kept = learn.snapshot()
  let start: Snapshot | undefined
  const take = (e: Validated) => {
    if (!isBetter(e, best)) return false
    best = validated(e)
    dropSnapshot(kept)
    kept = learn.snapshot()
    return true
  }
  const record = recorder(session, phase, info => take({ ...info, loss: info.validLoss }))
  if (before) take(await learn.validate())
  await within(() => learn.fit(cycles, { lr, cycleLen: 1, signal, callbacks: [record] }))

  if ((options.hidden ?? []).length === 0 && options.loss !== 'focal') {
    const optimum = await headOptimum(learn, net, { features, answers, signal })
    const { epoch } = optimum
    const improved = isBetter(optimum.best, best)
    session.emit({ type: 'epoch', phase, ...epoch, best: improved })
    explainOptimum(session, objective, optimum)
    if (improved) {
      best = validated(optimum.best)
      dropSnapshot(kept)
      kept = optimum.best
    }
    start = optimum.start
    if (!before) session.know('doubts', await doubtsOf(prepared, context, { features, l2: optimum.best.l2 }))
  } else {
    // A head with hidden layers, or with the focal loss, has no closed optimum: it trains on, while a cycle in three still
    // improves. (Numbers begin from ridge regression whatever their loss.)
    for (let idle = 0; idle < 3; ) {
      const before = best
      await within(() => learn.fit(1, { lr, cycleLen: 1, signal, callbacks: [record] }))
      idle = best === before ? idle + 1 : 0
    }
  }
  learn.network.net.loadStateDict(kept.state)
  keepBest(best)
  if (start) learn.network.net.loadStateDict(start.state)
  for (const snapshot of new Set([kept, start ?? kept])) dropSnapshot(snapshot)
  seen.dispose()
  checked.dispose()
  if (prepared.device !== 'cpu') net.head.to({ device: prepared.device })
  return { ...best, logistic: start !== undefined, epoch: learn.epoch, step: learn.step, lr }
}
