import { AnnealError } from '../../base/errors.ts'
import { checkActual, checkClass, checkPairs, share } from './check.ts'
import { confusionMatrix } from './single.ts'

/** The mean recall of the classes that have pictures: every class counts alike, however rare. predicted, actual: [N]. */
export function balancedAccuracy(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number {
  checkPairs('balancedAccuracy', predicted, actual)
  const [right, actuals] = [new Float64Array(classes), new Float64Array(classes)]
  for (let i = 0; i < actual.length; i++) {
    checkClass('balancedAccuracy', predicted[i]!, classes)
    checkClass('balancedAccuracy', actual[i]!, classes)
    actuals[actual[i]!]!++
    if (predicted[i] === actual[i]) right[actual[i]!]!++
  }
  const present = Array.from(actuals, (n, c) => ({ n, right: right[c]! })).filter(({ n }) => n > 0)
  return present.reduce((sum, { n, right }) => sum + right / n, 0) / present.length
}

/** The share of pictures whose class is among the `k` most probable ones. Of equal scores the first classes come first,
 *  as in `argmaxRows`, so that k = 1 is the accuracy (scikit-learn takes the last). scores: [N, classes]; actual: [N]. */
export function topKAccuracy(
  scores: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { k = 5 }: { k?: number } = {},
): number {
  if (!Number.isInteger(k) || k < 1) throw new AnnealError(`topKAccuracy: got k ${k}; expected a whole number from 1`)
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

/** Agreement beyond chance, in [−1, 1] (Cohen 1960); `weights` count a mistake by how far apart the numbers of its
 *  classes are, for classes with an order. NaN where chance alone agrees always. predicted, actual: [N]. */
export function cohenKappa(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { weights = 'none' }: { weights?: 'none' | 'linear' | 'quadratic' } = {},
): number {
  const counts = confusionMatrix(predicted, actual, classes)
  const { actuals, predictions, total } = margins(counts, classes)
  const power = { none: 0, linear: 1, quadratic: 2 }[weights]
  let observed = 0
  let expected = 0
  for (let i = 0; i < classes; i++)
    for (let j = 0; j < classes; j++) {
      const weight = i === j ? 0 : Math.abs(i - j) ** power
      observed += weight * counts[i * classes + j]!
      expected += (weight * actuals[i]! * predictions[j]!) / total
    }
  return expected === 0 ? Number.NaN : 1 - observed / expected
}

/** The correlation of predicted and actual classes, in [−1, 1] (Matthews 1975, for more classes Gorodkin 2004); 0
 *  where either is always the same. predicted, actual: [N]. */
export function matthews(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): number {
  const { right, actuals, predictions, total } = margins(confusionMatrix(predicted, actual, classes), classes)
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, c) => sum + v * b[c]!, 0)
  const covariance = right.reduce((a, b) => a + b, 0) * total - dot(actuals, predictions)
  const spread = (total ** 2 - dot(predictions, predictions)) * (total ** 2 - dot(actuals, actuals))
  return share(covariance, Math.sqrt(spread))
}

/** The diagonal, the sums of rows and columns, and the sum of all. */
function margins(counts: Uint32Array, classes: number) {
  const [right, actuals, predictions] = [0, 0, 0].map(() => new Float64Array(classes)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let i = 0; i < classes; i++) {
    right[i] = counts[i * classes + i]!
    for (let j = 0; j < classes; j++) {
      actuals[i]! += counts[i * classes + j]!
      predictions[j]! += counts[i * classes + j]!
    }
  }
  return { right, actuals, predictions, total: actuals.reduce((a, b) => a + b, 0) }
}
