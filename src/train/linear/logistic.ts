import { TrainingError } from '../../base/errors.ts'
import { aten, F, fromArray, scope, type Tensor } from '../../torch/index.ts'
import { turn } from '../stop.ts'
import { lbfgs } from './lbfgs.ts'

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
  tolerance?: number
  /** Called with each solution as it is found. If it returns true, the weaker strengths are skipped. */
  enough?: ((model: LogisticModel, point: Float64Array) => boolean | Promise<boolean>) | undefined
  /** The point from which the search goes on: the one that `enough` got for the strength before. */
  from?: Float64Array | undefined
  signal?: AbortSignal | undefined
}

/** Multinomial logistic regression to its optimum: mean cross-entropy + l2/2 · ‖W‖², as scikit-learn's
 *  LogisticRegression with C = 1 / (N · l2); the biases have no penalty. Solved by L-BFGS over standardised features
 *  (the penalty is on the weights for the raw features), for many values of `l2` from the strongest on; each search
 *  begins at the last solution. */
export async function logisticPath(
  { x, y, weights }: LabelledFeatures,
  classes: number,
  l2s: readonly number[],
  options: PathOptions = {},
): Promise<LogisticModel[]> {
  const n = y.length
  const total = weights ? y.reduce((sum, c) => sum + weights[c]!, 0) : n
  return path(x, n, l2s, options, {
    target: (from, count) => fromArray(BigInt64Array.from(y.subarray(from, from + count), BigInt), [1, count, 1]),
    loss: (logits, target, all) => {
      const weight = weights ? { weight: fromArray(Float32Array.from(weights), [classes]) } : {}
      if (all) return F.crossEntropy(logits, target, weight)
      return F.crossEntropy(logits, target, { ...weight, reduction: 'sum' }).div(total)
    },
    start: new Float64Array(classes),
    bend: new Float64Array(classes).fill((classes - 1) / classes ** 2), // p(1 − p) where p = 1/classes
  })
}

/** A logistic regression for each of several labels (one against the rest): the mean over samples of binary
 *  cross-entropy + l2/2 · ‖w‖² of each, summed; each label's is scikit-learn's LogisticRegression with C = 1 / (N ·
 *  l2). y: 0 to 1. A label that all samples or none have gets only a bias, at the odds of half a sample in N. */
export async function sigmoidPath(
  { x, y, weights }: AnsweredFeatures,
  classes: number,
  l2s: readonly number[],
  { tolerance = 1e-7, ...options }: PathOptions = {},
): Promise<LogisticModel[]> {
  const n = rowsOf('sigmoidPath', y, classes)
  const means = columnMeans(y, classes)
  const shares = means.map(p => Math.min(1 - 0.5 / n, Math.max(0.5 / n, p)))
  const told = Float32Array.from(means, p => (p > 0 && p < 1 ? 1 / n : 0))
  return path(
    x,
    n,
    l2s,
    { tolerance, ...options },
    {
      target: (from, count) => answers(y.subarray(from * classes, (from + count) * classes), count, classes),
      loss: (logits, target) =>
        F.bceWithLogits(logits, target, {
          weight: fromArray(told, [1, classes, 1, 1]),
          ...(weights ? { posWeight: fromArray(Float32Array.from(weights), [1, classes, 1, 1]) } : {}),
          reduction: 'sum',
        }),
      start: shares.map(p => Math.log(p / (1 - p))),
      bend: shares.map(p => p * (1 - p)),
    },
  )
}

/** Targets [N × C] in the layout of the convolution's output: [1, C, N, 1]. */
const answers = (y: Float32Array, n: number, c: number): Tensor =>
  fromArray(y, [n, c]).transpose(0, 1).reshape(1, c, n, 1).contiguous()

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
  /** The loss of logits [1, C, N, 1] of `all` samples, or of some: then their share of the whole loss. */
  loss(logits: Tensor, target: Tensor, all: boolean): Tensor
  /** The first biases, and the second derivative of the loss by each. */
  start: Float64Array
  bend: Float64Array
}

/** The most logits at a time: 256 MB. More are computed in blocks; between two blocks the signal is checked. */
const blockNumbers = 2 ** 26

