import { percent } from '../../base/format.ts'
import type { RunTask } from '../../runs/index.ts'
import { decimal } from '../charts/axes.ts'

/** A metric as a reader knows it. `inside` says within what a sentence calls it; `low` and `high` bound its axis. */
export type Metric = {
  key: string
  name: string
  inside: string
  say(value: number): string
  low: number
  high: number
}

const three = (v: number) => v.toFixed(3)
type Known = [name: string, inside: string, say?: (value: number) => string, low?: number, high?: number]
// biome-ignore format: a table
const known: Record<string, Known> = {
  accuracy:          ['Accuracy', 'accuracy', percent, 0, 1],
  balancedAccuracy:  ['Balanced accuracy', 'balanced accuracy', percent, 0, 1],
  subsetAccuracy:    ['All labels right', 'share with all labels right', percent, 0, 1],
  mAP:               ['mAP', 'mAP', three, 0, 1],
  f1:                ['F1', 'F1', three, 0, 1],
  f2:                ['F2', 'F2', three, 0, 1],
  precision:         ['Precision', 'precision', three, 0, 1],
  recall:            ['Recall', 'recall', three, 0, 1],
  rocAuc:            ['ROC AUC', 'ROC AUC', three, 0, 1],
  r2:                ['R²', 'R²', three, -1, 1],
  explainedVariance: ['Explained variance', 'explained variance', three, -1, 1],
  pearson:           ['Correlation', 'correlation', three, -1, 1],
  mae:               ['MAE', 'mean absolute error'],
  rmse:              ['RMSE', 'root of the mean squared error'],
  medianAe:          ['Median error', 'median error'],
}

/** What is known of a metric by its key in `metrics`. */
export function metricOf(key: string): Metric {
  const [name, inside, say = decimal, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY] =
    (Object.hasOwn(known, key) && known[key]) || ([key, key] satisfies Known)
  return { key, name, inside, say: v => (Number.isFinite(v) ? say(v) : '–'), low, high }
}

/** The metric that weights are chosen by. */
export const primary = (task: RunTask): Metric =>
  metricOf(({ single: 'accuracy', multi: 'mAP', regression: 'r2' } as const)[task])
