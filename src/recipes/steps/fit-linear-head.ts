import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import { weightedOrder } from '../../train/balance.ts'
import type { EpochInfo } from '../../train/callback.ts'
import { featureSource } from '../../train/features.ts'
import type { Learner, Snapshot } from '../../train/learner.ts'
import { type LinearModel, logisticPath, sigmoidPath } from '../../train/linear/logistic.ts'
import { ridgePath } from '../../train/linear/ridge.ts'
import type { Network } from '../../train/network.ts'
import { type Objective, said, type Targets } from '../../train/objective.ts'
import { pooled } from '../../train/pooled.ts'
import type { LabelledSource } from '../../train/source.ts'
import type { Session } from '../run/session.ts'
import { asGood, isBetter, type Validated, validated } from './best-weights.ts'
import type { ChosenL2 } from './choose-l2.ts'
import type { Features } from './frozen-features.ts'
import type { TriedSnapshot } from './head-state.ts'

/** The strengths of L2 to try, from the strongest until less of it only makes the result worse. They weigh L2 against
 *  the mean loss; scikit-learn's C = 1 / (N · l2). */
export const penalties = [3, 1, 0.3, 0.1, 0.03, 0.01]

/** The optimum of the last layer. */
export interface Optimum {
  best: Snapshot & Validated & { l2: number }
  /** The head that training of the whole net begins from. */
  start: Snapshot & Validated & { l2: number }
  /** The strengths of L2 that were tried, from the strongest. */
  tried: readonly number[]
  /** The results of the best one, written as an epoch. */
  epoch: EpochInfo
}

/** The data of the search for the optimum, and where it goes on. */
export interface OptimumOptions {
  features: Features
  answers: Pick<LabelledSource, 'targets' | 'count'>
  /** The results of an earlier process, and the point where it stopped. */
  known?: { tried: readonly TriedSnapshot[]; searched: boolean; point?: Float64Array | undefined }
  /** The strength that cross-validation chose. Default: the validation samples choose. */
  chosen?: ChosenL2 | undefined
  /** The most search steps at each strength. Default: no limit. */
  iterations?: number | undefined
  /** Called after each strength, with the results of all so far. */
  onTried?: (tried: readonly TriedSnapshot[], at: { point: Float64Array | undefined; searched: boolean }) => void
  signal?: AbortSignal | undefined
}

/** Logistic regression over all views, at the strength of L2 that cross-validation chose. Without such a choice at
 *  several strengths: `best` validates best, and `start` has the strongest L2 within one standard error of the best
 *  (Breiman et al. 1984), since an overfitted head gives the body no useful gradient. */
export async function headOptimum(
  learn: Learner,
  net: Network,
  {
    features,
    answers,
    known = { tried: [], searched: false },
    chosen,
    onTried = () => {},
    iterations,
    signal,
  }: OptimumOptions,
): Promise<Optimum> {
  const classes = learn.options.classes.length
  const views = features.views + 1
  const began = performance.now()
  const { objective, classWeights: weights } = learn.options
  const l2s = chosen ? [chosen.l2] : penalties
  const tried = known.tried.filter(({ l2 }) => l2s.includes(l2))
  const enough = async (model: LinearModel, point?: Float64Array) => {
    setLinear(net, features.train, model, classes)
    const evaluation = await learn.validate()
    tried.push({
      l2: l2s[tried.length]!,
      ...validated(evaluation),
      losses: pooled(evaluation, learn.valid ?? {}, objective).losses,
      ...learn.snapshot(),
    })
    const searched = tried.length === l2s.length || (!chosen && overfits(tried))
    onTried(tried, { point, searched })
    return searched
  }
  if (!known.searched) {
    const rows = { ...rowsSeen(features, answers, learn.options), weights }
    const from = tried.length > 0 ? known.point : undefined
    await optima(objective, rows, l2s, { enough, done: tried.length, from, iterations, signal })
  }
  const best = chosen ? tried[0]! : tried.reduce((a, b) => (isBetter(b, a) ? b : a))
  const start = chosen ? best : tried.find(withinOneError(objective, best))!

  learn.network.net.loadStateDict(best.state)
  const plain = featureSource(features.train.subarray(0, features.train.length / views), answers)
  const { loss: trainLoss } = await learn.validate(plain)
  plain.dispose()
  learn.epoch++
  const epoch: EpochInfo = {
    step: learn.step,
    epoch: learn.epoch,
    trainLoss,
    validLoss: best.loss,
    accuracy: best.metrics.accuracy ?? Number.NaN,
    score: best.score,
    metrics: best.metrics,
    seconds: (performance.now() - began) / 1000,
    lrs: [0],
  }
  return { best, start, tried: tried.map(({ l2 }) => l2), epoch }
}

/** Whether less L2 only makes it worse: the loss rose by more than 1 %, and the score is no better than with more of
 *  it. */
function overfits(tried: readonly Validated[]): boolean {
  const [before, last] = tried.slice(-2)
  return last !== undefined && last.loss > 1.01 * before!.loss && tried.some(t => t !== last && asGood(t, last))
}

