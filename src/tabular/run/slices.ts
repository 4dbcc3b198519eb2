import type { TableSlice } from '../../runs/index.ts'
import type { Frame, FrameColumn, Targets } from '../types.ts'
import { type Decision, leadingOf, rowsIn, tableMetrics, targetsAt } from './metrics.ts'

/** A slice has at least so many rows, and this share of all. */
const least = { rows: 20, share: 0.01 }
const most = 10
const parts = 4
/** How many standard errors the mean loss of a slice must lie above that of all rows. */
const errors = 2

/** The parts of the validation rows on which the model does worst: rows with one word in a column, in one quarter of its
 *  numbers, or without a value. Only those whose mean loss is above that of all rows by more than chance, the worst
 *  first. `losses`: of each row. */
export function worstSlices(
  frame: Frame,
  columns: readonly string[],
  { targets, outputs, decision }: { targets: Targets; outputs: Float64Array; decision: Decision },
): TableSlice[] {
  const losses = rowLosses(targets, outputs)
  const all = mean(losses)
  const width = targets.classes.length
  const fewest = Math.max(least.rows, least.share * losses.length)
  const leading = leadingOf(targets)
  return columns
    .flatMap(name => {
      const column = frame.columns.find(c => c.name === name)
      return column ? slicesOf(column).map(slice => ({ column: name, ...slice })) : []
    })
    .filter(({ rows }) => rows.length >= fewest && rows.length < losses.length)
    .map(({ column, where, rows }) => {
      const own = rows.map(row => losses[row]!)
      const loss = mean(own)
      const deviation = Math.sqrt(own.reduce((sum, v) => sum + (v - loss) ** 2, 0) / (own.length - 1))
      return { column, where, rows, loss, sure: loss - all > (errors * deviation) / Math.sqrt(own.length) }
    })
    .filter(({ sure }) => sure)
    .sort((a, b) => b.loss - a.loss)
    .slice(0, most)
    .map(({ column, where, rows, loss }) => {
      const told = new Float64Array(rows.length * width)
      rows.forEach((row, i) => {
        told.set(outputs.subarray(row * width, (row + 1) * width), i * width)
      })
      const metrics = tableMetrics(targetsAt(targets, rows), told, decision)
      return { column, where, rows: rows.length, loss, value: metrics[leading]! }
    })
}

/** Log loss of each row, or its mean absolute error over the targets, each in units of its standard deviation. */
export function rowLosses({ task, classes, values }: Targets, outputs: Float64Array): Float64Array {
  const width = classes.length
  if (task === 'single')
    return Float64Array.from(values, (value, row) => -Math.log(Math.max(2 ** -52, outputs[row * width + value]!)))
  const scales = classes.map((_, t) => {
    const own = values.filter((_, i) => i % width === t)
    const middle = mean(own)
    return Math.sqrt(mean(own.map(v => (v - middle) ** 2))) || 1
  })
  return Float64Array.from({ length: rowsIn({ task, classes, values, columns: [] }) }, (_, row) =>
    mean(scales.map((scale, t) => Math.abs(values[row * width + t]! - outputs[row * width + t]!) / scale)),
  )
}

function slicesOf(column: FrameColumn): { where: string; rows: number[] }[] {
  const { names, of } = column.type === 'words' ? byWord(column.values) : byQuarter(column)
  const groups = Array.from({ length: names.length + 1 }, (): number[] => [])
  for (let row = 0; row < of.length; row++) groups[of[row]! < 0 ? names.length : of[row]!]!.push(row)
  return groups.flatMap((rows, i) => (rows.length > 0 ? [{ where: names[i] ?? 'missing', rows }] : []))
}

/** The group of each row, -1 where the value is missing, and the names of the groups. */
interface Groups {
  names: readonly string[]
  of: Int32Array
}

const byWord = ({ codes, words }: { codes: Int32Array; words: readonly string[] }): Groups => ({
  names: words.map(word => `= ${word}`),
  of: codes,
})

function byQuarter({ values, type }: Extract<FrameColumn, { type: 'number' | 'date' }>): Groups {
  const sorted = values.filter(v => !Number.isNaN(v)).sort()
  const edges = [
    ...new Set(Array.from({ length: parts - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / parts)]!)),
  ]
  const of = new Int32Array(values.length).fill(-1)
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!
    if (Number.isNaN(value)) continue
    let i = 0
    while (i < edges.length && value >= edges[i]!) i++
    of[row] = i
  }
  return { names: Array.from({ length: edges.length + 1 }, (_, i) => between(edges, i, type)), of }
}

/** The name of a quarter: `< 3`, `3 to 7`, `≥ 7`. */
function between(edges: readonly number[], i: number, type: 'number' | 'date'): string {
  const said = (v: number) =>
    type === 'date' ? new Date(1000 * v).toISOString().slice(0, 10) : String(Number(v.toPrecision(6)))
  if (edges.length === 0) return 'all'
  if (i === 0) return `< ${said(edges[0]!)}`
  return i === edges.length ? `≥ ${said(edges[i - 1]!)}` : `${said(edges[i - 1]!)} to ${said(edges[i]!)}`
}

const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}
