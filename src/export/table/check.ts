import { ModelError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import type { TableCheck } from '../../onnx/index.ts'
import { decide } from '../../tabular/run/metrics.ts'
import type { TargetInfo } from '../../tabular/types.ts'
import { median } from '../compare.ts'
import type { CheckOptions } from '../options.ts'
import { type Loaded, load, type Value } from '../runtimes.ts'
import { type OpenTableModel, trainedAnswers } from './open.ts'
import type { TableOutputNames } from './outputs.ts'
import type { CheckRows } from './rows.ts'

/** The largest difference that is accepted: of a probability; of a value, as a share of its size or of the deviation of the
 *  target's predictions. Nets add in float32, in another order in each runtime. */
export const tableTolerance = 1e-4

/** Rows that go through a runtime at once; the first ones go alone, which is timed. */
const atOnce = 256
const alone = 20

/** Rows of a check: made ones, and those of the validation part where the table is at hand. */
export interface CheckParts {
  made: CheckRows
  valid?: CheckRows | undefined
}

/** Compares an exported file with the trained model row by row, in each runtime. */
export async function checkTable(
  model: OpenTableModel,
  { file, outputs }: { file: Uint8Array; outputs: TableOutputNames },
  parts: CheckParts,
  { runtimes, signal, progress = () => {} }: CheckOptions,
): Promise<TableCheck[]> {
  const all = [parts.made, ...(parts.valid ? [parts.valid] : [])]
  const trained = await Promise.all(all.map(({ frame }) => trainedAnswers(model, frame, signal)))
  const checks: TableCheck[] = []
  for (const runtime of runtimes) {
    const loaded = await load(runtime, file)
    try {
      const times: number[] = []
      let [same, difference, rows] = [0, 0, 0]
      for (const [i, part] of all.entries()) {
        const got = await answersOf(loaded, part, { outputs, times, signal, progress })
        const found = compared(model, trained[i]!, got)
        same += found.same
        difference = Number.isNaN(found.difference) ? Number.NaN : Math.max(difference, found.difference)
        rows += part.frame.rows
      }
      checks.push({
        runtime: loaded.name,
        made: parts.made.frame.rows,
        valid: parts.valid?.frame.rows ?? 0,
        same: same / rows,
        difference,
        tolerance: tableTolerance,
        milliseconds: median(times),
      })
    } finally {
      await loaded.release()
    }
  }
  return checks
}

/** The answers of a runtime: numbers [rows × outputs], and labels. */
interface Answers {
  numbers: Float64Array
  labels: string[]
}

/** Runs rows, some at a time. */
export async function answersOf(
  loaded: Loaded,
  { frame, feeds }: CheckRows,
  {
    outputs,
    times = [],
    signal,
    progress = () => {},
  }: { outputs: TableOutputNames; times?: number[] } & Omit<CheckOptions, 'runtimes'>,
): Promise<Answers> {
  const numbers: number[] = []
  const labels: string[] = []
  for (let from = 0; from < frame.rows; ) {
    signal?.throwIfAborted()
    const count = from < alone ? 1 : Math.min(atOnce, frame.rows - from)
    const some = Object.entries(feeds).map(([name, { data }]): [string, Value] => [
      name,
      { data: data.slice(from, from + count), dims: [count, 1] },
    ])
    const start = performance.now()
    const found = await loaded.run(Object.fromEntries(some))
    if (count === 1) times.push(performance.now() - start)
    const { probabilities, values, label } = outputs
    for (const value of found[(probabilities ?? values)!]!.data as Float32Array) numbers.push(value)
    if (label !== undefined) labels.push(...(found[label]!.data as readonly string[]))
    from += count
    progress('checked rows', from, frame.rows)
  }
  return { numbers: Float64Array.from(numbers), labels }
}

/** How many rows have the same label, and the largest difference. A label may differ where the trained model is at the edge
 *  between two, within the tolerance. */
function compared(
  { card: { target }, decision }: OpenTableModel,
  trained: Float64Array,
  { numbers, labels }: Answers,
): { same: number; difference: number } {
  const { task, classes } = target
  const width = classes.length
  const difference = largestDifference(trained, numbers, target)
  if (task === 'regression') return { same: trained.length / width, difference }
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
  return { same, difference }
}

/** The largest difference of probabilities, or of values as shares of their unit; NaN where an answer is no number. */
export function largestDifference(
  trained: ArrayLike<number>,
  got: ArrayLike<number>,
  { task, classes }: Pick<TargetInfo, 'task' | 'classes'>,
): number {
  if (trained.length !== got.length) return Number.NaN
  const width = classes.length
  const units = classes.map((_, t) => (task === 'single' ? 1 : deviation(trained, t, width)))
  let most = 0
  for (let i = 0; i < trained.length; i++) {
    const unit = task === 'single' ? 1 : Math.max(units[i % width]!, Math.abs(trained[i]!))
    const off = Math.abs(trained[i]! - got[i]!) / unit
    if (!(off <= most)) most = off
    if (Number.isNaN(off)) return Number.NaN
  }
  return most
}

function deviation(values: ArrayLike<number>, column: number, width: number): number {
  const own = Array.from({ length: values.length / width }, (_, row) => values[row * width + column]!)
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length
  return Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length) || 1
}

/** Throws where a check is outside the tolerance. */
export function refuseTable(checks: readonly TableCheck[], what: string): void {
  for (const { runtime, same, difference, tolerance, made, valid } of checks)
    if (!(difference <= tolerance) || same < 1)
      throw new ModelError(
        `${what}: in ${runtime} it does not answer as the trained model does. Over ${plural(made + valid, 'row')} the largest difference is ${difference.toPrecision(2)}, expected at most ${tolerance}; ${percent(same)} of the labels are the same. This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
      )
}
