import type { PartResult } from '../../runs/index.ts'
import {
  accuracy,
  argmaxRows,
  averagePrecision,
  balancedAccuracy,
  bootstrapEach,
  brierScore,
  classReport,
  column,
  logLoss,
  mae,
  mape,
  r2,
  rmse,
  rocAucOneVsRest,
  take,
} from '../../train/metrics.ts'
import type { TargetInfo, Targets } from '../types.ts'
import { type DrawnMetric, drawnMetric, drawnRows } from './drawn-metrics.ts'

/** How probabilities become a class: for two classes the `positive` one from `threshold` on; else the most probable. */
export interface Decision {
  /** The number of the class that average precision, precision, recall and F1 are for; two classes alone. */
  positive?: number
  /** The probability of the positive class from which it is decided. Default: 0.5. */
  threshold?: number
}

/** The metric by which models of this target are compared. */
export const leadingOf = ({ task, classes }: Pick<TargetInfo, 'task' | 'classes'>): string =>
  task === 'regression' ? 'rmse' : classes.length === 2 ? 'rocAuc' : 'accuracy'

/** The decided class of each row. probabilities: [rows × classes] → [rows]. */
export function decide(
  probabilities: ArrayLike<number>,
  classes: number,
  { positive, threshold = 0.5 }: Decision = {},
): Int32Array {
  if (classes !== 2 || positive === undefined) return argmaxRows(probabilities, classes)
  return Int32Array.from({ length: probabilities.length / 2 }, (_, row) =>
    probabilities[2 * row + positive]! >= threshold ? positive : 1 - positive,
  )
}

/** The metrics of predictions, all of the whole set and equal to scikit-learn's; NaN where one is undefined. The Brier
 *  score of two classes is the mean squared error of one probability, of more classes the sum over classes. MAPE is left
 *  out where an actual value is 0. outputs: probabilities [rows × classes], or values [rows × targets]. */
export function tableMetrics(
  { task, classes, values }: Targets,
  outputs: Float64Array,
  decision: Decision = {},
): Record<string, number> {
  const columns = classes.length
  if (task === 'regression') {
    const fit = { rmse: rmse(outputs, values, columns).mean, mae: mae(outputs, values, columns).mean }
    const r = r2(outputs, values, columns).mean
    return values.every(v => v !== 0) ? { r2: r, ...fit, mape: mape(outputs, values, columns).mean } : { r2: r, ...fit }
  }
  const decided = decide(outputs, columns, decision)
  const shared = {
    accuracy: accuracy(decided, values),
    balancedAccuracy: balancedAccuracy(decided, values, columns),
    logLoss: logLoss(outputs, values, columns),
    brier: brierScore(outputs, values, columns) / (columns === 2 ? 2 : 1),
  }
  if (columns !== 2) {
    const present = oneHot(values, columns)
    const precision = averagePrecision(outputs, present, columns).mean
    return { ...shared, rocAuc: rocAucOneVsRest(outputs, values, columns).mean, averagePrecision: precision }
  }
  const { positive = 1 } = decision
  const [score, is] = [column(outputs, 2, positive), Float64Array.from(values, v => Number(v === positive))]
  const { precision, recall, f1 } = classReport(decided, values, 2).classes[positive]!
  return {
    rocAuc: rocAucOneVsRest(outputs, values, 2).classes[positive]!,
    averagePrecision: averagePrecision(score, is, 1).mean,
    ...shared,
    f1,
    precision,
    recall,
  }
}

/** Class numbers as rows of 0 and 1. values: [rows] → [rows × classes]. */
function oneHot(values: Float64Array, classes: number): Uint8Array {
  const rows = new Uint8Array(values.length * classes)
  for (const [row, value] of values.entries()) rows[row * classes + value] = 1
  return rows
}

/** The loss that fits are compared by: log loss, or the root mean squared error (its mean over the targets). */
export const lossOf = ({ task, classes, values }: Targets, outputs: Float64Array): number =>
  task === 'regression' ? rmse(outputs, values, classes.length).mean : logLoss(outputs, values, classes.length)

/** The rows of these targets by their numbers. */
export const targetsAt = (targets: Targets, rows: ArrayLike<number>): Targets => ({
  ...targets,
  values: take(targets.values, rows, widthOf(targets)),
})

/** How many numbers a row of targets has. */
export const widthOf = ({ task, classes }: Pick<TargetInfo, 'task' | 'classes'>): number =>
  task === 'regression' ? classes.length : 1

