import { TrainingError } from '../../base/errors.ts'
import { checkLabels, checkMatrices, checkRows, meanOf, share, weightedMean, type ZeroDivision } from './check.ts'
import type { ClassScores } from './single.ts'

/** One threshold for all classes, or one for each: [C]. */
export type LabelThresholds = number | ArrayLike<number>

/** How the scores of many labels are averaged: the mean over pictures (`samples`) or over classes (`macro`, or
 *  `weighted` by support), the score of all decisions together (`micro`), or one score per class (`none`). */
export type Average = 'samples' | 'micro' | 'macro' | 'weighted' | 'none'

/** The options of a metric of decisions. */
export type LabelOptions<A extends Average = Average> = {
  thresholds?: LabelThresholds
  average?: A
  /** The value of 0 / 0; NaN is left out of the means. */
  zeroDivision?: ZeroDivision
}

/** One number, or one a label where nothing is averaged. */
export type Averaged<A extends Average> = A extends 'none' ? number[] : number

/** The counts of decisions for one class. */
export type LabelCounts = { tn: number; fp: number; fn: number; tp: number }

/** Decides which labels count as given: probability ≥ threshold; never for NaN. All metrics use this.
 *  probabilities: [N, classes] → 0 or 1, [N × classes]. */
export function decide(
  probabilities: ArrayLike<number>,
  classes: number,
  thresholds: LabelThresholds = 0.5,
): Uint8Array<ArrayBuffer> {
  checkRows('decide', probabilities, classes)
  const limits = eachClass(thresholds, classes)
  const decided = new Uint8Array(probabilities.length)
  for (let i = 0, c = 0; i < decided.length; i++) {
    if (probabilities[i]! >= limits[c]!) decided[i] = 1
    if (++c === classes) c = 0
  }
  return decided
}

/** What follows from decisions at thresholds. probabilities, targets: [N, classes]. */
/** A metric of decisions: labels and truths [N × C] by rows. */
export type OfDecisions<T> = (
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  options?: { thresholds?: LabelThresholds; zeroDivision?: ZeroDivision },
) => T

/** The share of correct decisions over all pictures and classes. If most labels are absent, predicting none already
 *  gives a high value: see `fBeta` and `averagePrecision`. probabilities, targets: [N, classes]. */
export const accuracyMulti: OfDecisions<number> = (probabilities, targets, classes, { thresholds = 0.5 } = {}) => {
  const right = rightOf('accuracyMulti', probabilities, targets, classes, thresholds)
  return right.reduce((a, b) => a + b, 0) / (right.length * classes)
}

/** The share of wrong decisions: 1 − `accuracyMulti`. probabilities, targets: [N, classes]. */
export const hammingLoss = (...args: Parameters<typeof accuracyMulti>): number => 1 - accuracyMulti(...args)

/** The share of pictures with all labels correct. probabilities, targets: [N, classes]. */
export const subsetAccuracy: OfDecisions<number> = (probabilities, targets, classes, { thresholds = 0.5 } = {}) => {
  const right = rightOf('subsetAccuracy', probabilities, targets, classes, thresholds)
  return right.reduce((sum, count) => sum + Number(count === classes), 0) / right.length
}

/** How many decisions for each picture are correct: [N]. */
function rightOf(
  op: string,
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  thresholds: LabelThresholds,
): Float64Array {
  const right = new Float64Array(checkMatrices(op, probabilities, targets, classes))
  for (const [i, given] of decide(probabilities, classes, thresholds).entries())
    if (given === targets[i]) right[Math.floor(i / classes)]!++
  return right
}

/** The counts of each class. probabilities, targets: [N, classes]. */
export const multilabelConfusion: OfDecisions<LabelCounts[]> = (
  probabilities,
  targets,
  classes,
  { thresholds = 0.5 } = {},
) => {
  const n = checkMatrices('multilabelConfusion', probabilities, targets, classes)
  const { tp, predicted, actual } = tally(decide(probabilities, classes, thresholds), targets, classes, 'classes')
  return Array.from(tp, (right, c) => {
    const [fp, fn] = [predicted[c]! - right, actual[c]! - right]
    return { tn: n - right - fp - fn, fp, fn, tp: right }
  })
}

/** Of the labels given by the model, the share that is right; of none it is 0, or `zeroDivision`. probabilities,
 *  targets: [N, classes]. */
export const precision = ofCounts('precision', (tp, predicted, _, none) => share(tp, predicted, none))

/** Of the labels that there are, the share that was found; of none it is 0, or `zeroDivision`. probabilities, targets:
 *  [N, classes]. */
export const recall = ofCounts('recall', (tp, _, actual, none) => share(tp, actual, none))

/** (1 + β²) · precision · recall / (β² · precision + recall): recall counts β times as much. 0 if there is no label,
 *  neither predicted nor actual, so in `samples` a picture without labels counts 0 even if none is predicted (as
 *  scikit-learn's `zero_division=0`). probabilities, targets: [N, classes]. */
export const fBeta = <A extends Average = 'samples'>(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { beta = 1, ...options }: LabelOptions<A> & { beta?: number } = {},
): Averaged<A> => averaged('fBeta', probabilities, targets, classes, options, fRatio(beta))

/** A metric from the counts of correct, predicted and actual labels. */
type Ratio = (tp: number, predicted: number, actual: number, none: ZeroDivision) => number

