import { TrainingError } from '../../base/errors.ts'
import { aten, F, fromArray, scope, type Tensor } from '../../torch/index.ts'
import { turn } from '../stop.ts'
import { lbfgs, type Minimum } from './lbfgs.ts'
import { jointCurvature, ownCurvature, type Preconditioner } from './precondition.ts'

/** Features of labelled samples. x: float32 [N × F], y: [N]. */
export interface LabelledFeatures {
  x: Float32Array
  y: Int32Array
  /** [classes]: the weight of a sample of each class. Default: all equal. */
  weights?: readonly number[] | undefined
}
/** Features with several targets per sample. x: float32 [N × F], y: float32 [N × C]. */
export interface AnsweredFeatures {
  x: Float32Array
  y: Float32Array
  /** [C]: the weight of a sample that has the label, relative to one that does not. Default: equal. */
  weights?: readonly number[] | undefined
}
/** A linear layer for raw features: weight [C × F], bias [C]. */
export interface LinearModel {
  weight: Float32Array
  bias: Float32Array
}
/** A solution, and how it was reached. */
export interface LogisticModel extends LinearModel {
  iterations: number
  converged: boolean
}
/** When a search ends. If its signal is aborted, it throws `Stopped`. */
export interface PathOptions {
  iterations?: number
  /** The Newton decrement at which a search ends (see `lbfgs`). The loss is above its minimum by half of its square, and
   *  the weights are about tolerance / √l2 from the optimum at most. Default: 1e-6. Below 1e-4 the last steps are
   *  computed in float64, so that rounding does not decide where the search ends. */
  tolerance?: number
  /** Called with each solution as it is found. If it returns true, the weaker strengths are skipped. */
  enough?: ((model: LogisticModel, point: Float64Array) => boolean | Promise<boolean>) | undefined
  /** The point from which the search goes on: the one that `enough` got for the strength before. */
  from?: Float64Array | undefined
  signal?: AbortSignal | undefined
}

/** A search that ends at this decrement or a larger one is a quick one, in float32. An exact one goes on in float32 down to
 *  the second decrement, which is above what its rounding adds to gradients. */
const [quick, float32To] = [1e-4, 1e-5]

/** Multinomial logistic regression to its optimum: mean cross-entropy + l2/2 · ‖W‖², as scikit-learn's
 *  LogisticRegression with C = 1 / (N · l2); the biases have no penalty. Solved by preconditioned L-BFGS, for many values
 *  of `l2` from the strongest on; each search begins at the last solution. */
export async function logisticPath(
  { x, y, weights }: LabelledFeatures,
  classes: number,
  l2s: readonly number[],
  options: PathOptions = {},
): Promise<LogisticModel[]> {
  const n = y.length
  const total = weights ? y.reduce((sum, c) => sum + weights[c]!, 0) : n
  const ofClass = (like: Tensor) => fromArray(Float32Array.from(weights!), [classes]).to(like.dtype)
  return path(x, n, l2s, options, {
    target: (from, count) => fromArray(BigInt64Array.from(y.subarray(from, from + count), BigInt), [count]),
    loss(logits, target) {
      const how = { ...(weights && { weight: ofClass(logits) }), reduction: 'sum' } as const
      return F.crossEntropy(logits.unsqueeze(0), target.unsqueeze(0), how).div(total)
    },
    bends(logits, target) {
      const p = logits.softmax(0)
      const bent = p.mul(p.neg().add(1)).div(total)
      return weights ? bent.mul(aten.index_select(ofClass(logits), 0, target)) : bent
    },
    start: new Float64Array(classes),
  })
}

/** A logistic regression for each of several labels (one against the rest): the mean over samples of binary
 *  cross-entropy + l2/2 · ‖w‖² of each, summed; each label's is scikit-learn's LogisticRegression with C = 1 / (N ·
 *  l2). y: 0 to 1. A label that all samples or none have gets only a bias, at the odds of half a sample in N. */