/** Whether a head is within one standard error of the best one: by accuracy; for multi-label and regression by mean
 *  loss. */
function withinOneError({ task }: Objective, best: Validated & { losses: Float32Array }): (t: Validated) => boolean {
  const n = best.losses.length
  if (task === 'single') {
    const error = Math.sqrt((best.score * (1 - best.score)) / n)
    return t => t.score >= best.score - error
  }
  const variance = best.losses.reduce((sum, loss) => sum + (loss - best.loss) ** 2, 0) / Math.max(1, n - 1)
  return t => t === best || t.loss <= best.loss + Math.sqrt(variance / n)
}

/** The features of all views with the targets of the samples. With sample weights each view holds a sample as often as
 *  an epoch shows it. */
function rowsSeen(
  { train, views }: Pick<Features, 'train' | 'views'>,
  { targets, count }: Pick<LabelledSource, 'targets' | 'count'>,
  { sampleWeights, seed = 42 }: Partial<Pick<Learner['options'], 'sampleWeights' | 'seed'>> = {},
): { x: Float32Array; y: Targets } {
  const [width, per] = [train.length / (views + 1) / count, targets.length / count]
  const y = new (targets.constructor as new (length: number) => Targets)((views + 1) * count * per)
  if (!sampleWeights) {
    for (let v = 0; v <= views; v++) y.set(targets, v * targets.length)
    return { x: train, y }
  }
  const x = new Float32Array(train.length)
  for (let v = 0, row = 0; v <= views; v++)
    for (const sample of weightedOrder(sampleWeights, seed, v)) {
      const from = (v * count + sample) * width
      x.set(train.subarray(from, from + width), row * width)
      y.set(targets.subarray(sample * per, (sample + 1) * per), row++ * per)
    }
  return { x, y }
}

/** Finds the optimum of one linear layer by the loss of the task at each strength of L2 after those that are `done`,
 *  and passes it to `enough`, until that returns true. x: [N × F]; y: [N], or [N × C]. */
async function optima(
  { task, names, scale }: Objective,
  { x, y, weights }: { x: Float32Array; y: Targets; weights: readonly number[] | undefined },
  l2s: readonly number[],
  {
    enough,
    done,
    from,
    iterations,
    signal,
  }: {
    enough: (model: LinearModel, point?: Float64Array) => Promise<boolean>
    done: number
    from: Float64Array | undefined
    iterations: number | undefined
    signal: AbortSignal | undefined
  },
): Promise<void> {
  const rest = l2s.slice(done)
  const limit = iterations === undefined ? {} : { iterations }
  if (y instanceof Int32Array) {
    await logisticPath({ x, y, weights }, names.length, rest, { enough, from, signal, ...limit })
  } else if (task === 'multi') {
    const known = { x, y: y as Float32Array, weights }
    await sigmoidPath(known, names.length, rest, { enough, from, signal, ...limit })
  } else {
    const { mean, std } = scale!
    const width = names.length
    const scaled = Float32Array.from(y, (value, i) => (value - mean[i % width]!) / std[i % width]!)
    for (const model of await ridgePath({ x, y: scaled }, width, rest, { signal })) if (await enough(model)) break
  }
}

/** Fits the last layer to its optimum at one strength of L2, and puts it into the net. */
export async function refitHead(
  net: Network,
  objective: Objective,
  features: Pick<Features, 'train' | 'views'>,
  answers: Pick<LabelledSource, 'targets' | 'count'>,
  { l2, weights, signal }: { l2: number; weights: readonly number[] | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const rows = { ...rowsSeen(features, answers), weights }
  const enough = async (model: LinearModel) => {
    setLinear(net, features.train, model, objective.names.length)
    return true
  }
  await optima(objective, rows, [l2], { enough, done: 0, from: undefined, iterations: undefined, signal })
}

/** Writes into the log which head was taken, and which head the whole net begins from. */
export function explainOptimum(
  session: Session,
  { task, metric }: Objective,
  { best, start, tried }: Optimum,
  chosen: ChosenL2 | undefined,
  many: string,
): void {
  const kind = {
    single: 'logistic regression',
    multi: 'logistic regression per label',
    regression: 'ridge regression',
  }[task]
  const validates = `${said(metric, best.score)}, loss ${best.loss.toFixed(3)}`
  session.choice(
    'head',
    `${kind}, L2 ${best.l2}`,
    chosen
      ? `the optimum of the last layer over all views; L2 by ${chosen.folds}-fold cross-validation over the training ${many} (loss ${penalties.map((l2, i) => `${chosen.losses[i]!.toFixed(3)} at ${l2}`).join(', ')}); on validation: ${validates}`
      : `the optimum of the last layer over all views; best on validation among L2 ${tried.join(', ')}: ${validates}`,
  )
  if (start !== best)
    session.choice(
      'start',
      `${kind}, L2 ${start.l2}`,
      `the whole net starts from the strongest L2 within one standard error of the best (${said(metric, start.score)}): an overfitted head gives the body no useful gradient`,
    )
}

/** Puts a linear model of raw features into the head: BatchNorm standardises by the features' own statistics, the
 *  linear layer takes them back. */
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
