import { aten, F, fromArray, scope, type Tensor } from '../torch/index.ts'
import { lbfgs } from './lbfgs.ts'
import { turn } from './turn.ts'

/** Features of labelled samples. x: float32 [N × F], y: [N]. */
export interface LabelledFeatures {
  x: Float32Array
  y: Int32Array
}
/** A solution, and how it was reached. */
export interface LogisticModel {
  /** [classes × F] and [classes], for features as given. */
  weight: Float32Array
  bias: Float32Array
  iterations: number
  converged: boolean
}

/** Multinomial logistic regression to its optimum: mean cross-entropy + l2/2 · ‖W‖², as scikit-learn's
 *  LogisticRegression with C = 1 / (N · l2); the biases are free. Solved by L-BFGS over standardised features (the
 *  penalty stays on the weights for the features as given), many values of `l2` from the strongest on, each from the last.
 *  Aborted, it throws `Stopped`. */
export async function logisticPath(
  { x, y }: LabelledFeatures,
  classes: number,
  l2s: readonly number[],
  {
    iterations = 150,
    tolerance = 1e-6,
    signal,
  }: { iterations?: number; tolerance?: number; signal?: AbortSignal | undefined } = {},
): Promise<LogisticModel[]> {
  const n = y.length
  const width = x.length / n
  const { standard, target, spread, centre } = scope(() => {
    const raw = fromArray(x, [n, width], { copy: false })
    const mean = raw.mean(0)
    const deviation = aten.clamp_min(aten.std(raw, [0]), 1e-4)
    // As one picture of N pixels with F channels: a 1×1 convolution is the same product, and fast in every libtorch.
    const standard = raw.sub(mean).div(deviation).transpose(0, 1).reshape(1, width, n, 1).contiguous()
    const target = fromArray(BigInt64Array.from(y, BigInt), [1, n, 1])
    const [spread, centre] = [deviation.data() as Float32Array, mean.data() as Float32Array]
    return { standard, target, spread, centre }
  })
  const between = async () => {
    await turn(signal)
  }
  const models: LogisticModel[] = []
  try {
    let point: Float64Array = new Float64Array(classes * (width + 1))
    for (const l2 of l2s) {
      const problem = { standard, target, spread, l2, classes, width }
      const unit = units(problem)
      const solve = (u: Float64Array, g: Float64Array) => {
        const value = scope(() => objective(times(u, unit), g, problem))
        for (let i = 0; i < g.length; i++) g[i]! *= unit[i]!
        return value
      }
      const start = point.map((v, i) => v / unit[i]!)
      const { x: u, converged, iterations: taken } = await lbfgs(solve, start, { iterations, tolerance, between })
      point = times(u, unit)
      models.push({ ...unstandardise(point, { spread, centre, classes, width }), iterations: taken, converged })
    }
  } finally {
    standard.dispose()
    target.dispose()
  }
  return models
}

interface Problem {
  standard: Tensor
  target: Tensor
  spread: Float32Array
  l2: number
  classes: number
  width: number
}
const times = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, i) => v * b[i]!)

/** The length of a step in each parameter that bends the objective by about 1, so that L-BFGS sees a round valley:
 *  1/√(p(1 − p) + l2/σ²) for a weight, where p = 1/classes. */
function units({ spread, l2, classes, width }: Problem): Float64Array {
  const bend = (classes - 1) / classes ** 2
  return Float64Array.from({ length: classes * (width + 1) }, (_, i) =>
    i < classes * width ? 1 / Math.sqrt(bend + l2 / spread[i % width]! ** 2) : 1 / Math.sqrt(bend),
  )
}

/** The parameters are W·σ (row by row), then the biases. */
function objective(
  p: Float64Array,
  gradient: Float64Array,
  { standard, target, spread, l2, classes, width }: Problem,
): number {
  const w = fromArray(Float32Array.from(p.subarray(0, classes * width)), [classes, width, 1, 1])
  const b = fromArray(Float32Array.from(p.subarray(classes * width)), [classes])
  w.requiresGrad = true
  b.requiresGrad = true
  const loss = F.crossEntropy(aten.conv2d(standard, w, { bias: b }), target)
  loss.backward()
  const gw = w.grad!.data() as Float32Array
  let penalty = 0
  for (let c = 0, i = 0; c < classes; c++)
    for (let f = 0; f < width; f++, i++) {
      const inverse = 1 / (spread[f]! * spread[f]!)
      penalty += p[i]! * p[i]! * inverse
      gradient[i] = gw[i]! + l2 * p[i]! * inverse
    }
  gradient.set(b.grad!.data() as Float32Array, classes * width)
  return loss.item() + (l2 / 2) * penalty
}

function unstandardise(
  p: Float64Array,
  { spread, centre, classes, width }: { spread: Float32Array; centre: Float32Array; classes: number; width: number },
) {
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
