import { checkMatrices, meanOf } from './check.ts'

/** A score of each target and their plain mean (without those that have none). */
export type EachTarget = { targets: number[]; mean: number }

type Pair = { predicted: Float64Array; actual: Float64Array }
/** predictions, targets: [N, columns] by rows. */
type Score = (predictions: ArrayLike<number>, targets: ArrayLike<number>, columns?: number) => EachTarget

/** Mean squared error. predictions, targets: [N, columns]. */
export const mse: Score = each('mse', ({ predicted, actual }) => mean(actual.map((y, i) => (y - predicted[i]!) ** 2)))

/** Root of the mean squared error, in the target's unit; its mean is that of the roots. predictions, targets:
 *  [N, columns]. */
export const rmse: Score = (...args) => {
  const targets = mse(...args).targets.map(Math.sqrt)
  return { targets, mean: meanOf(targets) }
}

/** Mean absolute error, in the target's unit. predictions, targets: [N, columns]. */
export const mae: Score = each('mae', pair => mean(errors(pair)))

/** Median absolute error: half of the pictures are nearer; a few gross errors do not move it. predictions, targets:
 *  [N, columns]. */
export const medianAe: Score = each('medianAe', pair => {
  const sorted = errors(pair).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
})

/** R²: 1 less the squared error over that of always saying the mean of these targets; 1 is perfect, 0 no better than
 *  the mean. Of a target that never changes it is 1 if hit exactly, else 0; NaN of fewer than two pictures, as in
 *  scikit-learn. predictions, targets: [N, columns]. */
export const r2: Score = each('r2', ({ predicted, actual }) =>
  actual.length < 2 ? Number.NaN : explained(sum(actual.map((y, i) => (y - predicted[i]!) ** 2)), spread(actual)),
)

/** R² of predictions without their mean error: what remains if a constant may be added. predictions, targets:
 *  [N, columns]. */
export const explainedVariance: Score = each('explainedVariance', ({ predicted, actual }) =>
  actual.length === 0 ? Number.NaN : explained(spread(actual.map((y, i) => y - predicted[i]!)), spread(actual)),
)

/** Pearson's correlation, in [−1, 1]: 1 wherever predictions rise with the targets on a line. NaN where either never
 *  changes. predictions, targets: [N, columns]. */
export const pearson: Score = each('pearson', ({ predicted, actual }) => {
  const [x, y] = [centred(predicted), centred(actual)]
  return Math.max(-1, Math.min(1, sum(x.map((v, i) => v * y[i]!)) / Math.sqrt(spread(predicted) * spread(actual))))
})

/** All scores of regression at once, by name. predictions, targets: [N, columns]. */
export const regressionReport = (
  predictions: ArrayLike<number>,
  targets: ArrayLike<number>,
  columns = 1,
): Record<'mse' | 'rmse' | 'mae' | 'medianAe' | 'r2' | 'explainedVariance' | 'pearson', EachTarget> => ({
  mse: mse(predictions, targets, columns),
  rmse: rmse(predictions, targets, columns),
  mae: mae(predictions, targets, columns),
  medianAe: medianAe(predictions, targets, columns),
  r2: r2(predictions, targets, columns),
  explainedVariance: explainedVariance(predictions, targets, columns),
  pearson: pearson(predictions, targets, columns),
})

function each(op: string, score: (pair: Pair) => number): Score {
  return (predictions, targets, columns = 1) => {
    const n = checkMatrices(op, predictions, targets, columns)
    const take = (values: ArrayLike<number>, c: number) =>
      Float64Array.from({ length: n }, (_, row) => values[row * columns + c]!)
    const scores = Array.from({ length: columns }, (_, c) =>
      score({ predicted: take(predictions, c), actual: take(targets, c) }),
    )
    return { targets: scores, mean: meanOf(scores) }
  }
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0)
const mean = (values: Float64Array) => sum(values) / values.length
const errors = ({ predicted, actual }: Pair) => actual.map((y, i) => Math.abs(y - predicted[i]!))

/** Less the mean; exactly 0 where all are equal, whatever the mean was rounded to. */
function centred(values: Float64Array): Float64Array {
  if (values.every(v => v === values[0])) return new Float64Array(values.length)
  const middle = mean(values)
  return values.map(v => v - middle)
}

const spread = (values: Float64Array) => sum(centred(values).map(v => v * v))

const explained = (error: number, spread: number) => (spread !== 0 ? 1 - error / spread : error === 0 ? 1 : 0)
