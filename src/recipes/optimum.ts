import { percent } from '../base/format.ts'
import { aten, fromArray, noGrad, scope } from '../torch/index.ts'
import type { EpochInfo } from '../train/callback.ts'
import { featureSource } from '../train/features.ts'
import { dropSnapshot, type Learner, type Snapshot } from '../train/learner.ts'
import { logisticPath } from '../train/logistic.ts'
import type { Network } from '../train/network.ts'
import { isBetter, type Validated } from './best.ts'
import type { Features } from './features.ts'
import type { Session } from './session.ts'

/** The strengths of L2 that the optimum is looked for at, as a share of the mean loss; scikit-learn's C = 1 / (N · l2). */
const penalties = [3, 1, 0.3, 0.1, 0.03, 0.01]

/** The optimum of the last layer, for the net and for what follows. */
export interface Optimum {
  best: Snapshot & Validated & { l2: number }
  /** The head that training of the whole net begins from. */
  start: Snapshot & Validated & { l2: number }
  /** How the best one did, as an epoch of its own. */
  epoch: EpochInfo
}

/** Logistic regression over all views at several strengths of L2; `best` validates best. `start` is the strongest within
 *  one standard error of it (Breiman et al. 1984): a head that knows the training pictures by heart has no gradient left
 *  to teach the body with. */
export async function headOptimum(
  learn: Learner,
  net: Network,
  { features, labels, signal }: { features: Features; labels: Int32Array; signal?: AbortSignal | undefined },
): Promise<Optimum> {
  const classes = learn.options.classes.length
  const views = features.views + 1
  const y = new Int32Array(views * labels.length)
  for (let v = 0; v < views; v++) y.set(labels, v * labels.length)
  const began = performance.now()
  const models = await logisticPath({ x: features.train, y }, classes, penalties, { signal })
  const tried: (Snapshot & Validated & { l2: number })[] = []
  for (const [i, model] of models.entries()) {
    setLinear(net, features.train, model, classes)
    const { accuracy, loss } = await learn.validate()
    tried.push({ l2: penalties[i]!, accuracy, loss, ...learn.snapshot() })
  }
  const best = tried.reduce((a, b) => (isBetter(b, a) ? b : a))
  const error = Math.sqrt((best.accuracy * (1 - best.accuracy)) / learn.valid!.count)
  const start = tried.find(t => t.accuracy >= best.accuracy - error)!
  for (const t of tried) if (t !== best && t !== start) dropSnapshot(t)

  learn.network.net.loadStateDict(best.state)
  const plain = featureSource(features.train.subarray(0, features.train.length / views), labels)
  const { loss: trainLoss } = await learn.validate(plain)
  plain.dispose()
  learn.epoch++
  const epoch: EpochInfo = {
    step: learn.step,
    epoch: learn.epoch,
    trainLoss,
    validLoss: best.loss,
    accuracy: best.accuracy,
    seconds: (performance.now() - began) / 1000,
    lrs: [0],
  }
  return { best, start, epoch }
}

/** Says which head was taken, and which the whole net begins from. */
export function explainOptimum(session: Session, { best, start }: Optimum): void {
  session.choice(
    'head',
    `logistic regression, L2 ${best.l2}`,
    `the optimum of the last layer over all views; of L2 ${penalties.join(', ')} it validates best (${percent(best.accuracy)}, loss ${best.loss.toFixed(3)})`,
  )
  if (start !== best)
    session.choice(
      'start',
      `logistic regression, L2 ${start.l2}`,
      `the strongest within one standard error of the best (${percent(start.accuracy)}): a head that knows the training pictures by heart would teach the body nothing`,
    )
}

/** Puts a linear model of raw features into the head: BatchNorm standardises by the features' own statistics, the linear
 *  layer takes them back. */
function setLinear(
  net: Network,
  features: Float32Array,
  { weight, bias }: { weight: Float32Array; bias: Float32Array },
  classes: number,
): void {
  const width = net.body.pooledFeatures
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