export async function sigmoidPath(
  { x, y, weights }: AnsweredFeatures,
  classes: number,
  l2s: readonly number[],
  options: PathOptions = {},
): Promise<LogisticModel[]> {
  const n = rowsOf('sigmoidPath', y, classes)
  const means = columnMeans(y, classes)
  const shares = means.map(p => Math.min(1 - 0.5 / n, Math.max(0.5 / n, p)))
  const told = Float64Array.from(means, p => (p > 0 && p < 1 ? 1 / n : 0))
  const column = (values: ArrayLike<number>, like: Tensor) =>
    fromArray(Float64Array.from(values), [classes, 1]).to(like.dtype)
  return path(x, n, l2s, options, {
    target: (from, count) =>
      fromArray(y.subarray(from * classes, (from + count) * classes), [count, classes])
        .transpose(0, 1)
        .contiguous(),
    loss: (logits, target) =>
      F.bceWithLogits(logits, target.to(logits.dtype), {
        weight: column(told, logits),
        ...(weights ? { posWeight: column(weights, logits) } : {}),
        reduction: 'sum',
      }),
    bends(logits, target) {
      const p = logits.sigmoid()
      const bent = p.mul(p.neg().add(1)).mul(column(told, logits))
      return weights ? bent.mul(target.to(logits.dtype).mul(column(weights, logits).sub(1)).add(1)) : bent
    },
    start: shares.map(p => Math.log(p / (1 - p))),
  })
}

/** The number of samples in `y`. */
export function rowsOf(op: string, y: ArrayLike<number>, c: number): number {
  if (Number.isInteger(c) && c > 0 && y.length > 0 && y.length % c === 0) return y.length / c
  throw new TrainingError(`${op}: got ${y.length} targets for rows of ${c}; expected one row per sample`)
}

/** The mean of each column. values: [N × C]. */
export function columnMeans(values: Float32Array, c: number): Float64Array {
  const sums = new Float64Array(c)
  for (let i = 0; i < values.length; i++) sums[i % c]! += values[i]!
  return sums.map(s => (s * c) / values.length)
}

/** The loss that is minimised, beside the penalty. */
interface Loss {
  /** The targets of `count` samples from `from` on. */
  target(from: number, count: number): Tensor
  /** The share that the logits [C × n] of some samples have in the whole loss. */
  loss(logits: Tensor, target: Tensor): Tensor
  /** The second derivative of that by each logit: [C × n]. */
  bends(logits: Tensor, target: Tensor): Tensor
  /** The first biases. */
  start: Float64Array
}

/** The most bytes of logits, and the most features in float64 (8 MB), at a time. Between two blocks the signal is
 *  checked. */
const [blockBytes, blockFeatures] = [2 ** 28, 2 ** 20]

/** A part of a search. */
interface Stage {
  until: number
  dtype: 'float32' | 'float64'
  /** The preconditioner that it makes for the point where it begins. Default: that of the stage before. */
  curvature?: 'own' | 'joint'
}

/** The stages of a search that ends at this decrement. */
const stages = (tolerance: number): Stage[] =>
  tolerance >= quick
    ? [{ until: tolerance, dtype: 'float32', curvature: 'own' }]
    : [
        { until: 0.1, dtype: 'float32', curvature: 'joint' },
        { until: float32To, dtype: 'float32', curvature: 'joint' },
        { until: tolerance, dtype: 'float64' },
      ]

async function path(
  x: Float32Array,
  n: number,
  l2s: readonly number[],
  { iterations = 500, tolerance = 1e-6, enough, from, signal }: PathOptions,
  loss: Loss,
): Promise<LogisticModel[]> {
  const classes = loss.start.length
  const width = x.length / n
  const { rows, centre, variances } = scope(() => {
    const raw = fromArray(x, [n, width], { copy: false })
    const mean = raw.mean(0)
    const variances = aten.var(raw, [0], { unbiased: false }).data() as Float32Array
    return { rows: raw.sub(mean), centre: mean.data() as Float32Array, variances }
  })
  const between = () => turn(signal)
  const models: LogisticModel[] = []
  try {
    let point = new Float64Array(classes * (width + 1))
    point.set(from ?? loss.start, from ? 0 : classes * width)
    for (const l2 of l2s) {
      const problem = { rows, variances, n, classes, width, l2, loss, between }
      const found = await minimum(problem, point, { iterations, tolerance })
      point = Float64Array.from(found.x)
      const { iterations: taken, converged } = found
      models.push({ ...uncentred(point, { centre, classes, width }), iterations: taken, converged })
      if (await enough?.(models.at(-1)!, point)) break
    }
  } finally {
    rows.dispose()
  }
  return models
}

interface Problem {
  /** float32 [N × F], centred; and the variance of each feature. */
  rows: Tensor
  variances: Float32Array
  n: number
  classes: number
  width: number
  l2: number
  loss: Loss
  /** Awaited between two blocks. */
  between(): Promise<void>
}

