import type { Task } from '../../data/index.ts'
import { balancedAccuracy } from './agreement.ts'
import { averagePrecision } from './curves.ts'
import { accuracyMulti, fBeta, type LabelThresholds } from './multi.ts'
import { mae, r2, rmse } from './regression.ts'
import { accuracy, argmaxRows } from './single.ts'

/** The data of a metric: the activated outputs of a whole set, [N × C], and the targets: class numbers [N], or rows
 *  [N × C]. */
export interface Judged {
  readonly outputs: ArrayLike<number>
  readonly targets: ArrayLike<number>
  /** C: how many classes, labels or targets there are. */
  readonly classes: number
  /** Multi-label: the probability from which a label counts as given. */
  readonly thresholds: LabelThresholds
  /** Single-label: the most probable class of each sample, [N]. */
  readonly predicted: Int32Array
}

/** One number for a whole set; NaN if it is undefined. */
export type ReportedMetric = (judged: Judged) => number

const f =
  (beta: number): ReportedMetric =>
  ({ outputs, targets, classes, thresholds }) =>
    fBeta(outputs, targets, classes, { beta, average: 'macro', thresholds, zeroDivision: Number.NaN })

/** The metrics that a run reports after each epoch and in its result, by task. A new one needs a function in a file
 *  beside this one, a line here, and a line in `runs/metric-info.ts`, which says how to print it. */
export const reportedMetrics = {
  single: {
    accuracy: ({ predicted, targets }) => accuracy(predicted, targets),
    balancedAccuracy: ({ predicted, targets, classes }) => balancedAccuracy(predicted, targets, classes),
  },
  multi: {
    mAP: ({ outputs, targets, classes }) => averagePrecision(outputs, targets, classes).mean,
    f1: f(1),
    f2: f(2),
    accuracy: ({ outputs, targets, classes, thresholds }) => accuracyMulti(outputs, targets, classes, { thresholds }),
  },
  regression: {
    r2: ({ outputs, targets, classes }) => r2(outputs, targets, classes).mean,
    mae: ({ outputs, targets, classes }) => mae(outputs, targets, classes).mean,
    rmse: ({ outputs, targets, classes }) => rmse(outputs, targets, classes).mean,
  },
} satisfies Record<Task, Record<string, ReportedMetric>>

/** The reported metrics of a task by name, without those in `without`. */
export function scoresOf<T extends Task>(
  task: T,
  {
    outputs,
    targets,
    classes,
    thresholds = 0.5,
  }: Omit<Judged, 'predicted' | 'thresholds'> & { thresholds?: LabelThresholds },
  { without = [] }: { without?: readonly string[] } = {},
): Record<keyof (typeof reportedMetrics)[T] & string, number> {
  let predicted: Int32Array | undefined
  const judged: Judged = {
    outputs,
    targets,
    classes,
    thresholds,
    get predicted() {
      predicted ??= argmaxRows(outputs, classes)
      return predicted
    },
  }
  const metrics: [string, ReportedMetric][] = Object.entries(reportedMetrics[task])
  const there = metrics.filter(([name]) => !without.includes(name))
  return Object.fromEntries(there.map(([name, of]) => [name, of(judged)])) as ReturnType<typeof scoresOf<T>>
}
