import { TrainingError } from '../../base/errors.ts'
import { checkActual, checkMatrices } from './check.ts'
import { column } from './curves.ts'

/** A label that may be wrong: the picture's number, the given class, the class that the model suggests, and `score`,
 *  the model's confidence in the given class: the lower it is, the more likely the label is wrong. */
export type LabelIssue = { index: number; given: number; suggested: number; score: number }

/** The same for one label of a multi-label picture: `given` and `suggested` are 1 (it is there) or 0. */
export type LabelIssueMulti = LabelIssue & { label: number }

/** `selfConfidence` is the probability of the given class; `margin` is its lead over the most probable other class,
 *  scaled to 0 to 1. */
export type IssueRanking = 'selfConfidence' | 'margin'

/** Confident learning (Northcutt et al. 2021, arXiv:1911.00068): pictures for which the model disagrees with the given
 *  class, the most certain first. A class is confident if its probability reaches the mean over the pictures given this
 *  class, so a class with generally low probabilities is treated fairly; of several confident classes the most probable
 *  one counts. A label is an issue if neither that class nor the top class is the given one. Use probabilities of
 *  pictures that the model was not trained on. probabilities: [N, classes]; actual, as given: [N]. */
export function labelIssues(
  probabilities: ArrayLike<number>,
  actual: ArrayLike<number>,
  classes: number,
  { by = 'selfConfidence' }: { by?: IssueRanking } = {},
): LabelIssue[] {
  const n = checkActual('labelIssues', probabilities, actual, classes)
  const score = scoring(by)
  const thresholds = selfConfidence(probabilities, actual, classes)
  const issues: LabelIssue[] = []
  for (let i = 0; i < n; i++) {
    const [row, given] = [i * classes, actual[i]!]
    let [top, suggested, other] = [0, -1, 0]
    for (let c = 0; c < classes; c++) {
      const p = probabilities[row + c]!
      if (p > probabilities[row + top]!) top = c
      if (p >= thresholds[c]! - 1e-6 && (suggested < 0 || p > probabilities[row + suggested]!)) suggested = c
      if (c !== given) other = Math.max(other, p)
    }
    if (suggested < 0 || suggested === given || top === given) continue
    issues.push({ index: i, given, suggested, score: score(probabilities[row + given]!, other) })
  }
  return issues.sort((a, b) => a.score - b.score || a.index - b.index)
}

/** `labelIssues` for each label separately (there or not there), all in one list, the most certain first.
 *  probabilities, targets: [N, classes]. */
export function labelIssuesMulti(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { by = 'selfConfidence' }: { by?: IssueRanking } = {},
): LabelIssueMulti[] {
  checkMatrices('labelIssuesMulti', probabilities, targets, classes)
  const found = Array.from({ length: classes }, (_, label) => {
    const there = column(probabilities, classes, label)
    const pairs = new Float64Array(2 * there.length)
    for (const [i, p] of there.entries()) pairs.set([1 - p, p], 2 * i)
    return labelIssues(pairs, column(targets, classes, label), 2, { by }).map(issue => ({ ...issue, label }))
  })
  return found.flat().sort((a, b) => a.score - b.score || a.index - b.index || a.label - b.label)
}

/** The mean probability of each class over the pictures that were given it; infinite if there are none. */
function selfConfidence(probabilities: ArrayLike<number>, actual: ArrayLike<number>, classes: number): Float64Array {
  const [sums, counts] = [new Float64Array(classes), new Float64Array(classes)]
  for (let i = 0; i < actual.length; i++) {
    sums[actual[i]!]! += probabilities[i * classes + actual[i]!]!
    counts[actual[i]!]!++
  }
  return sums.map((sum, c) => (counts[c] === 0 ? Number.POSITIVE_INFINITY : sum / counts[c]!))
}

function scoring(by: IssueRanking): (own: number, other: number) => number {
  if (by === 'selfConfidence') return own => own
  if (by === 'margin') return (own, other) => (own - other + 1) / 2
  throw new TrainingError(`labelIssues: got by "${by}"; expected "selfConfidence" or "margin"`)
}
