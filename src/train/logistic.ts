import { aten, fromArray, keep, noGrad, scope, type Tensor } from '../torch/index.ts'
import { lbfgs } from './lbfgs.ts'

/** Features of labelled samples. x: float32 [N × F], y: [N]. */
export interface LabelledFeatures {
  x: Float32Array
  y: Int32Array
}
export interface LogisticModel {
  /** [classes × F] and [classes], for features as given. */
  weight: Float32Array
  bias: Float32Array
  iterations: number
  converged: boolean
}

/** Multinomial logistic regression to its optimum: mean cross-entropy + l2/2 · ‖W‖², as scikit-learn's
 *  LogisticRegression with C = 1 / (N · l2); the biases are free. Solved by L-BFGS over standardised features (the
 *  penalty stays on the weights for the features as given), many values of `l2` from the strongest on, each from the last. */
export function logisticPath(
  { x, y }: LabelledFeatures,
  classes: number,
  l2s: readonly number[],
  { iterations = 150, tolerance = 3e-5 } = {},
): LogisticModel[] {
  const n = y.length
  const width = x.length / n
  return noGrad(() =>
    scope(() => {
      const raw = fromArray(x, [n, width], { copy: false })
      const mean = raw.mean(0)
      const deviation = aten.clamp_min(aten.std(raw, [0]), 1e-4)
      const standard: Tensor = keep(raw.sub(mean).div(deviation))
      const spread = deviation.data() as Float32Array
      const centre = mean.data() as Float32Array
      const hot = aten.one_hot(fromArray(BigInt64Array.from(y, BigInt), [n]), { num_classes: classes }).to('float32')
      let point = new Float64Array(classes * (width + 1))
      const models: LogisticModel[] = []
      for (const l2 of l2s) {
        const found = lbfgs(
          (p, g) => scope(() => objective(p, g, { standard, hot, spread, l2, classes, width, n })),
          point,
          { iterations, tolerance },
        )
        point = found.x as Float64Array<ArrayBuffer>
        models.push({
          ...unstandardise(found.x, { spread, centre, classes, width }),
          iterations: found.iterations,
          converged: found.converged,
        })
      }
      standard.dispose()
      return models
    }),
  )
}

interface Problem {
  standard: Tensor
  hot: Tensor
  spread: Float32Array
  l2: number
  classes: number
  width: number
  n: number
}
/** The parameters are W·σ (row by row), then the biases. */
function objective(
  p: Float64Array,
  gradient: Float64Array,
  { standard, hot, spread, l2, classes, width, n }: Problem,
): number {
  const w = fromArray(Float32Array.from(p.subarray(0, classes * width)), [classes, width])
  const b = fromArray(Float32Array.from(p.subarray(classes * width)), [classes])
  const logits = aten.linear(standard, w, { bias: b })
  const logProbabilities = logits.logSoftmax(1)
  const loss = -logProbabilities.mul(hot).sum().item() / n
  const residual = logProbabilities.exp().sub(hot) // [N, classes]
  const gw = aten.mm(residual.transpose(0, 1), standard).data() as Float32Array
  const gb = residual.sum(0).data() as Float32Array
  let penalty = 0
  for (let c = 0, i = 0; c < classes; c++)
    for (let f = 0; f < width; f++, i++) {
      const inverse = 1 / (spread[f]! * spread[f]!)
      penalty += p[i]! * p[i]! * inverse
      gradient[i] = gw[i]! / n + l2 * p[i]! * inverse
    }
  for (let c = 0; c < classes; c++) gradient[classes * width + c] = gb[c]! / n
  return loss + (l2 / 2) * penalty
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
