import { TrainingError } from '../../base/errors.ts'
import { checkActual, checkMatrices } from './check.ts'

/** Whether a picture has one class (`single`) or any number of labels (`multi`). */
export type LabelTask = 'single' | 'multi'

/** Decisions whose probability is in (from, to]: their count, their mean probability, and the share that is correct. */
export type ReliabilityBin = { from: number; to: number; count: number; confidence: number; accuracy: number }

/** The bins that are not empty, and the gap between confidence and accuracy: `ece` is its mean over all decisions,
 *  `mce` its maximum. */
export type Reliability = { bins: ReliabilityBin[]; ece: number; mce: number; count: number }

/** The options of the calibration. Default: 15 bins. */
export type CalibrationOptions = { task?: LabelTask; bins?: number }

/** How well probabilities agree with the actual frequencies, in bins of equal width (Guo et al. 2017,
 *  arXiv:1706.04599). `single`: the probability of each picture's top class, compared with how often that class is
 *  correct; actual: [N]. `multi`: the probability of every picture and label, compared with how often the label is
 *  there; targets: [N, classes]. probabilities: [N, classes]. */
export function reliability(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { task = 'single', bins = 15 }: CalibrationOptions = {},
): Reliability {
  if (!Number.isInteger(bins) || bins < 1)
    throw new TrainingError(`reliability: got ${bins} bins; expected at least one`)
  const [counts, sure, right] = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)]
  let count = 0
  eachDecision(probabilities, targets, classes, task, (p, came) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(p * bins) - 1))
    counts[bin]!++
    sure[bin]! += p
    right[bin]! += came
    count++
  })
  const filled = Array.from(counts, (count, i): ReliabilityBin => {
    return { from: i / bins, to: (i + 1) / bins, count, confidence: sure[i]! / count, accuracy: right[i]! / count }
  }).filter(bin => bin.count > 0)
  const gaps = filled.map(bin => Math.abs(bin.accuracy - bin.confidence))
  const ece = filled.reduce((sum, bin, i) => sum + (bin.count / count) * gaps[i]!, 0)
  return { bins: filled, ece: count === 0 ? Number.NaN : ece, mce: count === 0 ? Number.NaN : Math.max(...gaps), count }
}

/** The expected calibration error: the mean gap between confidence and accuracy, as `reliability` bins it.
 *  probabilities: [N, classes]; targets: [N] or, for `multi`, [N, classes]. */
export const expectedCalibrationError = (...args: Parameters<typeof reliability>): number => reliability(...args).ece

/** Mean squared distance of probabilities from the actual values, 0 or 1 (Brier 1950). `single`: summed over the
 *  classes, so 0 to 2 (scikit-learn halves it for two classes); actual: [N]. `multi`: the mean over all labels, 0 to 1;
 *  targets: [N, classes]. probabilities: [N, classes]. */
export function brierScore(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { task = 'single' }: { task?: LabelTask } = {},
): number {
  const n =
    task === 'single'
      ? checkActual('brierScore', probabilities, targets, classes)
      : checkMatrices('brierScore', probabilities, targets, classes)
  let sum = 0
  for (let i = 0, at = 0; i < n; i++)
    for (let c = 0; c < classes; c++, at++) {
      const came = task === 'single' ? Number(targets[i] === c) : targets[at]!
      sum += (probabilities[at]! - came) ** 2
    }
  return sum / (task === 'single' ? n : n * classes)
}

/** Calls back with each probability that counts, and with 1 if it is correct, else 0. */
function eachDecision(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  task: LabelTask,
  judge: (probability: number, came: number) => void,
): void {
  const see = (p: number, came: number) => {
    if (!(p >= 0 && p <= 1 + 1e-6)) throw new TrainingError(`reliability: got probability ${p}; expected 0 to 1`)
    judge(p, came)
  }
  if (task === 'multi') {
    checkMatrices('reliability', probabilities, targets, classes)
    for (let i = 0; i < probabilities.length; i++) see(probabilities[i]!, targets[i]!)
    return
  }
  const n = checkActual('reliability', probabilities, targets, classes)
  for (let i = 0; i < n; i++) {
    let top = 0
    for (let c = 1; c < classes; c++) if (probabilities[i * classes + c]! > probabilities[i * classes + top]!) top = c
    see(probabilities[i * classes + top]!, Number(top === targets[i]))
  }
}
