import type { Evaluation } from '../../train/evaluate.ts'
import { applyTemperature, fitTemperature } from '../../train/metrics.ts'
import type { Objective } from '../../train/objective.ts'

/** The loss of each validation sample, at the temperature that fits them best: two nets are then compared by what they
 *  know, not by how confident they are. Squared or other errors of regression stay as they are. */
export function calibratedLosses(
  { task, names }: Objective,
  { logits, losses, targets }: Pick<Evaluation, 'logits' | 'losses' | 'targets'>,
): Float64Array {
  const finite = logits.every(Number.isFinite)
  if (task === 'regression' || !finite) return Float64Array.from(losses)
  const classes = names.length
  const { temperature } = fitTemperature(logits, targets, classes, { task })
  const p = applyTemperature(logits, classes, temperature, { task })
  const log = (v: number) => -Math.log(Math.max(v, 1e-7))
  return Float64Array.from(losses, (_, i) => {
    const row = p.subarray(i * classes, (i + 1) * classes)
    if (task === 'single') return log(row[targets[i]!]!)
    const y = targets.subarray(i * classes, (i + 1) * classes)
    return row.reduce((sum, v, c) => sum + y[c]! * log(v) + (1 - y[c]!) * log(1 - v), 0) / classes
  })
}

/** The mean difference of the losses of the same samples, and its standard error. */
export interface PairedDifference {
  /** Below 0: `a` is better than `b`. */
  mean: number
  error: number
}

/** Compares two nets on the same samples. */
export function pairedDifference(a: Float64Array, b: Float64Array): PairedDifference {
  const n = a.length
  const mean = a.reduce((sum, v, i) => sum + v - b[i]!, 0) / n
  const squares = a.reduce((sum, v, i) => sum + (v - b[i]! - mean) ** 2, 0)
  return { mean, error: Math.sqrt(squares / Math.max(1, n - 1) / n) }
}

/** The mean of the losses. */
export const meanOf = (losses: Float64Array): number => losses.reduce((a, b) => a + b, 0) / losses.length