/** Makes a metric from a ratio: it is computed from the counts of each class or picture, and averaged. */
function ofCounts(op: string, ratio: Ratio) {
  return <A extends Average = 'samples'>(
    probabilities: ArrayLike<number>,
    targets: ArrayLike<number>,
    classes: number,
    options: LabelOptions<A> = {},
  ): Averaged<A> => averaged(op, probabilities, targets, classes, options, ratio)
}

/** `fBeta` from the counts of correct, predicted and actual labels. */
function fRatio(beta: number): Ratio {
  if (!(beta >= 0))
    throw new TrainingError(`fBeta: got beta ${beta}; expected 0 (precision) or more (1 is F1, 2 is F2)`)
  if (beta === Number.POSITIVE_INFINITY) return (tp, _, actual, none) => share(tp, actual, none)
  const b2 = beta * beta
  return (tp, predicted, actual, none) => share((1 + b2) * tp, b2 * actual + predicted, none)
}

/** Precision, recall, F1 and support of each class, and all their means: `classReport` for many labels.
 *  probabilities, targets: [N, classes]. */
export const classReportMulti: OfDecisions<
  { classes: ClassScores[] } & Record<Exclude<Average, 'none'>, ClassScores>
> = (probabilities, targets, classes, { thresholds = 0.5, zeroDivision = 0 } = {}) => {
  const scores = [precision, recall, fBeta] as const
  const supports = multilabelConfusion(probabilities, targets, classes, { thresholds }).map(c => c.tp + c.fn)
  const support = supports.reduce((a, b) => a + b, 0)
  const of = (average: Exclude<Average, 'none'>): ClassScores => {
    const [p, r, f1] = scores.map(score =>
      score(probabilities, targets, classes, { thresholds, zeroDivision, average }),
    )
    return { precision: p!, recall: r!, f1: f1!, support }
  }
  const [p, r, f1] = scores.map(score =>
    score(probabilities, targets, classes, { thresholds, zeroDivision, average: 'none' }),
  )
  return {
    classes: supports.map((support, c) => ({ precision: p![c]!, recall: r![c]!, f1: f1![c]!, support })),
    micro: of('micro'),
    macro: of('macro'),
    weighted: of('weighted'),
    samples: of('samples'),
  }
}

/** Mean of −y·ln p − (1 − y)·ln(1 − p) over all pictures and classes, probabilities kept within [ε, 1 − ε] as in
 *  `logLoss`; NaN for an empty set or a NaN. probabilities, targets (0 to 1): [N, classes]. */
export function binaryCrossEntropy(probabilities: Float32Array | Float64Array, targets: ArrayLike<number>): number {
  checkMatrices('binaryCrossEntropy', probabilities, targets, 1)
  const epsilon = probabilities instanceof Float32Array ? 2 ** -23 : 2 ** -52
  let sum = 0
  for (let i = 0; i < probabilities.length; i++) {
    const [p, y] = [Math.min(1 - epsilon, Math.max(epsilon, probabilities[i]!)), targets[i]!]
    sum -= (y === 0 ? 0 : y * Math.log(p)) + (y === 1 ? 0 : (1 - y) * Math.log1p(-p))
  }
  return sum / probabilities.length
}

function averaged<A extends Average>(
  op: string,
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { thresholds = 0.5, average = 'samples' as A, zeroDivision = 0 }: LabelOptions<A>,
  ratio: Ratio,
): Averaged<A> {
  checkMatrices(op, probabilities, targets, classes)
  const by = average === 'samples' ? 'rows' : 'classes'
  const { tp, predicted, actual } = tally(decide(probabilities, classes, thresholds), targets, classes, by)
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0)
  if (average === 'micro') return ratio(sum(tp), sum(predicted), sum(actual), zeroDivision) as Averaged<A>
  const each = Array.from(tp, (right, i) => ratio(right, predicted[i]!, actual[i]!, zeroDivision))
  if (average === 'none') return each as Averaged<A>
  return (average === 'weighted' ? weightedMean(each, Array.from(actual)) : meanOf(each)) as Averaged<A>
}

/** The counts of correct, predicted and actual labels per class or per row. decided, targets: [N, classes]. */
function tally(decided: Uint8Array, targets: ArrayLike<number>, classes: number, by: 'classes' | 'rows') {
  const length = by === 'rows' ? decided.length / classes : classes
  checkLabels(targets, classes)
  const [tp, predicted, actual] = [new Float64Array(length), new Float64Array(length), new Float64Array(length)]
  for (let i = 0, row = 0, c = 0; i < decided.length; i++) {
    const at = by === 'rows' ? row : c
    const [given, there] = [decided[i]!, targets[i]!]
    predicted[at]! += given
    actual[at]! += there
    if (given === 1) tp[at]! += there
    if (++c === classes) {
      c = 0
      row++
    }
  }
  return { tp, predicted, actual }
}

/** The threshold of each class. */
function eachClass(thresholds: LabelThresholds, classes: number): ArrayLike<number> {
  if (typeof thresholds === 'number') return new Float64Array(classes).fill(thresholds)
  if (thresholds.length !== classes)
    throw new TrainingError(
      `thresholds: got ${thresholds.length} for ${classes} classes; expected one number, or one per class`,
    )
  return thresholds
}
