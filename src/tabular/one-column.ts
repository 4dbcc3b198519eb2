import { purpose, rng } from '../base/random.ts'
import { gather } from './gather.ts'
import type { TableTarget } from './target.ts'
import type { FrameColumn } from './types.ts'

/** How well one column alone predicts the target of rows that its model has not seen. */
export interface OneColumn {
  /** Classes: the area under the ROC curve, the mean over classes by their size. Numbers: R². */
  score: number
  /** How many rows were looked at. */
  rows: number
}

const folds = 5
const bins = 100
const mostRows = 50_000
const mostClasses = 20
/** Rows that the mean of all rows counts for in the mean of a bin. */
const prior = 1

/** Rows of a target for scores of single columns: at most 50,000, drawn by the seed, with a fold each. */
export interface Sample {
  rows: Int32Array
  fold: Uint8Array
  target: TableTarget
  /** The outcomes: one indicator for each class (two classes: one), or the first number. */
  outcomes: readonly { y: Float64Array; weight: number }[]
}

/** Draws the rows on which single columns are judged. */
export function sampleOf(target: TableTarget, seed: number): Sample {
  const { info, values } = target
  const random = rng(seed, 0, 7, purpose.split)
  const share = Math.min(1, mostRows / target.rows.length)
  const rows = share < 1 ? target.rows.filter(() => random.chance(share)) : target.rows
  const fold = Uint8Array.from(rows, () => random.integer(folds))
  if (info.task === 'regression') {
    const width = info.columns.length
    const outcomes = info.columns.map((_, j) => ({
      y: Float64Array.from(rows, row => values[row * width + j]!),
      weight: 1 / width,
    }))
    return { rows, fold, target, outcomes }
  }
  const counts = new Uint32Array(info.classes.length)
  for (const row of rows) counts[values[row]!]!++
  const own = Array.from(counts.keys())
    .filter(k => counts[k]! >= 2 * folds)
    .sort((a, b) => counts[b]! - counts[a]!)
  const used = info.classes.length === 2 ? own.slice(0, 1) : own.slice(0, mostClasses)
  const total = used.reduce((sum, k) => sum + counts[k]!, 0)
  const outcomes = used.map(k => ({
    y: Float64Array.from(rows, row => Number(values[row] === k)),
    weight: counts[k]! / total,
  }))
  return { rows, fold, target, outcomes }
}

/** The bin of each row: the word, or one of 100 bins of as many rows; 0 where the value is missing. */
export function binsOf(column: FrameColumn, rows: Int32Array): { of: Int32Array; count: number } {
  if (column.type === 'words')
    return { of: Int32Array.from(rows, row => column.values.codes[row]! + 1), count: column.values.words.length + 1 }
  const { values } = column
  const own = gather(values, rows)
  const sorted = own.filter(value => !Number.isNaN(value)).sort()
  const edges = new Set<number>()
  for (let b = 1; b < bins; b++) if (sorted.length > 0) edges.add(sorted[Math.floor((b * sorted.length) / bins)]!)
  const limits = Float64Array.from(edges)
  const of = Int32Array.from(own, value => {
    if (Number.isNaN(value)) return 0
    let [low, high] = [0, limits.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (limits[middle]! <= value) low = middle + 1
      else high = middle
    }
    return low + 1
  })
  return { of, count: limits.length + 2 }
}

/** The score of a model of one column: each row is predicted by the mean of the rows in its bin in other folds. */
export function scoreOf(column: FrameColumn, { rows, fold, target, outcomes }: Sample): OneColumn {
  const { of, count } = binsOf(column, rows)
  const cell = of.map((bin, i) => bin * folds + fold[i]!)
  let score = 0
  for (const { y, weight } of outcomes) {
    const { sums, sizes, predicted } = crossFitted(y, cell, count)
    const single = target.info.task === 'single'
    const own = single ? auc(predicted, sums, sizes) : Math.max(rSquared(y, cell, predicted), likeness(column, rows, y))
    score += weight * own
  }
  return { score, rows: rows.length }
}