/** How many outputs a row has. */
export const rowsIn = (targets: Targets): number => targets.values.length / widthOf(targets)

/** The bootstrap draws as many rows in all, so that large tables take seconds too. */
const drawn = 1e6
const interval = { leastRounds: 100, rounds: 1000 }

/** Predictions to be scored: outputs, and the metrics that get an interval (default: the usual ones). */
export interface Told {
  outputs: Float64Array
  of?: readonly string[]
}

/** Loss and metrics of predictions, with the 95 % intervals by bootstrap over the rows of those that `of` names. */
export function scored(
  targets: Targets,
  outputs: Float64Array,
  { of, ...how }: { decision?: Decision | undefined; seed: number; of?: readonly string[] },
): PartResult {
  return scoredTogether(targets, [{ outputs, ...(of ? { of } : {}) }], how)[0]!
}

/** The same for several predictions of the same rows. They share the sets that the bootstrap draws, which is most of its
 *  work. */
export function scoredTogether(
  targets: Targets,
  all: readonly Told[],
  { decision, seed }: { decision?: Decision | undefined; seed: number },
): PartResult[] {
  const n = rowsIn(targets)
  const rounds = Math.max(interval.leastRounds, Math.min(interval.rounds, Math.floor(drawn / Math.max(1, n))))
  const each = all.map(({ outputs, of = intervalNames(targets) }) => {
    const metrics = tableMetrics(targets, outputs, decision)
    const known = of.filter(name => Number.isFinite(metrics[name]))
    const how = { positive: decision?.positive ?? 1, decided: () => decide(outputs, targets.classes.length, decision) }
    const drawnOf = known.map(
      name => drawnMetric(name, targets, outputs, how) ?? takenMetric(name, { targets, outputs, decision }),
    )
    return { outputs, metrics, known, drawnOf }
  })
  const metrics = each.flatMap(({ drawnOf }) => drawnOf)
  const found = metrics.length > 0 ? bootstrapEach(drawnRows(n, metrics), n, { seed, rounds }) : []
  let at = 0
  return each.map(({ outputs, metrics, known }) => {
    const intervals: Record<string, [number, number]> = {}
    for (const name of known) {
      const { low, high } = found[at++]!
      if (Number.isFinite(low) && Number.isFinite(high)) intervals[name] = [low, high]
    }
    return { loss: lossOf(targets, outputs), metrics, intervals }
  })
}

/** A metric of the rows that were drawn, computed from these rows. */
function takenMetric(
  name: string,
  { targets, outputs, decision = {} }: { targets: Targets; outputs: Float64Array; decision?: Decision | undefined },
): DrawnMetric {
  const only = single[name]
  return ({ rows }) => {
    const [part, told] = [targetsAt(targets, rows), take(outputs, rows, targets.classes.length)]
    return only ? only(part, told, decision) : tableMetrics(part, told, decision)[name]!
  }
}

const intervalNames = (target: TargetInfo): string[] =>
  target.task === 'regression' ? ['rmse', 'mae', 'r2'] : [...new Set([leadingOf(target), 'accuracy', 'logLoss'])]

/** One metric alone, which is much faster than all of them in each round of a bootstrap. */
const single: Record<string, (targets: Targets, outputs: Float64Array, decision: Decision) => number> = {
  accuracy: ({ values, classes }, outputs, decision) => accuracy(decide(outputs, classes.length, decision), values),
  logLoss: ({ values, classes }, outputs) => logLoss(outputs, values, classes.length),
  rocAuc: ({ values, classes }, outputs, { positive = 1 }) => {
    const { classes: each, mean } = rocAucOneVsRest(outputs, values, classes.length)
    return classes.length === 2 ? each[positive]! : mean
  },
  rmse: ({ values, classes }, outputs) => rmse(outputs, values, classes.length).mean,
  mae: ({ values, classes }, outputs) => mae(outputs, values, classes.length).mean,
  r2: ({ values, classes }, outputs) => r2(outputs, values, classes.length).mean,
}

/** The metric by which importance and comparisons are computed, so that more is always better: errors count negative. */
export function goodness(targets: Targets, outputs: Float64Array, decision: Decision = {}): number {
  const value = single[leadingOf(targets)]!(targets, outputs, decision)
  return targets.task === 'regression' ? -value : value
}
