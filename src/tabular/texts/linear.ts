import { percent } from '../../base/format.ts'
import type { Choice } from '../../data/types.ts'
import { logisticPath } from '../../train/linear/logistic.ts'
import { outOfFold } from '../../train/linear/out-of-fold.ts'
import { ridgePath } from '../../train/linear/ridge.ts'
import { standardised } from '../../train/linear/standardise.ts'
import { trainedValues } from '../models/targets.ts'
import { targetsAt } from '../run/metrics.ts'
import type { ColumnEncoding, Encoding, Frame, FrameColumn, Targets } from '../types.ts'
import { packed } from './packed.ts'

type TextEncoding = Extract<ColumnEncoding, { kind: 'text' }>
type Words = Extract<FrameColumn, { type: 'words' }>

/** More classes than this would be more numbers than they are worth. */
const mostOutputs = 30
/** Rows that the linear model is trained on, evenly taken where there are more. */
const mostRows = 20_000
/** Fewer rows say little about a direction among hundreds. */
const fewestRows = 50
const folds = 5
/** L2 against the mean loss, as for the head of a net for texts. */
const strengths = [3, 1, 0.3, 0.1, 0.03, 0.01]

/** Adds to each column of texts what a linear model on its whole vectors says of the target (stacking; Wolpert 1992): the
 *  directions alone lose what tells classes apart but hardly differs. Training rows get the answers of models that were
 *  trained on other rows (five folds; equal texts, or rows of one group, stay together), so that nothing is learned twice;
 *  all other rows get those of one model on all training rows. */
export async function withAnswers(
  { frame, encoding }: { frame: Frame; encoding: Encoding },
  {
    train,
    targets,
    group,
    seed,
    tell,
    signal,
  }: {
    train: Int32Array
    targets: Targets
    /** The column whose rows of one value belong together. */
    group?: string | undefined
    seed: number
    tell: (choice: Choice) => void
    signal?: AbortSignal | undefined
  },
): Promise<{ frame: Frame; encoding: Encoding }> {
  const columns = new Map<string, { told: Float32Array; linear: NonNullable<TextEncoding['linear']> }>()
  const groups = group === undefined ? undefined : codesIn(frame, group)
  for (const one of encoding.columns) {
    if (one.kind !== 'text') continue
    const column = frame.columns.find(({ name }) => name === one.column) as Words
    const done = await answersOf(column, { train, targets, groups, seed, signal })
    if (!done) continue
    columns.set(one.column, done)
    tell({
      what: `"${one.column}" alone`,
      value: done.score,
      reason:
        'a linear model on its vectors, over five folds of the training rows; its answers are numbers of the model',
    })
  }
  return {
    frame: {
      ...frame,
      columns: frame.columns.map(column => {
        const found = columns.get(column.name)
        return found && column.type === 'words' ? { ...column, told: found.told } : column
      }),
    },
    encoding: {
      columns: encoding.columns.map(one => {
        const found = one.kind === 'text' ? columns.get(one.column) : undefined
        return found ? ({ ...one, linear: found.linear } as TextEncoding) : one
      }),
    },
  }
}

interface Answered {
  /** [rows of the table × outputs]; NaN for rows that the folds did not hold. */
  told: Float32Array
  linear: NonNullable<TextEncoding['linear']>
  score: string
}

/** Vectors of some rows with what is known of them. */
interface Known {
  x: Float32Array
  rows: Int32Array
  /** Rows of one number stay in one fold. */
  groups: readonly number[]
  /** The targets of these rows. */
  own: Targets
  seed: number
  signal?: AbortSignal | undefined
}

