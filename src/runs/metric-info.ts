import { amount, percent } from '../base/format.ts'
import type { RunTask } from './result.ts'

/** What a metric's values are: a share of all (`87.3 %`), a score without a unit (`0.912`), or an amount in the unit of the
 *  targets (`12.35`). */
export type MetricUnit = 'share' | 'score' | 'amount'

/** How one metric is named and printed. */
export type MetricInfo = {
  /** Its name in `metrics` of events and results. */
  key: string
  /** At the head of a column or a tile: `Balanced accuracy`. */
  title: string
  /** Within a sentence or a log line: `balanced accuracy`. */
  name: string
  unit: MetricUnit
  /** Undefined for a metric that is not in the table. */
  better: 'higher' | 'lower' | undefined
  /** The bounds of a chart's axis. */
  low: number
  high: number
  /** A few words that explain it under its value. */
  note?: string
  /** A value as text; `digits` decimals, where it has them (shares 1, scores 3). A dash where it is no number. */
  say(value: number, digits?: number): string
}

type Line = [title: string, name: string, unit: MetricUnit, better: 'higher' | 'lower', more?: LineOptions]
/** `low` is where the axis of a share or a score begins, 0 unless given; `column` gives the metric a column in every
 *  `metrics.csv`. */
type LineOptions = { low?: number; note?: string; column?: true }

/** All metrics that Anneal names, in the order in which they are shown; the leading one of a task goes before the others. A
 *  new metric is one line here. */
// biome-ignore format: a table
const table: Record<string, Line> = {
  mAP:               ['mAP', 'mAP', 'score', 'higher', { column: true }],
  f2:                ['F2', 'F2', 'score', 'higher', { column: true }],
  f1:                ['F1', 'F1', 'score', 'higher', { column: true }],
  accuracy:          ['Accuracy', 'accuracy', 'share', 'higher', { column: true }],
  balancedAccuracy:  ['Balanced accuracy', 'balanced accuracy', 'share', 'higher', { column: true, note: 'mean recall of the classes that occur' }],
  subsetAccuracy:    ['All labels right', 'share with all labels right', 'share', 'higher'],
  precision:         ['Precision', 'precision', 'score', 'higher'],
  recall:            ['Recall', 'recall', 'score', 'higher'],
  rocAuc:            ['ROC AUC', 'ROC AUC', 'score', 'higher'],
  averagePrecision:  ['Average precision', 'average precision', 'score', 'higher'],
  logLoss:           ['Log loss', 'log loss', 'amount', 'lower'],
  brier:             ['Brier score', 'Brier score', 'amount', 'lower', { note: 'mean squared error of the probabilities' }],
  r2:                ['R²', 'R²', 'score', 'higher', { column: true, low: -1 }],
  explainedVariance: ['Explained variance', 'explained variance', 'score', 'higher', { low: -1 }],
  pearson:           ['Correlation', 'correlation', 'score', 'higher', { low: -1 }],
  mae:               ['MAE', 'MAE', 'amount', 'lower', { column: true, note: 'mean absolute error' }],
  rmse:              ['RMSE', 'RMSE', 'amount', 'lower', { column: true, note: 'root mean squared error' }],
  mse:               ['MSE', 'MSE', 'amount', 'lower', { note: 'mean squared error' }],
  mape:              ['MAPE', 'MAPE', 'share', 'lower', { note: 'mean absolute error as a share of the actual value' }],
  medianAe:          ['Median error', 'median absolute error', 'amount', 'lower'],
}
const order = Object.keys(table)

/** Metrics that have a column in every `metrics.csv`, empty where a task has no such metric. */
export const metricColumns: readonly string[] = order.filter(key => table[key]![4]?.column)

/** Of several labels, the accuracy is that of all yes-or-no decisions; it is high wherever labels are rare. */
const labelAccuracy: Line = [
  'Label accuracy',
  'label accuracy',
  'share',
  'higher',
  { note: 'of all decisions on labels' },
]

const leaders: Record<RunTask, string> = { single: 'accuracy', multi: 'mAP', regression: 'r2' }

/** How a metric is named and printed, by its key in `metrics`. One that is not in the table, such as a user's own, keeps its
 *  key as its name and is printed with four digits, or in percent where its key ends with "accuracy". */
export function metricInfo(key: string, task?: RunTask): MetricInfo {
  const line =
    task === 'multi' && key === 'accuracy' ? labelAccuracy : Object.hasOwn(table, key) ? table[key] : undefined
  const guess: MetricUnit = /accuracy$/i.test(key) ? 'share' : 'amount'
  const [title, name, unit, better, { low = 0, note } = {}] = line ?? ([key, key, guess, undefined] as const)
  const bounded = unit !== 'amount'
  return {
    key,
    title,
    name,
    unit,
    better,
    low: bounded ? low : Number.NEGATIVE_INFINITY,
    high: bounded ? 1 : Number.POSITIVE_INFINITY,
    ...(note === undefined ? {} : { note }),
    say: (value, digits) => (Number.isFinite(value) ? printed[unit](value, digits) : '–'),
  }
}

const printed: Record<MetricUnit, (value: number, digits?: number) => string> = {
  share: (value, digits = 1) => percent(value, digits),
  score: (value, digits = 3) => value.toFixed(digits),
  amount: value => amount(value),
}

/** The metric that the weights of a task are chosen by; the higher the better. */
export const leadingMetric = (task: RunTask): MetricInfo => metricInfo(leaders[task], task)

/** The task whose leading metric is among these; undefined where none is. */
export const taskOfMetrics = (metrics: Readonly<Record<string, unknown>>): RunTask | undefined =>
  (['multi', 'regression', 'single'] as const).find(task => Object.hasOwn(metrics, leaders[task]))

/** Keys of metrics in the order in which they are shown: the leading one of the task, those of the table, then others as
 *  they came. */
export function orderMetrics(keys: Iterable<string>, task?: RunTask): string[] {
  const rank = (key: string) => {
    if (task !== undefined && key === leaders[task]) return -1
    return Object.hasOwn(table, key) ? order.indexOf(key) : order.length
  }
  return [...new Set(keys)].sort((a, b) => rank(a) - rank(b))
}

/** A metric in a log line: `accuracy 75.6 %`, `mAP 0.888`, `MAE 3.2e-9`; `R² undefined` where it is no number. */
export function metricText(key: string, value: number | undefined, { task, digits }: MetricTextOptions = {}): string {
  const { name, say } = metricInfo(key, task)
  return `${name} ${value !== undefined && Number.isFinite(value) ? say(value, digits) : 'undefined'}`
}
export type MetricTextOptions = {
  task?: RunTask | undefined
  digits?: number
  /** The key of the metric that comes first, where it is not the leading one of the task. */
  first?: string | undefined
}

/** All metrics in one line, in their order: `mAP 0.888, F2 0.790, F1 0.801, label accuracy 96.0 %`. */
export function metricsText(metrics: Readonly<Record<string, number>>, options: MetricTextOptions = {}): string {
  const task = options.task ?? taskOfMetrics(metrics)
  const keys = orderMetrics(Object.keys(metrics), task)
  return (
    options.first !== undefined && keys.includes(options.first)
      ? [options.first, ...keys.filter(key => key !== options.first)]
      : keys
  )
    .map(key => metricText(key, metrics[key], { ...options, task }))
    .join(', ')
}
