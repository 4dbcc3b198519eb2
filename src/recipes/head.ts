import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../base/files.ts'
import { percent, rate } from '../base/format.ts'
import { aten, fromArray, library, noGrad, scope } from '../torch/index.ts'
import type { EpochInfo } from '../train/callback.ts'
import { computeFeatures, featureSource } from '../train/features.ts'
import { lrFind } from '../train/finder.ts'
import { dropSnapshot, Learner } from '../train/learner.ts'
import { logisticPath } from '../train/logistic.ts'
import type { Network } from '../train/network.ts'
import { readMetadata, readWeights, writeSafetensors } from '../weights/index.ts'
import { isBetter } from './best.ts'
import { findingEvent, recorder } from './events.ts'
import type { Context, Prepared } from './prepare.ts'

/** What the frozen body makes of the pictures. */
interface Features {
  /** The plain view first, then the augmented ones: [views × N, F]. */
  train: Float32Array
  valid: Float32Array
  views: number
}

/** Memory that kept features may take, in bytes. */
const featureBytes = 1.5e9

/** Features of the frozen body: the training pictures plain and in `views` augmented forms, the validation pictures
 *  plain. Kept on the disk under everything that they depend on. */
async function frozenFeatures(prepared: Prepared, { session, options, progress, signal }: Context): Promise<Features> {
  const { net, source, precision, batchSize } = prepared
  const [train, valid] = [source('train'), source('valid')]
  const width = 2 * net.body.numFeatures
  const room = Math.floor(featureBytes / (4 * width * train.count)) - 1
  const views = Math.max(0, Math.min(options.views ?? 4, room))
  session.choice(
    'views',
    String(views),
    views < (options.views ?? 4)
      ? 'augmented forms of each picture, as many as memory allows'
      : options.views !== undefined
        ? 'as asked'
        : 'augmented forms of each picture; the frozen body sees each once',
  )
  const key = featureKey(prepared, views)
  const path = join(cacheFolder('features'), `${key}.safetensors`)
  if (existsSync(path)) {
    try {
      const stored = readWeights(path)
      const floats = (name: string) => new Float32Array(Uint8Array.from(stored.get(name)!.data).buffer)
      const found = { train: floats('train'), valid: floats('valid'), views }
      if (readMetadata(path).key === key && found.train.length === (views + 1) * train.count * width) {
        session.emit({ type: 'line', text: 'features: kept from an earlier run (same pictures, weights and views)' })
        return found
      }
    } catch {
      session.warn(`${path}: kept features can't be read and are computed again`)
    }
  }
  const total = (views + 1) * train.count + valid.count
  let before = 0
  const onBatch = (done: number) => progress('features', before + done, total)
  const frozen = { batchSize: Math.max(batchSize, 32), precision, signal, onBatch }
  const plain = await computeFeatures(net, train, frozen)
  before += train.count
  const all = new Float32Array((views + 1) * train.count * width)
  all.set(plain)
  if (views > 0) {
    all.set(await computeFeatures(net, source('train', { augmented: true }), { ...frozen, views }), plain.length)
    before += views * train.count
  }
  const features = { train: all, valid: await computeFeatures(net, valid, frozen), views }
  try {
    const bytes = (f: Float32Array) => new Uint8Array(f.buffer, f.byteOffset, f.byteLength)
    const stored = (f: Float32Array) => ({
      dtype: 'float32' as const,
      shape: [f.length / width, width],
      data: bytes(f),
    })
    writeSafetensors(
      path,
      new Map([
        ['train', stored(features.train)],
        ['valid', stored(features.valid)],
      ]),
      { key },
    )
  } catch {
    // A full disk costs the next run some seconds, nothing else.
  }
  return features
}

