import { rate } from '../base/format.ts'
import type { EpochInfo } from '../train/callback.ts'
import { featureSource } from '../train/features.ts'
import { lrFind } from '../train/finder.ts'
import { dropSnapshot, Learner, type Snapshot } from '../train/learner.ts'
import { isBetter, type Validated } from './best.ts'
import { findingEvent, recorder } from './events.ts'
import { frozenFeatures } from './features.ts'
import { explainOptimum, headOptimum } from './optimum.ts'
import type { Context, Prepared } from './prepare.ts'

/** How the frozen phase ended: the best head, by validation. */
export interface HeadResult extends Validated {
  /** Whether the whole net begins from a logistic regression: regularised by its L2, not by dropout. */
  logistic: boolean
  epochs: EpochInfo[]
  /** The rate that it trained at, found or given. */
  lr: number
}

/** Steps 1 and 2: finds the rate and trains the head on kept features, in cycles of one epoch, then to its optimum: the
 *  last layer's logistic regression, over all views. `keepBest` is called with the best head in the net; the one that
 *  the whole net begins from stays in it. */
export async function trainHead(
  prepared: Prepared,
  context: Context,
  keepBest: (best: Validated) => void,
): Promise<HeadResult> {
  const { session, options, signal } = context
  const { net, classes, seed, source, batchSize } = prepared
  session.emit({ type: 'phase', phase: 'features' })
  const features = await frozenFeatures(prepared, context)
  const [train, valid] = [source('train').labels, source('valid').labels]
  const seen = featureSource(features.train, train, { views: features.views + 1 })
  const checked = featureSource(features.valid, valid)

  // Features are few numbers: the head trains beside them, and goes back to its body's device at the end.
  if (prepared.device !== 'cpu') net.head.to({ device: 'cpu' })
  const learn = new Learner(
    { net: net.head, groups: [{ name: 'head', modules: [net.head] }] },
    {
      train: seen,
      valid: checked,
      classes,
      batchSize,
      evalBatchSize: 1024,
      seed,
      labelSmoothing: options.labelSmoothing ?? 0,
      ...(options.optimizer ? { optimizer: options.optimizer } : {}),
      ...(options.weightDecay === undefined ? {} : { weightDecay: options.weightDecay }),
    },
  )
  learn.seed()
  let lr = options.headLr
  session.emit({ type: 'phase', phase: 'find' })
  if (lr === undefined) {
    const found = await lrFind(learn, { signal })
    session.emit(findingEvent('head', found))
    lr = found.suggestion
    session.choice('head rate', rate(lr), found.chosen.reason)
  } else session.choice('head rate', rate(lr), 'as asked')

  const cycles = options.headCycles ?? 3
  session.emit({
    type: 'phase',
    phase: 'head',
    epochs: cycles,
    groups: ['head'],
    steps: cycles * Math.ceil(seen.count / batchSize),
  })
  let best: Validated = { accuracy: -1, loss: Number.POSITIVE_INFINITY }
  let kept = learn.snapshot()
  const epochs: EpochInfo[] = []
  let start: Snapshot | undefined
  const take = (e: Validated) => {
    if (!isBetter(e, best)) return false
    best = { accuracy: e.accuracy, loss: e.loss }
    dropSnapshot(kept)
    kept = learn.snapshot()
    return true
  }
  const record = recorder(session, 'head', info => take({ accuracy: info.accuracy, loss: info.validLoss }))
  epochs.push(...(await learn.fit(cycles, { lr, cycleLen: 1, signal, callbacks: [record] })))

  if ((options.hidden ?? []).length === 0) {
    const optimum = await headOptimum(learn, net, { features, labels: train, signal })
    epochs.push(optimum.epoch)
    const { epoch } = optimum
    const improved = isBetter(optimum.best, best)
    session.emit({ type: 'epoch', phase: 'head', ...epoch, metrics: { accuracy: epoch.accuracy }, best: improved })
    explainOptimum(session, optimum)
    if (improved) {
      best = { accuracy: optimum.best.accuracy, loss: optimum.best.loss }
      dropSnapshot(kept)
      kept = optimum.best
    }
    start = optimum.start
  } else {
    // A head with hidden layers has no closed optimum: it trains on, while a cycle in three still improves.
    for (let idle = 0; idle < 3; ) {
      const before = best
      epochs.push(...(await learn.fit(1, { lr, cycleLen: 1, signal, callbacks: [record] })))
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
  return { ...best, logistic: start !== undefined, epochs, lr }
}
