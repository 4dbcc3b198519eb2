import { purpose, rng, shuffle } from '../../base/random.ts'
import type { PartResult, TableBaseline } from '../../runs/index.ts'
import { encodedPart } from '../encoded.ts'
import type { FitTableModel, LabelledRows, TableModel, Targets } from '../types.ts'
import { linearModel } from './linear.ts'
import { type Decision, leadingOf, scoredTogether, tableMetrics, targetsAt, widthOf } from './metrics.ts'

interface Context {
  train: LabelledRows
  /** Training rows for the linear model, where those of `train` are no longer there. */
  some?: LabelledRows | undefined
  valid: LabelledRows
  decision: Decision
  seed: number
  threads?: number | undefined
  signal?: AbortSignal | undefined
  fit: FitTableModel
  /** The settings of the run's own trees, where its model is trees. */
  trees?: { epochs?: number | undefined; lr?: number | undefined } | undefined
}

/** Simpler models on the same rows: the mean of the targets or the shares of the classes, a linear model, and trees where
 *  the run's own model is not trees. `own`: the models that the run has trained; its trees are not trained again. Each is scored on the validation rows, as the run's own outputs are (`whole`).
 *  `problem`: called with what failed; a baseline that fails is left out. */
export async function baselines(
  own: readonly TableModel[],
  context: Context & { outputs: Float64Array },
  problem: (message: string) => void,
): Promise<{ whole: PartResult; others: TableBaseline[] }> {
  const { train, some = train, valid, decision, seed, signal, threads, fit } = context
  const { task } = train.y
  const kinds: [name: string, text: string, outputs: () => Promise<Float64Array>][] = [
    [
      task === 'single' ? 'class shares' : 'mean',
      task === 'single' ? 'the share of each class in training, for every row' : 'the mean of training, for every row',
      async () => constant(train.y, valid.x.rows),
    ],
    [
      'linear',
      task === 'single' ? 'logistic regression' : 'ridge regression',
      async () => (await linearModel({ train: some, valid }, { signal }))(valid.x),
    ],
    ...(own.length === 1 && own[0]!.name === 'trees'
      ? []
      : ([
          [
            'trees',
            'LightGBM',
            async () => {
              const trees =
                own.find(({ name }) => name === 'trees') ??
                (await fit('trees', { train, valid, seed, threads, signal }))
              return trees.predict(valid.x, { signal })
            },
          ],
        ] as [string, string, () => Promise<Float64Array>][])),
  ]
  const told: { name: string; text: string; seconds: number; outputs: Float64Array }[] = []
  for (const [name, text, outputs] of kinds) {
    const began = performance.now()
    try {
      told.push({ name, text, outputs: await outputs(), seconds: (performance.now() - began) / 1000 })
    } catch (error) {
      if (signal?.aborted || (error as Error).name === 'AbortError') throw error
      problem(`the comparison with ${text} is missing: ${(error as Error).message}`)
    }
  }
  const of = [leadingOf(valid.y)]
  const [whole, ...parts] = scoredTogether(
    valid.y,
    [{ outputs: context.outputs }, ...told.map(({ outputs }) => ({ outputs, of }))],
    { decision, seed },
  )
  const others = told.map(({ outputs: _, ...about }, i) => {
    const { metrics, intervals = {} } = parts[i]!
    return { ...about, metrics, intervals }
  })
  return { whole: whole!, others }
}

/** The mean of the targets, or the shares of the classes, in every row. */
export function constant({ task, classes, values }: Targets, rows: number): Float64Array {
  const width = classes.length
  const one = new Float64Array(width)
  if (task === 'single') for (const value of values) one[value]! += 1 / values.length
  else for (const [i, value] of values.entries()) one[i % width]! += (value * width) / values.length
  const all = new Float64Array(rows * width)
  for (let row = 0; row < rows; row++) all.set(one, row * width)
  return all
}

const shares = [1 / 8, 1 / 4, 1 / 2, 1]
/** A learning curve is drawn where trees on all rows take less than this. */
const cheap = 3 // seconds
const leastRows = 200

/** The leading metric of trees on an eighth, a quarter, half and all of the training rows, drawn at random; empty where that
 *  is not cheap. `seconds`: the time of trees on all rows, where it is known. */
export async function learningCurve(
  { train, valid, decision, seed, threads, signal, fit, trees = {} }: Context,
  whole: TableBaseline | undefined,
): Promise<{ rows: number; value: number }[]> {
  if (!whole || whole.seconds > cheap || train.x.rows < leastRows) return []
  const leading = leadingOf(valid.y)
  const order = shuffle(
    Int32Array.from({ length: train.x.rows }, (_, i) => i),
    rng(seed, 0, 0, purpose.split),
  )
  const points: { rows: number; value: number }[] = []
  for (const share of shares) {
    if (share === 1) {
      points.push({ rows: train.x.rows, value: whole.metrics[leading]! })
      continue
    }
    const rows = order.slice(0, Math.round(share * train.x.rows)).sort()
    const part = { x: encodedPart(train.x, rows), y: targetsAt(train.y, rows) }
    if (widthOf(part.y) === 1 && part.y.task === 'single' && new Set(part.y.values).size < train.y.classes.length)
      continue
    const model = await fit('trees', { train: part, valid, seed, threads, signal, ...trees })
    const value = tableMetrics(valid.y, await model.predict(valid.x, { signal }), decision)[leading]!
    points.push({ rows: rows.length, value })
  }
  return points
}