async function answersOf(
  { values: { codes }, vectors }: Words,
  {
    train,
    targets,
    groups,
    seed,
    signal,
  }: {
    train: Int32Array
    targets: Targets
    groups: Int32Array | undefined
    seed: number
    signal?: AbortSignal | undefined
  },
): Promise<Answered | undefined> {
  const { task, classes } = targets
  if (classes.length > mostOutputs || !vectors) return undefined
  const filled = train.filter(row => codes[row]! >= 0)
  const step = Math.max(1, Math.ceil(filled.length / mostRows))
  const rows = filled.filter((_, i) => i % step === 0)
  const together = Array.from(rows, row => groups?.[row] ?? codes[row]!)
  if (rows.length < fewestRows || new Set(together).size < 2 * folds) return undefined
  const { width, values } = vectors
  const x = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries())
    x.set(values.subarray(codes[row]! * width, (codes[row]! + 1) * width), i * width)
  const known: Known = { x, rows, groups: together, own: targetsAt(targets, rows), seed, signal }
  const { held, linear, score } = await (task === 'single' ? ofClasses(known) : ofNumbers(known))
  const outputs = held.length / rows.length
  const told = new Float32Array(codes.length * outputs).fill(Number.NaN)
  for (const [i, row] of rows.entries()) told.set(held.subarray(i * outputs, (i + 1) * outputs), row * outputs)
  return { told, linear, score }
}

type Held = Omit<Answered, 'told'> & { held: Float32Array }

/** Classes: logits less their mean; of two classes their difference. */
async function ofClasses({ x, rows, groups, own, seed, signal }: Known): Promise<Held> {
  const { classes } = own
  const count = classes.length
  const y = Int32Array.from(own.values)
  const { outputs, l2 } = await outOfFold(x, y, count, { folds, seed, l2s: strengths, groups, signal })
  const [model] = await logisticPath({ x, y }, count, [l2], { signal })
  const log = outputs.map(p => Math.log(Math.max(1e-7, p)))
  const held = Array.from(rows, (_, i) => contrasts(log.subarray(i * count, (i + 1) * count)))
  const right = rows.filter((_, i) => largest(outputs.subarray(i * count, (i + 1) * count)) === y[i]).length
  const width = model!.weight.length / count
  const by = (of: (c: number) => number) => contrasts(Float32Array.from({ length: count }, (_, c) => of(c)))
  const columns = Array.from({ length: width }, (_, f) => by(c => model!.weight[c * width + f]!))
  const says = count === 2 ? [classes[1]!] : classes
  const weight = new Float32Array(says.length * width)
  for (const [f, column] of columns.entries()) for (const [k, v] of column.entries()) weight[k * width + f] = v
  return {
    held: Float32Array.from(held.flat()),
    linear: { says, weight: packed(weight), bias: by(c => model!.bias[c]!) },
    score: `accuracy ${percent(right / rows.length)}`,
  }
}

/** Numbers, on the scale that models are trained on: less their mean, divided by their deviation. */
async function ofNumbers({ x, groups, own, seed, signal }: Known): Promise<Held> {
  const { classes: says } = own
  const y = trainedValues(own)
  const options = { folds, seed, task: 'regression', l2s: strengths, groups, signal } as const
  const { outputs, l2 } = await outOfFold(x, y, says.length, options)
  const scale = standardised(y, says.length)
  const [model] = await ridgePath({ x, y: scale.values }, says.length, [l2], { signal })
  const held = Float32Array.from(outputs, (v, i) => {
    const t = i % says.length
    return (v - scale.mean[t]!) / scale.std[t]!
  })
  const wrong = held.reduce((sum, v, i) => sum + (v - scale.values[i]!) ** 2, 0)
  const all = scale.values.reduce((sum, v) => sum + v * v, 0)
  return {
    held,
    linear: { says, weight: packed(model!.weight), bias: Array.from(model!.bias) },
    score: `R² ${(1 - wrong / all).toFixed(3)}`,
  }
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, v, i) => (v > values[best]! ? i : best), 0)

/** Logits less their mean; of two classes their difference. */
function contrasts(logits: ArrayLike<number>): number[] {
  if (logits.length === 2) return [logits[1]! - logits[0]!]
  const all = Array.from(logits)
  const mean = all.reduce((sum, v) => sum + v, 0) / all.length
  return all.map(v => v - mean)
}

/** The codes of a column, for rows that belong together. */
function codesIn(frame: Frame, name: string): Int32Array | undefined {
  const column = frame.columns.find(one => one.name === name)
  if (!column) return undefined
  if (column.type === 'words') return column.values.codes
  const known = new Map<number, number>()
  return Int32Array.from(column.values, value => {
    const code = known.get(value) ?? known.size
    known.set(value, code)
    return code
  })
}
