import { TrainingError } from '../../base/errors.ts'
import { samples } from '../../base/samples.ts'

/** The value of 0 / 0: 0, or NaN, which is left out of means; scikit-learn's `zero_division`. */
export type ZeroDivision = 0 | typeof Number.NaN

/** `part` / `whole`; `ofNothing` if `whole` is 0. */
export const share = (part: number, whole: number, ofNothing: ZeroDivision = 0): number =>
  whole === 0 ? ofNothing : part / whole

/** The weighted mean of the values that are not NaN; 0 if all their weights are 0, NaN if there are none. */
export function weightedMean(values: readonly number[], weights: readonly number[]): number {
  const there = values.flatMap((v, i) => (Number.isNaN(v) ? [] : [[v, weights[i]!] as const]))
  if (there.length === 0) return Number.NaN
  return share(
    there.reduce((sum, [v, w]) => sum + v * w, 0),
    there.reduce((sum, [, w]) => sum + w, 0),
  )
}

/** The mean of the values that are not NaN; NaN if there are none. */
export function meanOf(values: readonly number[]): number {
  const there = values.filter(v => !Number.isNaN(v))
  return there.reduce((a, b) => a + b, 0) / there.length
}

/** Throws for lists of different length. predicted, actual: [N]. */
export function checkPairs(op: string, predicted: ArrayLike<number>, actual: ArrayLike<number>): void {
  if (predicted.length !== actual.length)
    throw new TrainingError(
      `${op}: got ${predicted.length} predicted and ${actual.length} actual classes; expected as many of each`,
    )
}

/** Throws unless the scores are whole rows. scores: [N, classes]. */
export function checkRows(op: string, scores: ArrayLike<number>, classes: number): void {
  if (!Number.isInteger(classes) || classes < 1 || scores.length % classes !== 0)
    throw new TrainingError(
      `${op}: got ${scores.length} scores and ${classes} classes; expected rows of one score per class`,
    )
}

/** Throws unless there is one row per class number, and all class numbers exist. scores: [N, classes]; actual: [N].
 *  Returns N. */
export function checkActual(
  op: string,
  scores: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  what = 'probabilities',
): number {
  checkRows(op, scores, classes)
  if (scores.length !== actual.length * classes)
    throw new TrainingError(
      `${op}: got ${scores.length / classes} rows of ${classes} ${what} and ${actual.length} classes; expected one class per row`,
    )
  for (let i = 0; i < actual.length; i++) checkClass(op, actual[i]!, classes)
  return actual.length
}

/** Throws for matrices of different shape. values, targets: [N, columns]. Returns N. */
export function checkMatrices(
  op: string,
  values: ArrayLike<number>,
  targets: ArrayLike<number>,
  columns: number,
): number {
  if (!Number.isInteger(columns) || columns < 1 || values.length % columns !== 0 || values.length !== targets.length)
    throw new TrainingError(
      `${op}: got ${values.length} values and ${targets.length} targets in ${columns} columns; expected two matrices of the same rows and columns`,
    )
  return values.length / columns
}

/** Throws for labels that are neither 0 nor 1. targets: [N, classes]. */
export function checkLabels(targets: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < targets.length; i++)
    if (targets[i] !== 0 && targets[i] !== 1)
      throw new TrainingError(
        `labels: got ${targets[i]} for class ${i % classes} of ${samples.one} ${Math.floor(i / classes)}; expected 0 or 1`,
      )
}

/** Throws for a class number outside of 0 to `classes` − 1. */
export function checkClass(op: string, index: number, classes: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= classes)
    throw new TrainingError(`${op}: got class ${index}; expected a whole number from 0 to ${classes - 1}`)
}
