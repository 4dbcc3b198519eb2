import { purpose, rng, shuffle } from '../../base/random.ts'
import { turn } from '../../train/stop.ts'
import type { Encoded, Targets } from '../types.ts'
import { type Decision, goodness, rowsIn } from './metrics.ts'
import { type ColumnFeatures, repeated } from './rows.ts'

/** Outputs for encoded rows: probabilities [rows × classes], or values [rows × targets]. */
export type Predict = (x: Encoded) => Promise<Float64Array>

/** What the leading metric loses when one column's values are shuffled among the rows (Breiman 2001): mean and standard
 *  deviation over the repeats. A loss near 0: the model does not need the column, or another one tells the same. */
export interface Importance {
  column: string
  mean: number
  std: number
}

const repeats = 5

/** Permutation importance of each column of the table, all features of a column shuffled together; the most important
 *  first. x, y: validation rows. */
export async function permutationImportance(
  { x, y }: { x: Encoded; y: Targets },
  features: readonly ColumnFeatures[],
  {
    predict,
    decision,
    seed,
    signal,
  }: { predict: Predict; decision: Decision; seed: number; signal?: AbortSignal | undefined },
): Promise<Importance[]> {
  const base = goodness(y, await predict(x), decision)
  const rows = rowsIn(y)
  const width = y.classes.length
  const found: Importance[] = []
  // One copy for all columns: each one is put back after its turn. A copy for each would be most of the work in a wide table.
  const changed = repeated(x, repeats)
  for (const [f, feature] of features.entries()) {
    for (let r = 0; r < repeats; r++) {
      const order = shuffle(
        Int32Array.from({ length: rows }, (_, i) => i),
        rng(seed, f, r, purpose.bootstrap),
      )
      takeFeatures(changed, r * rows, { from: x, feature, row: i => order[i]!, rows })
    }
    const outputs = await predict(changed)
    const lost = Array.from(
      { length: repeats },
      (_, r) => base - goodness(y, outputs.subarray(r * rows * width, (r + 1) * rows * width), decision),
    )
    const mean = lost.reduce((a, b) => a + b) / repeats
    const std = Math.sqrt(lost.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (repeats - 1))
    found.push({ column: feature.column, mean, std })
    takeFeatures(changed, 0, { from: x, feature, row: i => i % rows, rows: repeats * rows })
    await turn(signal)
  }
  return found.sort((a, b) => b.mean - a.mean)
}

/** Writes the features of one column into rows of `into` from row `at` on: those of row `row(i)` of `from`. */
export function takeFeatures(
  into: Encoded,
  at: number,
  { from, feature, row, rows }: { from: Encoded; feature: ColumnFeatures; row: (i: number) => number; rows: number },
): void {
  const [n, c] = [into.numberNames.length, into.categoryNames.length]
  for (let i = 0; i < rows; i++) {
    const [to, source] = [at + i, row(i)]
    for (const k of feature.numbers) into.numbers[to * n + k] = from.numbers[source * n + k]!
    for (const k of feature.categories) into.categories[to * c + k] = from.categories[source * c + k]!
  }
}
