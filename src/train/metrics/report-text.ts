import { TrainingError } from '../../base/errors.ts'
import { amount } from '../../base/format.ts'
import { columns, shownNames } from '../../base/text.ts'
import type { ZeroDivision } from './check.ts'
import { classReportMulti, type LabelThresholds } from './multi.ts'
import { mae, r2, rmse } from './regression.ts'
import { accuracy, type ClassScores, classReport } from './single.ts'

/** The digits of scores (2), the value of 0 / 0 (0, or NaN for a dash), and whether the table is for a terminal: then
 *  long names are cut to one line, and letters count by their width. scikit-learn does not cut names, and counts
 *  letters. */
export interface ReportOptions {
  digits?: number
  zeroDivision?: ZeroDivision
  terminal?: boolean
}

/** `classReport` as the text table that scikit-learn prints; undefined values (NaN) are dashes, and a line below says
 *  so. predicted, actual: [N]; `names`: one per class. */
export function classificationReport(
  predicted: ArrayLike<number>,
  actual: ArrayLike<number>,
  names: readonly string[],
  options: ReportOptions = {},
): string {
  const { classes, macro, weighted } = classReport(predicted, actual, names.length, {
    zeroDivision: options.zeroDivision ?? 0,
  })
  const { support } = macro
  const right: Row = ['accuracy', { f1: accuracy(predicted, actual), support }]
  return table(named(names, classes), [right, ['macro avg', macro], ['weighted avg', weighted]], options)
}

/** `classReportMulti` as the text table that scikit-learn prints. probabilities, targets: [N, classes]. */
export function classificationReportMulti(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  names: readonly string[],
  { thresholds = 0.5, ...options }: { thresholds?: LabelThresholds } & ReportOptions = {},
): string {
  const report = classReportMulti(probabilities, targets, names.length, {
    thresholds,
    zeroDivision: options.zeroDivision ?? 0,
  })
  const averages = (['micro', 'macro', 'weighted', 'samples'] as const).map((key): Row => [`${key} avg`, report[key]])
  return table(named(names, report.classes), averages, options)
}

/** R², MAE and RMSE of each target as a text table, in the target's own unit; a dash where R² is undefined.
 *  predictions, targets: [N, names]. */
export function regressionText(
  predictions: ArrayLike<number>,
  targets: ArrayLike<number>,
  names: readonly string[],
): string {
  const of = (metric: typeof r2) => metric(predictions, targets, names.length).targets
  const [fit, absolute, root] = [of(r2), of(mae), of(rmse)]
  const shown = shownNames(names)
  const rows = shown.map((name, t) => [name, fixed(fit[t]!, 3), amount(absolute[t]!), amount(root[t]!)])
  const all = [['', 'R²', 'MAE', 'RMSE'], ...rows]
  const widths = all[0]!.map((_, c) => Math.max(...all.map(row => columns(row[c]!))))
  const lines = all.map(row => row.map((cell, c) => ' '.repeat(widths[c]! - columns(cell)) + cell).join('  '))
  const lost = fit.some(Number.isNaN)
    ? ['', '-: undefined, and left out of the mean: R² of numbers that are all the same']
    : []
  return `${[...lines, ...lost].join('\n')}\n`
}

type Row = [name: string, scores: Partial<ClassScores> & { support: number }]

const named = (names: readonly string[], classes: readonly ClassScores[]): Row[] =>
  classes.map((scores, c) => [names[c]!, scores])

function table(
  rows: readonly Row[],
  averages: readonly Row[],
  { digits = 2, terminal = false }: ReportOptions,
): string {
  if (!Number.isInteger(digits) || digits < 0 || digits > 20)
    throw new TrainingError(`classificationReport: got ${digits} digits; expected a whole number from 0 to 20`)
  const shown = terminal ? shownNames(rows.map(([name]) => name)) : rows.map(([name]) => name)
  const classes = rows.map(([, scores], i): Row => [shown[i]!, scores])
  const letters = terminal ? columns : (text: string) => [...text].length
  const right = (text: string, width: number) => ' '.repeat(Math.max(0, width - letters(text))) + text
  const width = Math.max('weighted avg'.length, digits, ...classes.map(([name]) => letters(name)))
  const line = (name: string, cells: readonly string[]) =>
    `${right(name, width)} ${cells.map(cell => ` ${right(cell, 9)}`).join('')}\n`
  const row = ([name, { precision, recall, f1, support }]: Row) =>
    line(name, [...[precision, recall, f1].map(v => (v === undefined ? '' : fixed(v, digits))), String(support)])
  const header = line('', ['precision', 'recall', 'f1-score', 'support'])
  const text = `${header}\n${classes.map(row).join('')}\n${averages.map(row).join('')}`
  const lost = [...classes, ...averages].some(([, { precision, recall, f1 }]) =>
    [precision, recall, f1].some(Number.isNaN),
  )
  return lost ? `${text}\n${dashes}\n` : text
}

const dashes =
  '-: undefined, and left out of the averages: precision of a class that was never predicted, recall of a class without a sample, F1 of a class that is both'

/** `toFixed`, but a value exactly halfway is rounded to the even digit, as in Python. */
function fixed(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-'
  const text = value.toFixed(digits)
  const halves = value * 2 ** (digits + 1) // odd if the value is an odd multiple of half a unit, as 1/8 is of 0.005
  if (!Number.isInteger(halves) || halves % 2 === 0) return text
  const unit = 10 ** -digits
  return Math.round(Number(text) / unit) % 2 === 0 ? text : (Number(text) - unit).toFixed(digits)
}