async function path(
  x: Float32Array,
  n: number,
  l2s: readonly number[],
  { iterations = 150, tolerance = 1e-6, enough, from, signal }: PathOptions,
  { target: makeTarget, loss, start: biases, bend }: Loss,
): Promise<LogisticModel[]> {
  const classes = biases.length
  const width = x.length / n
  const per = Math.max(1, Math.min(n, Math.floor(blockNumbers / classes)))
  const { blocks, spread, centre } = scope(() => {
    const raw = fromArray(x, [n, width], { copy: false })
    const mean = raw.mean(0)
    const deviation = aten.clamp_min(aten.std(raw, [0]), 1e-4)
    // One picture of N pixels with F channels: a 1×1 convolution is the same product, and fast in every libtorch.
    const standard = aten.div_(raw.sub(mean), deviation) // in place: there may be many features
    const blocks = Array.from({ length: Math.ceil(n / per) }, (_, i) => {
      const [from, count] = [i * per, Math.min(per, n - i * per)]
      const rows = count === n ? standard : standard.narrow(0, from, count)
      return {
        standard: rows.transpose(0, 1).reshape(1, width, count, 1).contiguous(),
        target: makeTarget(from, count),
      }
    })
    const [spread, centre] = [deviation.data() as Float32Array, mean.data() as Float32Array]
    return { blocks, spread, centre }
  })
  const between = async () => {
    await turn(signal)
  }
  const models: LogisticModel[] = []
  try {
    let point = new Float64Array(classes * (width + 1))
    if (from) point.set(from)
    else point.set(biases, classes * width)
    for (const l2 of l2s) {
      const problem = { blocks, loss, spread, l2, classes, width, between }
      const unit = units(problem, bend)
      const solve = async (u: Float64Array, g: Float64Array) => {
        const value = await objective(times(u, unit), g, problem)
        for (let i = 0; i < g.length; i++) g[i]! *= unit[i]!
        return value
      }
      const start = times(
        point,
        unit.map(v => 1 / v),
      )
      const { x: u, converged, iterations: taken } = await lbfgs(solve, start, { iterations, tolerance, between })
      point = times(u, unit)
      const model = { ...unstandardise(point, { spread, centre, classes, width }), iterations: taken, converged }
      models.push(model)
      if (await enough?.(model, point)) break
    }
  } finally {
    for (const block of blocks) {
      block.standard.dispose()
      block.target.dispose()
    }
  }
  return models
}

interface Problem {
  /** The samples in blocks with at most `blockNumbers` logits each. */
  blocks: readonly { standard: Tensor; target: Tensor }[]
  /** Awaited between two blocks. */
  between(): Promise<void>
  loss: Loss['loss']
  spread: Float32Array
  l2: number
  classes: number
  width: number
}
function times(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  const out = new Float64Array(a.length)
  for (let i = 0; i < out.length; i++) out[i] = a[i]! * b[i]!
  return out
}

/** The scale of each parameter in which the objective has curvature of about 1, so that L-BFGS converges fast:
 *  1/√(bend + l2/σ²) for a weight. */
function units({ spread, l2, classes, width }: Problem, bend: Float64Array): Float64Array {
  const out = new Float64Array(classes * (width + 1))
  for (let c = 0, i = 0; c < classes; c++)
    for (let f = 0; f < width; f++, i++) out[i] = 1 / Math.sqrt(bend[c]! + l2 / spread[f]! ** 2)
  for (let c = 0; c < classes; c++) out[classes * width + c] = 1 / Math.sqrt(bend[c]!)
  return out
}

/** The parameters are W·σ (row by row), then the biases. */
async function objective(
  p: Float64Array,
  gradient: Float64Array,
  { blocks, between, loss: lossOf, spread, l2, classes, width }: Problem,
): Promise<number> {
  const all = blocks.length === 1
  let value = 0
  for (const [i, { standard, target }] of blocks.entries()) {
    if (i > 0) await between()
    scope(() => {
      const w = fromArray(new Float32Array(p.subarray(0, classes * width)), [classes, width, 1, 1])
      const b = fromArray(new Float32Array(p.subarray(classes * width)), [classes])
      w.requiresGrad = true
      b.requiresGrad = true
      const loss = lossOf(aten.conv2d(standard, w, { bias: b }), target, all)
      loss.backward()
      const [gw, gb] = [w.grad!.data() as Float32Array, b.grad!.data() as Float32Array]
      if (i === 0) {
        gradient.set(gw)
        gradient.set(gb, classes * width)
      } else {
        for (let k = 0; k < gw.length; k++) gradient[k]! += gw[k]!
        for (let k = 0; k < gb.length; k++) gradient[classes * width + k]! += gb[k]!
      }
      value += loss.item()
    })
  }
  let penalty = 0
  for (let c = 0, i = 0; c < classes; c++)
    for (let f = 0; f < width; f++, i++) {
      const inverse = 1 / (spread[f]! * spread[f]!)
      penalty += p[i]! * p[i]! * inverse
      gradient[i] = gradient[i]! + l2 * p[i]! * inverse
    }
  return value + (l2 / 2) * penalty
}

function unstandardise(
  p: Float64Array,
  { spread, centre, classes, width }: { spread: Float32Array; centre: Float32Array; classes: number; width: number },
): LinearModel {
  const weight = new Float32Array(classes * width)
  const bias = new Float32Array(classes)
  for (let c = 0; c < classes; c++) {
    let shift = 0
    for (let f = 0; f < width; f++) {
      const w = p[c * width + f]! / spread[f]!
      weight[c * width + f] = w
      shift += w * centre[f]!
    }
    bias[c] = p[classes * width + c]! - shift
  }
  return { weight, bias }
}
