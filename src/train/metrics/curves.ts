import { checkActual, checkMatrices, checkPairs, meanOf } from './check.ts'

/** Precision and recall with every distinct score as threshold, in rising order, as scikit-learn's: the last point is
 *  (recall 0, precision 1) and has no threshold. */
export type Curve = { precision: number[]; recall: number[]; thresholds: number[] }

/** A score of each class (NaN if it is undefined on this set), and the mean over the classes where it is defined. */
export type EachClass = { classes: number[]; mean: number }

/** Column `c` of a matrix by rows. values: [N, columns] → [N]. */
export function column(values: ArrayLike<number>, columns: number, c: number): Float64Array<ArrayBuffer> {
  const taken = new Float64Array(Math.floor(values.length / columns))
  for (let row = 0; row < taken.length; row++) taken[row] = values[row * columns + c]!
  return taken
}

/** Average precision of each class, Σ (Rₙ − Rₙ₋₁)·Pₙ over its falling scores, without interpolation; `mean` is the mAP.
 *  For a class without positives it is NaN (scikit-learn: 0) and left out of the mean.
 *  probabilities, targets: [N, classes]. */
export const averagePrecision = (
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
): EachClass =>
  eachColumn('averagePrecision', probabilities, targets, classes, ranks => {
    const n = ranks.positives.length
    if (n === 0) return Number.NaN
    let [area, before] = [0, 0]
    sweep(ranks, (tp, fp) => {
      area += ((tp - before) / n) * (tp / (tp + fp))
      before = tp
    })
    return area
  })

/** Area under the ROC curve of each class: how often a picture of it has a higher score than another picture; ties
 *  count half. NaN without positives or without negatives; these are left out of the mean. probabilities, targets: [N,
 *  classes]. */
export const rocAuc = (probabilities: ArrayLike<number>, targets: ArrayLike<number>, classes: number): EachClass =>
  eachColumn('rocAuc', probabilities, targets, classes, rankArea)

/** `rocAuc` of each class against all others, for single-label; `mean` is scikit-learn's macro average
 *  (`multi_class='ovr'`) if every class occurs. probabilities: [N, classes]; actual: [N]. */
export function rocAucOneVsRest(
  probabilities: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
): EachClass {
  const n = checkActual('rocAucOneVsRest', probabilities, actual, classes)
  const targets = new Uint8Array(n * classes)
  for (let i = 0; i < n; i++) targets[i * classes + actual[i]!] = 1
  return rocAuc(probabilities, targets, classes)
}

/** Precision and recall of one class at each of its scores. scores, targets (0 or 1): [N]; `column` takes them from
 *  a matrix. */
export function precisionRecallCurve(scores: ArrayLike<number>, targets: ArrayLike<number>): Curve {
  checkPairs('precisionRecallCurve', scores, targets)
  const ranks = rank(scores, targets, 1, 0)
  const n = ranks.positives.length
  const curve: Curve = { precision: [1], recall: [0], thresholds: [] }
  sweep(ranks, (tp, fp, score) => {
    curve.precision.push(tp / (tp + fp))
    curve.recall.push(n === 0 ? 1 : tp / n)
    curve.thresholds.push(score)
  })
  for (const points of Object.values(curve)) points.reverse()
  return curve
}

type Ranks = { positives: Float64Array; negatives: Float64Array; lost: boolean }

function eachColumn(
  op: string,
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  score: (ranks: Ranks) => number,
): EachClass {
  checkMatrices(op, probabilities, targets, classes)
  const scores = Array.from({ length: classes }, (_, c) => {
    const ranks = rank(probabilities, targets, classes, c)
    return ranks.lost ? Number.NaN : score(ranks)
  })
  return { classes: scores, mean: meanOf(scores) }
}

/** The scores of positives and of negatives, each rising; `lost` if one is NaN, which counts as the lowest. */
function rank(scores: ArrayLike<number>, targets: ArrayLike<number>, classes: number, c: number): Ranks {
  const n = scores.length / classes
  const [positives, negatives] = [new Float64Array(n), new Float64Array(n)]
  let [p, q, lost] = [0, 0, false]
  for (let i = c; i < scores.length; i += classes) {
    let score = scores[i]!
    if (Number.isNaN(score)) [score, lost] = [Number.NEGATIVE_INFINITY, true]
    if (targets[i] === 1) positives[p++] = score
    else negatives[q++] = score
  }
  return { positives: positives.subarray(0, p).sort(), negatives: negatives.subarray(0, q).sort(), lost }
}

/** Each distinct score from the highest on, with the positives and negatives at or above it. */
function sweep({ positives, negatives }: Ranks, at: (tp: number, fp: number, score: number) => void): void {
  let [i, j] = [positives.length, negatives.length]
  while (i > 0 || j > 0) {
    const score = Math.max(positives[i - 1] ?? Number.NEGATIVE_INFINITY, negatives[j - 1] ?? Number.NEGATIVE_INFINITY)
    while (i > 0 && positives[i - 1]! >= score) i--
    while (j > 0 && negatives[j - 1]! >= score) j--
    at(positives.length - i, negatives.length - j, score)
  }
}

function rankArea(ranks: Ranks): number {
  const pairs = ranks.positives.length * ranks.negatives.length
  let [area, tp0, fp0] = [0, 0, 0]
  sweep(ranks, (tp, fp) => {
    area += ((fp - fp0) * (tp + tp0)) / 2
    ;[tp0, fp0] = [tp, fp]
  })
  return pairs === 0 ? Number.NaN : area / pairs
}
