import { TrainingError } from '../../base/errors.ts'
import { samples } from '../../base/samples.ts'
import { checkLabels, checkMatrices, share } from './check.ts'
import { column } from './curves.ts'
import { accuracyMulti, fBeta, type LabelThresholds } from './multi.ts'

/** The metrics that a threshold may be chosen for. */
export type ThresholdMetric = 'accuracy' | 'f0.5' | 'f1' | 'f2'

/** Thresholds, and their scores on the set on which they were found. */
export type BestThresholds = {
  /** One for all classes, and the metric with it. */
  threshold: number
  value: number
  /** One for each class, and the metric with them. */
  thresholds: number[]
  valueEach: number
  /** The metric with 0.5 for all. */
  half: number
  /** For each class: its threshold, its metric with that threshold, its positives, and whether it has its own
   *  threshold. */
  classes: { threshold: number; value: number; positives: number; own: boolean }[]
}

/** The best threshold for all classes and the best one for each class, found exactly: every midpoint between two
 *  distinct scores is tried; among equally good ones it takes 0.5, or the nearest to it.
 *
 *  The threshold for all maximises `metric` with this `average` (accuracy has only one average). The threshold of a
 *  class maximises the metric of that class alone, which is optimal for `macro` and accuracy, and nearly so for the
 *  others.
 *
 *  Thresholds are learnt from this set, so their scores on it are too good: a little for one threshold, a lot for a
 *  class with few positives, whose best threshold is mostly chance. Therefore a class uses the threshold for all unless
 *  its own is better by more than `errors` standard errors of the difference (0: if it is better at all); so does a
 *  class without positives. On synthetic sets of 300 to 4000 pictures and 17 classes, 2 came close to the better choice
 *  of one threshold for all and one per class. Report results on pictures that chose neither weights nor thresholds.
 *  probabilities, targets: [N, classes]. */
export function bestThresholds(
  probabilities: Float32Array,
  targets: ArrayLike<number>,
  classes: number,
  {
    metric = 'f1',
    average = 'samples',
    errors = 2,
  }: { metric?: ThresholdMetric; average?: 'samples' | 'micro' | 'macro'; errors?: number } = {},
): BestThresholds {
  const n = checkMatrices('bestThresholds', probabilities, targets, classes)
  const lost = probabilities.find(p => p < 0 || p > 1)
  if (n === 0 || lost !== undefined)
    throw new TrainingError(
      `bestThresholds: got ${lost === undefined ? `no ${samples.many}` : `probability ${lost}`}; expected probabilities, 0 to 1, of at least one ${samples.one}`,
    )
  checkLabels(targets, classes)
  const parts = partsOf(metric)
  const groups = { samples: { each: classes, count: n }, macro: { each: 1, count: classes }, micro: undefined }
  const threshold = search(probabilities, targets, parts, metric === 'accuracy' ? undefined : groups[average])
  const each = Array.from({ length: classes }, (_, c) => {
    const scores = new Float32Array(column(probabilities, classes, c))
    const there = column(targets, classes, c)
    const positives = there.reduce((a, b) => a + b, 0)
    const best = positives === 0 ? threshold : search(scores, there, parts)
    const cells = cellsOf(scores, there, best, threshold)
    const own = surelyBetter(cells, parts, errors)
    return { threshold: own ? best : threshold, value: ratio(cells, parts, own ? 'a' : 'b'), positives, own }
  })
  const thresholds = each.map(c => c.threshold)
  const value = (thresholds: LabelThresholds) =>
    metric === 'accuracy'
      ? accuracyMulti(probabilities, targets, classes, { thresholds })
      : fBeta(probabilities, targets, classes, { beta: betas[metric], average, thresholds })
  return {
    threshold,
    value: value(threshold),
    thresholds,
    valueEach: value(thresholds),
    half: value(0.5),
    classes: each,
  }
}

const betas = { 'f0.5': 0.5, f1: 1, f2: 2 }

/** A metric as a ratio of sums over decisions: the terms that one decision `given` (0 or 1) adds to the numerator
 *  (`above`) and the denominator (`below`), if the label is `there` (0 or 1). */
type Parts = { above(there: number, given: number): number; below(there: number, given: number): number }

function partsOf(metric: ThresholdMetric): Parts {
  if (metric === 'accuracy') return { above: (there, given) => Number(there === given), below: () => 1 }
  const beta = betas[metric]
  if (beta === undefined)
    throw new TrainingError(
      `bestThresholds: got metric "${metric}"; expected one of accuracy, ${Object.keys(betas).join(', ')}`,
    )
  const b2 = beta * beta
  return { above: (there, given) => (1 + b2) * there * given, below: (there, given) => b2 * there + given }
}

/** The threshold with the highest mean over the groups; decision i is in group ⌊i / each⌋ mod count. Without groups all
 *  decisions are one group. scores, targets: [K]. */
