import { TrainingError } from '../../base/errors.ts'
import { checkClass, checkPairs, checkRows, meanOf, share, weightedMean, type ZeroDivision } from './check.ts'
import { type Confusion, cellsOf, margins } from './counts.ts'

export type { Confusion }

/** The class with the highest score of each row; the first one if scores are equal. scores: [N, classes]. */
export function argmaxRows(scores: ArrayLike<number>, classes: number): Int32Array {
  checkRows('argmaxRows', scores, classes)
  return Int32Array.from({ length: scores.length / classes }, (_, row) => {
    let best = 0
    for (let c = 1; c < classes; c++) if (scores[row * classes + c]! > scores[row * classes + best]!) best = c
    return best
  })
}

/** The share of correct predictions over the whole set; NaN for an empty set. predicted, actual: [N]. */
export function accuracy(predicted: ArrayLike<number>, actual: ArrayLike<number>): number {
  checkPairs('accuracy', predicted, actual)
  let right = 0
  for (let i = 0; i < actual.length; i++) if (predicted[i] === actual[i]) right++
  return right / actual.length
}

/** Counts by actual class (row) and predicted class (column): [classes, classes]. predicted, actual: [N]. With many
 *  classes most counts are 0: see `confusions`. */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
): Uint32Array<ArrayBuffer> {
  checkPairs('confusionMatrix', predicted, actual)
  const counts = new Uint32Array(classes * classes)
  for (let i = 0; i < actual.length; i++) {
    checkClass('confusionMatrix', predicted[i]!, classes)
    checkClass('confusionMatrix', actual[i]!, classes)
    counts[actual[i]! * classes + predicted[i]!]!++
  }
  return counts
}

/** The counts of `confusionMatrix` that are not 0, row by row: at most as many as there are pictures. predicted,
 *  actual: [N]. */
export function confusions(predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number): Confusion[] {
  checkPairs('confusions', predicted, actual)
  const cells = Float64Array.from(actual, (own, i) => {
    checkClass('confusions', predicted[i]!, classes)
    checkClass('confusions', own, classes)
    return own * classes + predicted[i]!
  }).sort()
  return cellsOf(cells, classes)
}

/** The scores of one class. `support` is the number of its pictures. 0 / 0 is 0, or NaN if the options ask for that. */
export type ClassScores = { precision: number; recall: number; f1: number; support: number }

/** Precision, recall, F1 and support of each class, their plain mean and their mean weighted by support, as
 *  scikit-learn's `classification_report` of all classes. 0 / 0 (precision of a class that is never predicted, recall
 *  of a class without pictures) is `zeroDivision`; NaN is left out of the means. predicted, actual: [N]. */
export function classReport(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { zeroDivision = 0 }: { zeroDivision?: ZeroDivision } = {},
): { classes: ClassScores[]; macro: ClassScores; weighted: ClassScores } {
  const { right, actuals, predictions } = margins('classReport', predicted, actual, classes)
  const rows = Array.from(right, (right, c): ClassScores => {
    const [support, told] = [actuals[c]!, predictions[c]!]
    return {
      precision: share(right, told, zeroDivision),
      recall: share(right, support, zeroDivision),
      f1: share(2 * right, told + support, zeroDivision),
      support,
    }
  })
  const support = rows.reduce((sum, row) => sum + row.support, 0)
  const supports = rows.map(row => row.support)
  const average = (mean: (values: number[]) => number): ClassScores => {
    const of = (key: 'precision' | 'recall' | 'f1') => mean(rows.map(row => row[key]))
    return { precision: of('precision'), recall: of('recall'), f1: of('f1'), support }
  }
  return { classes: rows, macro: average(meanOf), weighted: average(values => weightedMean(values, supports)) }
}

/** Mean of −ln p(actual class), over the whole set. Probabilities are first kept within [ε, 1 − ε], ε float32's or
 *  float64's by their type, as in scikit-learn, so that one certain mistake does not give infinity; NaN for an empty
 *  set or a NaN. probabilities: [N, classes], rows that sum to 1; actual: [N]. */
export function logLoss(
  probabilities: Float32Array | Float64Array,
  actual: ArrayLike<number>,
  classes: number,
): number {
  checkRows('logLoss', probabilities, classes)
  if (probabilities.length !== actual.length * classes)
    throw new TrainingError(
      `logLoss: got ${probabilities.length / classes} rows of ${classes} probabilities and ${actual.length} classes; expected one class per row`,
    )
  const epsilon = probabilities instanceof Float32Array ? 2 ** -23 : 2 ** -52
  let sum = 0
  for (let i = 0; i < actual.length; i++) {
    checkClass('logLoss', actual[i]!, classes)
    sum -= Math.log(Math.min(1 - epsilon, Math.max(epsilon, probabilities[i * classes + actual[i]!]!)))
  }
  return sum / actual.length
}

/** The pairs of different classes with at least `least` pictures, the most frequent first; equally frequent ones keep
 *  their order. */
export const mostConfused = (confusions: readonly Confusion[], { least = 1 } = {}): Confusion[] =>
  confusions
    .filter(({ actual, predicted, count }) => actual !== predicted && count >= least)
    .sort((a, b) => b.count - a.count)
