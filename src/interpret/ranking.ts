import { TrainingError } from '../base/errors.ts'
import type { Task } from '../data/types.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { cellsOf } from '../train/metrics/counts.ts'
import { argmaxRows, type Confusion, mostConfused } from '../train/metrics.ts'
import type { Outputs } from '../train/objective.ts'

/** What is ranked: the outputs of an evaluation, and how its task reads them. */
export interface Judgement extends Pick<Evaluation, 'probabilities' | 'targets' | 'losses'> {
  task: Task
  /** How many classes or labels there are. */
  classes: number
  /** For several labels: the probability from which each counts, [classes]; 0.5 unless given. */
  thresholds?: readonly number[] | undefined
}
/** A sample by number, and the probability that it is ranked by. */
export interface Ranked {
  index: number
  /** The class or label that the probability is of. */
  label: number
  probability: number
}
/** Which samples, and how many. */
export interface RankOptions {
  /** Only this class or label. */
  label?: number
  most?: number
}

/** Samples that were told rightly, the surest first. Of one class: those of the class (fastai 0.7's ImageModelResults); of
 *  one label: those where its presence or absence was told rightly. */
export const mostCorrect = (judged: Judgement, options: RankOptions = {}): Ranked[] =>
  ranked(judged, options, (sure, right) => (right ? -sure : undefined))

/** Samples that were told wrongly, the surest mistakes first. */
export const mostIncorrect = (judged: Judgement, options: RankOptions = {}): Ranked[] =>
  ranked(judged, options, (sure, right) => (right ? undefined : sure))

/** Samples that the net is least sure of. Of one class: those of the class whose probability is nearest to 1 / classes
 *  (fastai 0.7); over all: the two most probable classes nearest to each other; of labels: nearest to the threshold. */
export function mostUncertain(judged: Judgement, { label, most = 4 }: RankOptions = {}): Ranked[] {
  const { task, classes, probabilities } = judged
  check(judged, label)
  if (task === 'multi')
    return first(
      decisions(judged, label, (a, b) => b.distance < a.distance),
      most,
      d => d.distance,
    )
  const own = actual(judged, label)
  if (label !== undefined) return first(own, most, r => Math.abs(r.probability - 1 / classes))
  return first(own, most, ({ index }) => margin(probabilities.subarray(index * classes, (index + 1) * classes)))
}

/** The samples with the highest loss of one label each: the binary cross-entropy of its probability. */
export function topLossesByLabel(
  { probabilities, targets, classes, task }: Judgement,
  { most = 4 }: { most?: number } = {},
): { label: number; samples: (Ranked & { present: boolean; loss: number })[] }[] {
  if (task !== 'multi')
    throw new TrainingError(`topLossesByLabel: is for several labels a picture, got the task ${task}`)
  const n = probabilities.length / classes
  return Array.from({ length: classes }, (_, label) => {
    const samples = Array.from({ length: n }, (_, index) => {
      const probability = probabilities[index * classes + label]!
      const present = targets[index * classes + label]! >= 0.5
      const loss = -Math.log(Math.max(1e-7, present ? probability : 1 - probability))
      return { index, label, probability, present, loss }
    })
    return { label, samples: first(samples, most, s => -s.loss) }
  })
}

/** Which label was missed where which other one was told wrongly, the most frequent first: what `mostConfused` is for one
 *  class. `actual` was there and not told, `predicted` told and not there. */
export function confusedLabels(
  { probabilities, targets, classes, thresholds, task }: Judgement,
  { least = 1 }: { least?: number } = {},
): Confusion[] {
  if (task !== 'multi') throw new TrainingError(`confusedLabels: is for several labels a picture, got the task ${task}`)
  const labels = Array.from({ length: classes }, (_, c) => c)
  const cells: number[] = []
  for (let row = 0; row < targets.length; row += classes) {
    const told = (c: number) => probabilities[row + c]! >= (thresholds?.[c] ?? 0.5)
    const there = (c: number) => targets[row + c]! >= 0.5
    const wrong = labels.filter(c => told(c) && !there(c))
    for (const a of labels) if (there(a) && !told(a)) for (const b of wrong) cells.push(a * classes + b)
  }
  return mostConfused(cellsOf(Float64Array.from(cells).sort(), classes), { least })
}

/** How far the most probable class leads the next. */
export function margin(probabilities: Outputs): number {
  let [first, second] = [0, 0]
  for (const p of probabilities)
    if (p > first) [first, second] = [p, first]
    else if (p > second) second = p
  return first - second
}

type Decision = Ranked & { distance: number; right: boolean }

/** How far each decision on a label lies from its threshold: one a sample, of all labels that for which `over` says so. */
function decisions(
  { probabilities, targets, classes, thresholds }: Judgement,
  label: number | undefined,
  over: (a: Decision, b: Decision) => boolean,
): Decision[] {
  const labels = label === undefined ? Array.from({ length: classes }, (_, c) => c) : [label]
  return Array.from({ length: probabilities.length / classes }, (_, index) =>
    labels
      .map(c => {
        const probability = probabilities[index * classes + c]!
        const threshold = thresholds?.[c] ?? 0.5
        const right = probability >= threshold === targets[index * classes + c]! >= 0.5
        return { index, label: c, probability, distance: Math.abs(probability - threshold), right }
      })
      .reduce((a, b) => (over(a, b) ? b : a)),
  )
}

/** Each sample's own class, with its probability. */
function actual({ probabilities, targets, classes }: Judgement, label: number | undefined): Ranked[] {
  return Array.from(targets, (c, index) => ({
    index,
    label: c,
    probability: probabilities[index * classes + c]!,
  })).filter(r => label === undefined || r.label === label)
}

/** By a rank from how sure the net was and whether it was right; undefined leaves the sample out. For several labels the
 *  decision that tells: the surest mistake, where there is none the least sure of the right ones. */
function ranked(
  judged: Judgement,
  { label, most = 4 }: RankOptions,
  rank: (sure: number, right: boolean) => number | undefined,
): Ranked[] {
  check(judged, label)
  const { task, classes, probabilities } = judged
  const told = task === 'multi' ? [] : argmaxRows(probabilities, classes)
  const rows: { row: Ranked; rank: number | undefined }[] =
    task === 'multi'
      ? decisions(judged, label, (a, b) =>
          a.right === b.right ? (a.right ? b.distance < a.distance : b.distance > a.distance) : a.right,
        ).map(({ distance, right, ...row }) => ({ row, rank: rank(right ? distance : -distance, right) }))
      : actual(judged, label).map(row => ({ row, rank: rank(row.probability, told[row.index] === row.label) }))
  return first(
    rows.filter(r => r.rank !== undefined),
    most,
    r => r.rank!,
  ).map(r => r.row)
}

/** The `most` lowest by `rank`, equals in their order. */
const first = <T>(rows: readonly T[], most: number, rank: (row: T) => number): T[] =>
  rows
    .map(row => ({ row, rank: rank(row) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ row }) => row)

function check({ task, classes, probabilities, targets }: Judgement, label: number | undefined): void {
  if (task === 'regression')
    throw new TrainingError('ranking: numbers are neither right nor wrong; rank them by their losses')
  const rows = probabilities.length / classes
  if (targets.length !== (task === 'multi' ? rows * classes : rows))
    throw new TrainingError(
      `ranking: got ${probabilities.length} probabilities of ${classes} classes and ${targets.length} answers; expected one row for one`,
    )
  if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < classes))
    throw new TrainingError(`ranking: got class ${label}; expected a whole number from 0 to ${classes - 1}`)
}