/** Searches from `start` in stages. */
async function minimum(
  problem: Problem,
  start: Float64Array,
  { iterations, tolerance }: { iterations: number; tolerance: number },
): Promise<Pick<Minimum, 'x' | 'iterations' | 'converged'>> {
  const { between } = problem
  let found: Minimum = { x: start, value: 0, iterations: 0, converged: false, steps: [] }
  let precondition: Preconditioner | undefined
  let [taken, done] = [0, 0]
  const plan = stages(tolerance)
  try {
    for (const { until, dtype, curvature } of plan) {
      if (curvature && (taken > 0 || !precondition)) {
        precondition?.dispose()
        precondition = await preconditioner(problem, found.x, curvature)
      }
      const f = (p: Float64Array, g: Float64Array) => objective(p, g, problem, dtype)
      found = await lbfgs(f, found.x, {
        iterations: iterations - taken,
        tolerance: until,
        rounding: dtype === 'float32' ? 1e-6 : 1e-14,
        rescale: curvature === 'own' ? 1 : 4,
        known: found.steps,
        precondition: precondition!,
        between,
      })
      taken += found.iterations
      if (!found.converged) break
      done++
    }
  } finally {
    precondition?.dispose()
  }
  return { x: found.x, iterations: taken, converged: done === plan.length }
}

/** Calls `use` with blocks of rows [n × F] and their logits [C × n] at a point: weights [C × F], then biases [C]. */
async function eachBlock(
  p: Float64Array,
  { rows, n, classes, width, loss, between }: Problem,
  dtype: 'float32' | 'float64',
  use: (x: Tensor, logits: Tensor, target: Tensor) => void,
): Promise<void> {
  const most = Math.min(
    blockBytes / (dtype === 'float64' ? 8 : 4) / classes,
    dtype === 'float64' ? blockFeatures / width : n,
  )
  const per = Math.max(1, Math.min(n, Math.floor(most)))
  for (let from = 0; from < n; from += per) {
    if (from > 0) await between()
    scope(() => {
      const count = Math.min(per, n - from)
      const x = rows.narrow(0, from, count).to(dtype)
      const w = fromArray(p.subarray(0, classes * width), [classes, width]).to(dtype)
      const b = fromArray(p.subarray(classes * width), [classes, 1]).to(dtype)
      use(x, aten.addmm(b, w, x.transpose(0, 1)), loss.target(from, count))
    })
  }
}

/** A preconditioner for the point `p`. */
async function preconditioner(problem: Problem, p: Float64Array, kind: 'own' | 'joint'): Promise<Preconditioner> {
  const { rows, variances, n, classes, l2, loss } = problem
  const [ofRows, ofClasses] = [new Float64Array(n), new Float64Array(classes)]
  let from = 0
  await eachBlock(p, problem, 'float32', (_, logits, target) => {
    const bends = loss.bends(logits, target)
    ofRows.set(bends.mean(0).to('float64').data() as Float64Array, from)
    for (const [c, bend] of (bends.sum(1).data() as Float32Array).entries()) ofClasses[c]! += bend
    from += bends.shape[1]!
  })
  // A class whose samples are all told apart bends next to nothing.
  const bends = { ofRows, ofClasses: ofClasses.map(bend => Math.max(bend, 1e-10)) }
  return kind === 'joint' ? jointCurvature(rows, bends, l2) : ownCurvature(variances, bends, l2)
}

async function objective(
  p: Float64Array,
  gradient: Float64Array,
  problem: Problem,
  dtype: 'float32' | 'float64',
): Promise<number> {
  const { classes, width, l2, loss } = problem
  const weights = classes * width
  let value = 0
  gradient.fill(0)
  await eachBlock(p, problem, dtype, (x, product, target) => {
    const logits = product.detach()
    logits.requiresGrad = true
    const part = loss.loss(logits, target)
    part.backward()
    const slope = logits.grad!
    const gw = aten.mm(slope, x).data() as Float32Array | Float64Array
    const gb = slope.sum(1).data() as Float32Array | Float64Array
    for (let k = 0; k < weights; k++) gradient[k]! += gw[k]!
    for (let k = 0; k < classes; k++) gradient[weights + k]! += gb[k]!
    value += part.item()
  })
  let penalty = 0
  for (let i = 0; i < weights; i++) {
    penalty += p[i]! * p[i]!
    gradient[i]! += l2 * p[i]!
  }
  return value + (l2 / 2) * penalty
}

/** The layer for features that are not centred. */
function uncentred(
  p: Float64Array,
  { centre, classes, width }: { centre: Float32Array; classes: number; width: number },
): LinearModel {
  const weight = Float32Array.from(p.subarray(0, classes * width))
  const bias = Float32Array.from(p.subarray(classes * width), (b, c) => {
    for (let f = 0; f < width; f++) b -= p[c * width + f]! * centre[f]!
    return b
  })
  return { weight, bias }
}
