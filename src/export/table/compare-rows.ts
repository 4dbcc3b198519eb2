import { decide } from '../../tabular/run/metrics.ts'
import type { TargetInfo } from '../../tabular/types.ts'
import type { OpenTableModel } from './open.ts'
import type { Answers } from './run-rows.ts'

/** The largest difference that is accepted: of a probability; of a value, as a share of its size or of the deviation of the
 *  target's predictions. Nets add in float32, in another order in each runtime. */
export const tableTolerance = 1e-4

/** What a comparison of rows found. */
export interface Compared {
  rows: number
  /** Rows with the same label, and rows that differ by more than the tolerance. */
  same: number
  others: number
  difference: number
}

/** How many rows have the same label, and the largest difference. A label may differ where the trained model is at the edge
 *  between two, within the tolerance. */
export function compared(
  { card: { target }, decision }: OpenTableModel,
  trained: Float64Array,
  { numbers, labels }: Answers,
): Compared {
  const { task, classes } = target
  const width = classes.length
  const each = rowDifferences(trained, numbers, target)
  const rows = trained.length / width
  const difference = largestOf(each)
  const others = each.filter(off => !(off <= tableTolerance)).length
  if (task === 'regression') return { rows, same: rows, others, difference }
  const wanted = decide(trained, width, decision)
  let same = 0
  for (const [row, label] of labels.entries()) {
    const own = trained.subarray(row * width, (row + 1) * width)
    const other = classes.indexOf(label)
    const edge =
      decision.positive !== undefined && width === 2
        ? Math.abs(own[decision.positive]! - (decision.threshold ?? 0.5))
        : own[wanted[row]!]! - (own[other] ?? Number.NEGATIVE_INFINITY)
    if (other === wanted[row] || edge <= 2 * tableTolerance) same++
  }
  return { rows, same, others, difference }
}

/** The largest difference of probabilities, or of values as shares of their unit; NaN where an answer is no number. */
export const largestDifference = (
  trained: ArrayLike<number>,
  got: ArrayLike<number>,
  target: Pick<TargetInfo, 'task' | 'classes'>,
): number => largestOf(rowDifferences(trained, got, target))

const largestOf = (each: Float64Array): number => each.reduce(larger, 0)

/** The largest difference of each row. */
export function rowDifferences(
  trained: ArrayLike<number>,
  got: ArrayLike<number>,
  { task, classes }: Pick<TargetInfo, 'task' | 'classes'>,
): Float64Array {
  if (trained.length !== got.length) return Float64Array.of(Number.NaN)
  const width = classes.length
  const units = classes.map((_, t) => (task === 'single' ? 1 : deviation(trained, t, width)))
  const each = new Float64Array(trained.length / width)
  for (let i = 0; i < trained.length; i++) {
    const unit = task === 'single' ? 1 : Math.max(units[i % width]!, Math.abs(trained[i]!))
    const row = Math.floor(i / width)
    each[row] = larger(each[row]!, Math.abs(trained[i]! - got[i]!) / unit)
  }
  return each
}

function deviation(values: ArrayLike<number>, column: number, width: number): number {
  const own = Array.from({ length: values.length / width }, (_, row) => values[row * width + column]!)
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length
  return Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length) || 1
}

/** The larger number, or NaN where one is no number. */
export const larger = (a: number, b: number): number =>
  Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.max(a, b)
