import { type EpochEvent, phaseTitle, type RunEvent } from './events.ts'

/** Metrics that have a column of their own, empty where a task has no such metric. */
const columns = ['accuracy', 'mAP', 'f1', 'f2', 'r2', 'mae', 'rmse'] as const

/** The columns of `metrics.csv`, a row an epoch; `lr` is the head's rate at the end of the epoch. The columns are the same
 *  for every task; `events.jsonl` has the metrics that are not among them. */
export const metricsHeader = `epoch,phase,trainLoss,validLoss,${columns.join(',')},lr,seconds,best\n`

/** A row of `metrics.csv`, newline included. */
export function metricsRow(e: EpochEvent): string {
  const scores = columns.map(name => e.metrics[name] ?? '')
  const cells = [e.epoch, phaseTitle(e), e.trainLoss, e.validLoss, ...scores, e.lrs.at(-1) ?? '', e.seconds]
  return `${[...cells, e.best ? 1 : 0].map(cell).join(',')}\n`
}

/** The whole table from a run's events. */
export const metricsTable = (events: readonly RunEvent[]): string =>
  metricsHeader + events.map(e => (e.type === 'epoch' ? metricsRow(e) : '')).join('')

function cell(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : ''
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** What a list needs of `metrics.csv`: the epochs done, and the metrics of the best one (of the last, where none is
 *  marked). Cells are counted from the end of a row by the file's own header, so that a quoted comma in the phase does no
 *  harm, and neither does a file with fewer columns. */
export function summariseMetrics(csv: string): { epochs: number; accuracy?: number; metrics: Record<string, number> } {
  const [header = '', ...rows] = csv
    .slice(0, csv.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
  const row = rows.findLast(r => r.endsWith(',1')) ?? rows.at(-1)
  const names = header.split(',')
  const cells = row?.split(',') ?? []
  const metrics: Record<string, number> = {}
  for (const name of columns) {
    const text = names.includes(name) ? cells.at(names.indexOf(name) - names.length) : undefined
    if (text) metrics[name] = Number(text)
  }
  return { epochs: rows.length, ...(metrics.accuracy === undefined ? {} : { accuracy: metrics.accuracy }), metrics }
}
