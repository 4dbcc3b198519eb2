import type { LinearModel } from '../../train/linear/logistic.ts'
import { logisticPath } from '../../train/linear/logistic.ts'
import { ridgePath } from '../../train/linear/ridge.ts'
import { blocksOf, encodedPart } from '../encoded.ts'
import type { Encoded, LabelledRows } from '../types.ts'
import { lossOf, targetsAt, widthOf } from './metrics.ts'
import { spread } from './rows.ts'

/** Words of a category that get a feature of their own, the strengths that are tried, and the rows that are used. */
const [mostWords, mostRows] = [30, 50_000]
const strengths = [1, 1e-1, 1e-2, 1e-3]

/** A linear model of a table: outputs of encoded rows. */
export type Linear = (x: Encoded) => Float64Array

/** Logistic or ridge regression to its optimum, with the strength of L2 that validates best: numbers standardised, a flag
 *  for a missing one, one feature for each of the most frequent words. At most 50,000 training rows, evenly taken. */
export async function linearModel(
  { train, valid }: { train: LabelledRows; valid: LabelledRows },
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Linear> {
  const part = linearRows(train)
  const features = featuresFor(part.x)
  const x = features(part.x)
  const { task, classes, values } = part.y
  const models =
    task === 'single'
      ? await logisticPath({ x, y: Int32Array.from(values) }, classes.length, strengths, { signal })
      : await numbers(x, values, widthOf(part.y), signal)
  const outputsOf = (own: typeof models, rows: Encoded): Float64Array[] => {
    const all = own.map(() => new Float64Array(rows.rows * classes.length))
    let at = 0
    for (const block of blocksOf(rows, 8192)) {
      const x = features(block)
      for (const [m, model] of own.entries()) {
        const raw = apply(model, x, block.rows)
        all[m]!.set(task === 'single' ? softmax(raw, classes.length) : raw, at)
      }
      at += block.rows * classes.length
    }
    return all
  }
  const losses = outputsOf(models, valid.x).map(told => lossOf(valid.y, told))
  const best = models[losses.indexOf(Math.min(...losses))] ?? models[0]!
  return rows => outputsOf([best], rows)[0]!
}

/** The training rows that a linear model uses: at most 50,000, evenly taken. */
export function linearRows({ x, y }: LabelledRows): LabelledRows {
  const rows = spread(x.rows, mostRows)
  return rows.length < x.rows ? { x: encodedPart(x, rows), y: targetsAt(y, rows) } : { x, y }
}

/** Ridge regression on standardised targets, its weights for the targets in their own units. */
async function numbers(x: Float32Array, values: Float64Array, targets: number, signal: AbortSignal | undefined) {
  const rows = values.length / targets
  const means = Array.from({ length: targets }, (_, t) => mean(values, targets, t))
  const scales = means.map((m, t) => {
    let sum = 0
    for (let i = t; i < values.length; i += targets) sum += (values[i]! - m) ** 2
    return Math.sqrt(sum / rows) || 1
  })
  const y = Float32Array.from(values, (v, i) => (v - means[i % targets]!) / scales[i % targets]!)
  const found = await ridgePath({ x, y }, targets, strengths, { signal })
  const width = x.length / rows
  return found.map(({ weight, bias }): { weight: ArrayLike<number>; bias: ArrayLike<number> } => ({
    weight: Float64Array.from(weight, (w, i) => w * scales[Math.floor(i / width)]!),
    bias: Float64Array.from(bias, (b, t) => b * scales[t]! + means[t]!),
  }))
}

const mean = (values: Float64Array, targets: number, t: number) => {
  let sum = 0
  for (let i = t; i < values.length; i += targets) sum += values[i]!
  return (sum * targets) / values.length
}

/** How encoded rows become features of a linear model, fitted on these rows: [rows × features]. */
function featuresFor(x: Encoded): (x: Encoded) => Float32Array {
  const [n, c] = [x.numberNames.length, x.categoryNames.length]
  const scales = Array.from({ length: n }, (_, k) => {
    let [count, sum, squares] = [0, 0, 0]
    for (let i = k; i < x.numbers.length; i += n) {
      const v = x.numbers[i]!
      if (Number.isNaN(v)) continue
      count++
      const step = v - sum
      sum += step / count // the running mean
      squares += step * (v - sum)
    }
    return { mean: sum, scale: Math.sqrt(squares / Math.max(1, count)) || 1 }
  })
  const words = Array.from({ length: c }, (_, k) => {
    const counts = new Float64Array(x.cardinalities[k]!)
    for (let i = k; i < x.categories.length; i += c) counts[x.categories[i]!]!++
    const codes = Array.from(counts.keys()).filter(code => counts[code]! > 0)
    return codes.sort((a, b) => counts[b]! - counts[a]! || a - b).slice(0, mostWords)
  })
  const starts: number[] = []
  let width = 2 * n
  for (const codes of words) {
    starts.push(width)
    width += codes.length
  }
  const places = words.map(codes => new Map(codes.map((code, i) => [code, i])))
  return rows => {
    const out = new Float32Array(rows.rows * width)
    for (let i = 0; i < rows.rows; i++) {
      for (let k = 0; k < n; k++) {
        const v = rows.numbers[i * n + k]!
        const { mean, scale } = scales[k]!
        if (Number.isNaN(v)) out[i * width + n + k] = 1
        else out[i * width + k] = Math.max(-10, Math.min(10, (v - mean) / scale))
      }
      for (let k = 0; k < c; k++) {
        const place = places[k]!.get(rows.categories[i * c + k]!)
        if (place !== undefined) out[i * width + starts[k]! + place] = 1
      }
    }
    return out
  }
}

function apply(
  { weight, bias }: LinearModel | { weight: ArrayLike<number>; bias: ArrayLike<number> },
  x: Float32Array,
  rows: number,
): Float64Array {
  const outputs = bias.length
  const width = weight.length / outputs
  const out = new Float64Array(rows * outputs)
  for (let i = 0; i < rows; i++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o]!
      for (let k = 0; k < width; k++) sum += weight[o * width + k]! * x[i * width + k]!
      out[i * outputs + o] = sum
    }
  return out
}

function softmax(logits: Float64Array, classes: number): Float64Array {
  for (let i = 0; i < logits.length; i += classes) {
    const row = logits.subarray(i, i + classes)
    const top = row.reduce((a, b) => Math.max(a, b))
    for (let k = 0; k < classes; k++) row[k] = Math.exp(row[k]! - top)
    const total = row.reduce((a, b) => a + b)
    for (let k = 0; k < classes; k++) row[k] = row[k]! / total
  }
  return logits
}
