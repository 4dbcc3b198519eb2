import type { Task } from '../data/types.ts'

/** The loss of each sample: log loss of probabilities, for `multi` its mean over the labels; for `regression` the mean
 *  squared error of the values, each divided by its `scale`. outputs: [N × classes]; targets: [N] for `single`, else
 *  [N × classes]. Returns [N]. */
export function sampleLosses(
  outputs: ArrayLike<number>,
  targets: ArrayLike<number>,
  classes: number,
  { task, scale }: { task: Task; scale?: ArrayLike<number> | undefined },
): Float64Array {
  const log = (p: number) => -Math.log(Math.max(p, 1e-7))
  const one = (p: number, y: number, c: number) =>
    task === 'multi' ? y * log(p) + (1 - y) * log(1 - p) : ((p - y) / (scale?.[c] || 1)) ** 2
  return Float64Array.from({ length: outputs.length / classes }, (_, i) => {
    if (task === 'single') return log(outputs[i * classes + targets[i]!]!)
    let sum = 0
    for (let c = 0; c < classes; c++) sum += one(outputs[i * classes + c]!, targets[i * classes + c]!, c)
    return sum / classes
  })
}

/** The mean of some numbers. */
export const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** The mean of a − b over the same samples, and its standard error. */
export interface PairedDifference {
  mean: number
  error: number
}

/** Compares two nets by their losses on the same samples: below 0, `a` is better. */
export function pairedDifference(a: ArrayLike<number>, b: ArrayLike<number>): PairedDifference {
  const differences = Float64Array.from(a, (v, i) => v - b[i]!)
  const mean = meanOf(differences)
  const squares = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0)
  const n = differences.length
  return { mean, error: Math.sqrt(squares / Math.max(1, n - 1) / n) }
}
