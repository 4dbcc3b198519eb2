import { checkMatrices, meanOf } from './check.ts'

/** A score of each target, and their plain mean (without undefined ones). */
export type EachTarget = { targets: number[]; mean: number }

type Pair = { predicted: Float64Array; actual: Float64Array }
/** predictions, targets: [N, columns] by rows. */
/** An error or score of numbers: predictions and targets [N × columns] by rows. */
export type Score = (predictions: ArrayLike<number>, targets: ArrayLike<number>, columns?: number) => EachTarget

/** Mean squared error. predictions, targets: [N, columns]. */
export const mse: Score = each('mse', ({ predicted, actual }) => root(differences(predicted, actual)) ** 2)

/** Root of the mean squared error, in the target's unit; its mean is that of the roots. predictions, targets:
 *  [N, columns]. */
export const rmse: Score = each('rmse', ({ predicted, actual }) => root(differences(predicted, actual)))

/** Mean absolute error, in the target's unit. predictions, targets: [N, columns]. */
export const mae: Score = each('mae', pair => mean(errors(pair)))

/** Mean absolute percentage error as a share: |error| divided by |target|, as scikit-learn's; a target of 0 counts as
 *  2⁻⁵², so one such target makes the mean huge. predictions, targets: [N, columns]. */
export const mape: Score = each('mape', ({ predicted, actual }) =>
  mean(actual.map((y, i) => Math.abs(y - predicted[i]!) / Math.max(Math.abs(y), 2 ** -52))),
)

/** Median absolute error: half of the predictions are closer; a few large errors do not change it. predictions,
 *  targets: [N, columns]. */
export const medianAe: Score = each('medianAe', pair => {
  const sorted = errors(pair).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
})

/** R²: 1 minus the squared error divided by that of always predicting the mean of these targets; 1 is perfect, 0 is no
 *  better than the mean. NaN if the mean has no error: for a constant target (scikit-learn gives 1 or 0, unless
 *  `force_finite=False`) and for fewer than two pictures. predictions, targets: [N, columns]. */
export const r2: Score = each('r2', ({ predicted, actual }) => explained(differences(predicted, actual), actual))

/** R² of the predictions after their mean error is subtracted; NaN if R² is NaN. predictions, targets: [N, columns]. */
export const explainedVariance: Score = each('explainedVariance', ({ predicted, actual }) =>
  explained(centred(differences(predicted, actual)), actual),
)

/** Pearson's correlation, in [−1, 1]: 1 if the predictions are a rising linear function of the targets. NaN if either
 *  is constant. predictions, targets: [N, columns]. */
export const pearson: Score = each('pearson', ({ predicted, actual }) => {
  const [x, y] = [unit(centred(predicted)), unit(centred(actual))]
  return Math.max(-1, Math.min(1, sum(x.map((v, i) => v * y[i]!)) / Math.sqrt(squares(x) * squares(y))))
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
const differences = (predicted: Float64Array, actual: Float64Array) => actual.map((y, i) => y - predicted[i]!)
const errors = ({ predicted, actual }: Pair) => differences(predicted, actual).map(Math.abs)
const squares = (values: Float64Array) => sum(values.map(v => v * v))
const largest = (values: Float64Array) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)

/** The values minus their mean; exactly 0 if all are equal. The first value is subtracted before the mean is computed,
 *  so that large numbers close together lose no digits. */
function centred(values: Float64Array): Float64Array {
  const first = values[0] ?? 0
  const moved = values.map(v => v - first)
  const middle = mean(moved)
  return moved.every(v => v === 0) ? moved : moved.map(v => v - middle)
}

/** The values divided by the largest one, so that squares neither overflow nor vanish in any unit. */
function unit(values: Float64Array): Float64Array {
  const most = largest(values)
  return most === 0 ? values : values.map(v => v / most)
}

/** The root of the mean square. */
function root(values: Float64Array): number {
  const most = largest(values)
  return most === 0 || !Number.isFinite(most)
    ? mean(values.map(Math.abs))
    : most * Math.sqrt(mean(unit(values).map(v => v * v)))
}

/** 1 minus the squares of the residuals divided by those of the targets around their mean. */
function explained(left: Float64Array, actual: Float64Array): number {
  const around = centred(actual)
  const most = largest(around)
  return most === 0 ? Number.NaN : 1 - squares(left.map(v => v / most)) / squares(around.map(v => v / most))
}