/** Changes with the pictures, their split, the body's weights, the views and how they are computed. */
function featureKey(
  { pictures, net, preprocessing, augment, precision, seed, modelName, batchSize, device }: Prepared,
  views: number,
): string {
  const hash = createHash('sha256').update(
    JSON.stringify({
      // Other threads, instructions or batches round otherwise, and a resumed run must see the same bits.
      engine: { ...library(), batchSize, device },
      modelName,
      fingerprint: pictures.data.fingerprint,
      preprocessing,
      augment,
      precision,
      seed,
      views,
    }),
  )
  scope(() => {
    for (const [name, t] of net.body.stateDict()) {
      const data = t.data()
      hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  })
  return hash.digest('hex').slice(0, 32)
}

/** How the frozen phase ended: the best head, by validation. */
export interface HeadResult {
  /** Whether the head is a logistic regression: regularised by its L2, not by dropout. */
  logistic: boolean
  accuracy: number
  loss: number
  epochs: EpochInfo[]
  /** The rate that it trained at, found or given. */
  lr: number
}

/** The strengths of L2 that the optimum is looked for at, as a share of the mean loss; scikit-learn's C = 1 / (N · l2). */
const penalties = [3, 1, 0.3, 0.1, 0.03, 0.01]

/** Steps 1 and 2: finds the rate and trains the head on kept features, in cycles of one epoch, then to its optimum: the
 *  last layer's logistic regression, over all views, with the L2 that validates best. The best head stays in the net. */
export async function trainHead(prepared: Prepared, context: Context): Promise<HeadResult> {
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
  let best = { accuracy: -1, loss: Number.POSITIVE_INFINITY }
  let kept = learn.snapshot()
  const epochs: EpochInfo[] = []
  let logistic = false
  const keepBest = (e: { accuracy: number; loss: number }) => {
    if (!isBetter(e, best)) return false
    best = { accuracy: e.accuracy, loss: e.loss }
    dropSnapshot(kept)
    kept = learn.snapshot()
    return true
  }
  const record = recorder(session, 'head', info => keepBest({ accuracy: info.accuracy, loss: info.validLoss }))
  epochs.push(...(await learn.fit(cycles, { lr, cycleLen: 1, signal, callbacks: [record] })))

  if ((options.hidden ?? []).length === 0) {
    const y = new Int32Array((features.views + 1) * train.length)
    for (let v = 0; v <= features.views; v++) y.set(train, v * train.length)
    const began = performance.now()
    const models = await logisticPath({ x: features.train, y }, classes.length, penalties, { signal })
    const tried: { l2: number; accuracy: number; loss: number; kept: boolean }[] = []
    for (const [i, model] of models.entries()) {
      setLinear(net, features.train, model, classes.length)
      const { accuracy, loss } = await learn.validate(checked)
      tried.push({ l2: penalties[i]!, accuracy, loss, kept: keepBest({ accuracy, loss }) })
    }
    const last = tried.findLast(t => t.kept)
    logistic = last !== undefined
    if (last) {
      // The optimum counts as one more epoch: it is what the next phase begins from.
      learn.network.net.loadStateDict(kept.state)
      const plain = featureSource(features.train.subarray(0, train.length * 2 * net.body.numFeatures), train)
      const { loss: trainLoss } = await learn.validate(plain)
      plain.dispose()
      learn.epoch++
      const seconds = (performance.now() - began) / 1000
      const { accuracy, loss: validLoss } = last
      const epoch: EpochInfo = {
        step: learn.step,
        epoch: learn.epoch,
        trainLoss,
        validLoss,
        accuracy,
        seconds,
        lrs: [0],
      }
      epochs.push(epoch)
      session.emit({ type: 'epoch', phase: 'head', ...epoch, metrics: { accuracy }, best: true })
    }
    session.choice(
      'head',
      last ? `logistic regression, L2 ${last.l2}` : 'as trained in cycles',
      last
        ? `the optimum of the last layer over all views; of L2 ${penalties.join(', ')} it validates best (${percent(last.accuracy)}, loss ${last.loss.toFixed(3)})`
        : `no logistic regression on the same features validates better than ${percent(best.accuracy)}`,
    )
  } else {
    // A head with hidden layers has no closed optimum: it trains on, while a cycle in three still improves.
    for (let idle = 0; idle < 3; ) {
      const before = best
      epochs.push(...(await learn.fit(1, { lr, cycleLen: 1, signal, callbacks: [record] })))
      idle = best === before ? idle + 1 : 0
    }
  }
  learn.network.net.loadStateDict(kept.state)
  dropSnapshot(kept)
  seen.dispose()
  checked.dispose()
  if (prepared.device !== 'cpu') net.head.to({ device: prepared.device })
  return { ...best, logistic, epochs, lr }
}

/** Puts a linear model of raw features into the head: BatchNorm standardises by the features' own statistics, the linear
 *  layer takes them back. */
function setLinear(
  net: Network,
  features: Float32Array,
  { weight, bias }: { weight: Float32Array; bias: Float32Array },
  classes: number,
): void {
  const width = 2 * net.body.numFeatures
  const [bn, , linear] = Object.values(net.head.children)
  noGrad(() =>
    scope(() => {
      const x = fromArray(features, [features.length / width, width], { copy: false })
      const mean = x.mean(0)
      const variance = aten.clamp_min(aten.var(x, [0]), 1e-8)
      const { running_mean, running_var } = bn!.own.buffers
      running_mean!.copy_(mean)
      running_var!.copy_(variance)
      bn!.own.parameters.weight!.fill_(1)
      bn!.own.parameters.bias!.zero_()
      const w = fromArray(weight, [classes, width])
      linear!.own.parameters.weight!.copy_(w.mul(variance.add(1e-5).sqrt()))
      linear!.own.parameters.bias!.copy_(fromArray(bias, [classes]).add(aten.mv(w, mean)))
    }),
  )
}