function search(
  scores: Float32Array,
  targets: ArrayLike<number>,
  { above, below }: Parts,
  { each, count }: { each: number; count: number } = { each: Number.POSITIVE_INFINITY, count: 1 },
): number {
  const groupOf = count === 1 ? () => 0 : (i: number) => Math.floor(i / each) % count
  const [top, bottom] = [new Float64Array(count), new Float64Array(count)]
  for (let i = 0; i < scores.length; i++) {
    const g = groupOf(i)
    top[g]! += above(targets[i]!, 0)
    bottom[g]! += below(targets[i]!, 0)
  }
  const more = [0, 1].map(there => [above(there, 1) - above(there, 0), below(there, 1) - below(there, 0)] as const)
  let sum = top.reduce((total, v, g) => total + share(v, bottom[g]!), 0)
  const order = falling(scores)
  let best = { threshold: 0.5, value: Number.NEGATIVE_INFINITY }
  const offer = (low: number, high: number) => {
    const value = sum / count
    if (value < best.value - rounding) return
    const threshold = between(low, high)
    const nearer = Math.abs(threshold - 0.5) < Math.abs(best.threshold - 0.5)
    if (value > best.value + rounding || nearer) best = { threshold, value }
  }
  offer(scores[order[0]!] ?? 0, Number.POSITIVE_INFINITY)
  for (let k = 0; k < order.length; ) {
    const high = scores[order[k]!]!
    do {
      const i = order[k]!
      const g = groupOf(i)
      const [up, down] = more[targets[i]!]!
      if (bottom[g] !== 0) sum -= top[g]! / bottom[g]!
      top[g]! += up
      bottom[g]! += down
      if (bottom[g] !== 0) sum += top[g]! / bottom[g]!
    } while (++k < order.length && scores[order[k]!] === high)
    offer(k < order.length ? scores[order[k]!]! : Number.NEGATIVE_INFINITY, high)
  }
  return best.threshold
}

const rounding = 1e-11 // of a mean that is updated by sums and differences

/** The threshold for a score in (low, high]: 0.5 if it is inside, else the middle. */
function between(low: number, high: number): number {
  if (low < 0.5 && high >= 0.5) return 0.5
  if (high === Number.POSITIVE_INFINITY) return low < 1 ? (low + 1) / 2 : 1 + 2 ** -20 // nothing is given
  return low === Number.NEGATIVE_INFINITY ? high / 2 : (low + high) / 2
}

/** The indices of the scores from the highest on, without NaN. Floats from 0 on have the same order as their bits. */
function falling(scores: Float32Array): Uint32Array {
  const keys = new BigUint64Array(scores.length)
  const words = new Uint32Array(keys.buffer) // low word first
  const bits = new Uint32Array(scores.map(p => p + 0).buffer) // no −0
  let count = 0
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) continue
    words[2 * count] = i
    words[2 * count++ + 1] = bits[i]!
  }
  keys.subarray(0, count).sort()
  const order = new Uint32Array(count)
  for (let k = 0; k < count; k++) order[k] = words[2 * (count - 1 - k)]!
  return order
}

/** Pictures by whether the label is there, given at threshold `a`, given at threshold `b`. */
type Cell = { there: number; a: number; b: number; count: number }

function cellsOf(scores: Float32Array, targets: ArrayLike<number>, a: number, b: number): Cell[] {
  const counts = new Float64Array(8)
  for (let i = 0; i < scores.length; i++)
    counts[4 * targets[i]! + 2 * Number(scores[i]! >= a) + Number(scores[i]! >= b)]!++
  return Array.from(counts, (count, i) => ({ there: i >> 2, a: (i >> 1) & 1, b: i & 1, count }))
}

const ratio = (cells: readonly Cell[], { above, below }: Parts, at: 'a' | 'b'): number => {
  const sum = (part: Parts['above']) => cells.reduce((total, c) => total + c.count * part(c.there, c[at]), 0)
  return share(sum(above), sum(below))
}

/** Whether the metric at `a` exceeds that at `b` by more than `errors` standard errors of their difference, by the
 *  delta method for ratios of means over the same pictures. */
function surelyBetter(cells: readonly Cell[], parts: Parts, errors: number): boolean {
  const n = cells.reduce((sum, c) => sum + c.count, 0)
  const influence = (at: 'a' | 'b') => {
    const value = ratio(cells, parts, at)
    const below = cells.reduce((sum, c) => sum + c.count * parts.below(c.there, c[at]), 0) / n
    return (c: Cell) => share(parts.above(c.there, c[at]) - value * parts.below(c.there, c[at]), below)
  }
  const [a, b] = [influence('a'), influence('b')]
  const variance = cells.reduce((sum, c) => sum + c.count * (a(c) - b(c)) ** 2, 0) / n ** 2
  const gain = ratio(cells, parts, 'a') - ratio(cells, parts, 'b')
  return gain > 1e-12 && gain > errors * Math.sqrt(variance)
}