/** Of each bin and fold: the sum of the outcomes, the rows, and what the rows of the bin in other folds predict. */
function crossFitted(y: Float64Array, cell: Int32Array, count: number) {
  const sums = new Float64Array(count * folds)
  const sizes = new Float64Array(count * folds)
  for (let i = 0; i < y.length; i++) {
    sums[cell[i]!]! += y[i]!
    sizes[cell[i]!]!++
  }
  const perFold = (values: Float64Array) => {
    const all = new Float64Array(folds)
    for (let at = 0; at < values.length; at++) all[at % folds]! += values[at]!
    return all
  }
  const [foldSums, foldSizes] = [perFold(sums), perFold(sizes)]
  const total = foldSums.reduce((a, b) => a + b, 0)
  const predicted = new Float64Array(count * folds)
  for (let bin = 0; bin < count; bin++) {
    let [sum, size] = [0, 0]
    for (let f = 0; f < folds; f++) {
      sum += sums[bin * folds + f]!
      size += sizes[bin * folds + f]!
    }
    for (let f = 0; f < folds; f++) {
      const at = bin * folds + f
      const mean = (total - foldSums[f]!) / Math.max(1, y.length - foldSizes[f]!)
      predicted[at] = (sum - sums[at]! + prior * mean) / (size - sizes[at]! + prior)
    }
  }
  return { sums, sizes, predicted }
}

/** The area under the ROC curve of rows in groups with one score each, with ties counted half, as scikit-learn's
 *  `roc_auc_score`. 0.5 for one class. */
export function auc(scores: Float64Array, positives: Float64Array, sizes: Float64Array): number {
  const order = Uint32Array.from(scores.keys())
    .filter(i => sizes[i]! > 0)
    .sort((a, b) => scores[a]! - scores[b]!)
  let [below, pairs, all] = [0, 0, 0]
  for (let i = 0, end = 0; i < order.length; i = end) {
    let [yes, no] = [0, 0]
    for (; end < order.length && scores[order[end]!] === scores[order[i]!]; end++) {
      yes += positives[order[end]!]!
      no += sizes[order[end]!]! - positives[order[end]!]!
    }
    pairs += yes * (below + no / 2)
    below += no
    all += yes
  }
  return all === 0 || below === 0 ? 0.5 : pairs / (all * below)
}

function rSquared(y: Float64Array, cell: Int32Array, predicted: Float64Array): number {
  const mean = y.reduce((a, b) => a + b, 0) / y.length
  let [left, all] = [0, 0]
  for (let i = 0; i < y.length; i++) {
    left += (y[i]! - predicted[cell[i]!]!) ** 2
    all += (y[i]! - mean) ** 2
  }
  return all === 0 ? 0 : 1 - left / all
}

/** The square of the correlation of a number with the target, by value or by rank, whichever is larger. Bins alone miss
 *  a copy of a skewed target. */
function likeness(column: FrameColumn, rows: Int32Array, y: Float64Array): number {
  if (column.type === 'words') return 0
  const there = Int32Array.from(rows.keys()).filter(i => !Number.isNaN(column.values[rows[i]!]!))
  if (there.length < Math.max(20, rows.length / 2)) return 0
  const [x, t] = [Float64Array.from(there, i => column.values[rows[i]!]!), Float64Array.from(there, i => y[i]!)]
  return Math.max(correlation(x, t) ** 2, correlation(ranksOf(x), ranksOf(t)) ** 2)
}

function correlation(a: Float64Array, b: Float64Array): number {
  const [ma, mb] = [a.reduce((s, v) => s + v, 0) / a.length, b.reduce((s, v) => s + v, 0) / b.length]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb)
    aa += (a[i]! - ma) ** 2
    bb += (b[i]! - mb) ** 2
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb)
}

/** The ranks of numbers; equal ones get their mean rank. */
function ranksOf(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!)
  const ranks = new Float64Array(values.length)
  for (let i = 0, end = 0; i < order.length; i = end) {
    while (end < order.length && values[order[end]!] === values[order[i]!]) end++
    for (let k = i; k < end; k++) ranks[order[k]!] = (i + end - 1) / 2
  }
  return ranks
}
