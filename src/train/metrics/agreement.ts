import { TrainingError } from '../../base/errors.ts'
import { checkActual, share } from './check.ts'
import { margins } from './counts.ts'

/** The mean recall of the classes that have pictures: rare classes count as much as others. predicted, actual: [N]. */
export function balancedAccuracy(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number {
  const { right, actuals } = margins('balancedAccuracy', predicted, actual, classes)
  const present = Array.from(actuals, (n, c) => ({ n, right: right[c]! })).filter(({ n }) => n > 0)
  return present.reduce((sum, { n, right }) => sum + right / n, 0) / present.length
}

/** The share of pictures whose class is among the `k` most probable ones. If scores are equal, the first classes count
 *  first, as in `argmaxRows`, so that k = 1 is the accuracy (scikit-learn takes the last classes). scores: [N,
 *  classes]; actual: [N]. */
export function topKAccuracy(
  scores: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { k = 5 }: { k?: number } = {},
): number {
  if (!Number.isInteger(k) || k < 1) throw new TrainingError(`topKAccuracy: got k ${k}; expected a whole number from 1`)
  const n = checkActual('topKAccuracy', scores, actual, classes, 'scores')
  let right = 0
  for (let i = 0; i < n; i++) {
    const [row, own] = [i * classes, actual[i]!]
    let before = 0
    for (let c = 0; c < classes; c++) {
      const [other, score] = [scores[row + c]!, scores[row + own]!]
      if (c !== own && !(other < score || (other === score && c > own))) before++
    }
    if (before < k) right++
  }
  return right / n
}

/** Agreement beyond chance, in [−1, 1] (Cohen 1960); with `weights` a mistake counts by the distance between the
 *  class numbers, for classes with an order. NaN if chance alone always agrees. predicted, actual: [N]. */
export function cohenKappa(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { weights = 'none' }: { weights?: 'none' | 'linear' | 'quadratic' } = {},
): number {
  const { actuals, predictions } = margins('cohenKappa', predicted, actual, classes)
  const n = actual.length
  const weight = { none: Math.sign, linear: (d: number) => d, quadratic: (d: number) => d * d }[weights]
  let observed = 0
  for (let i = 0; i < n; i++) observed += weight(Math.abs(actual[i]! - predicted[i]!))
  const expected = weightedPairs(actuals, predictions, weights) / n
  return expected === 0 ? Number.NaN : 1 - observed / expected
}

/** The expected weights by chance of all pairs of an actual and a predicted class, in one pass. */
function weightedPairs(a: Float64Array, p: Float64Array, weights: 'none' | 'linear' | 'quadratic'): number {
  const sum = (of: (c: number) => number) => a.reduce((all, _, c) => all + of(c), 0)
  const n = sum(c => a[c]!)
  if (weights === 'none') return n * n - sum(c => a[c]! * p[c]!)
  if (weights === 'quadratic')
    return n * sum(c => c * c * (a[c]! + p[c]!)) - 2 * sum(c => c * a[c]!) * sum(c => c * p[c]!)
  let [below, told] = [0, 0]
  return sum(c => {
    below += a[c]!
    told += p[c]!
    return below * (n - told) + told * (n - below) // pairs on either side of the border between c and c + 1
  })
}

/** The correlation of predicted and actual classes, in [−1, 1] (Matthews 1975, for more classes Gorodkin 2004); 0
 *  if either is constant. predicted, actual: [N]. */
export function matthews(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number {
  const { right, actuals, predictions } = margins('matthews', predicted, actual, classes)
  const total = actual.length
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, c) => sum + v * b[c]!, 0)
  const covariance = right.reduce((a, b) => a + b, 0) * total - dot(actuals, predictions)
  const spread = (total ** 2 - dot(predictions, predictions)) * (total ** 2 - dot(actuals, actuals))
  return share(covariance, Math.sqrt(spread))
}
