import { type EpochEvent, phaseTitle, type RunEvent } from './events.ts'
import { metricColumns, orderMetrics } from './metric-info.ts'

/** The columns beside the metrics. `lr` is the head's rate at the end of the epoch. */
const first = ['epoch', 'phase', 'trainLoss', 'validLoss']
const last = ['lr', 'seconds', 'best']

/** The header of `metrics.csv`, which has a row per epoch. The metrics of `metric-info.ts` that have a column come first, the
 *  same for every task, then `more`, a user's own. */
export const metricsHeader = (more: readonly string[] = []): string =>
  `${[...first, ...metricColumns, ...more.map(name => name.replaceAll(/\s+/g, ' ')), ...last].map(cell).join(',')}\n`

/** A row of `metrics.csv`, newline included. */
export function metricsRow(e: EpochEvent, more: readonly string[] = []): string {
  const scores = [...metricColumns, ...more].map(name => e.metrics[name] ?? '')
  const cells = [e.epoch, phaseTitle(e), e.trainLoss, e.validLoss, ...scores, e.lrs.at(-1) ?? '', e.seconds]
  return `${[...cells, e.best ? 1 : 0].map(cell).join(',')}\n`
}

/** The metrics of these epochs that have no column of their own: a user's. */
export const otherMetrics = (events: readonly RunEvent[]): string[] =>
  orderMetrics(events.flatMap(e => (e.type === 'epoch' ? Object.keys(e.metrics) : []))).filter(
    name => !metricColumns.includes(name),
  )

/** The whole table from a run's events. */
export function metricsTable(events: readonly RunEvent[]): string {
  const more = otherMetrics(events)
  return metricsHeader(more) + events.map(e => (e.type === 'epoch' ? metricsRow(e, more) : '')).join('')
}

function cell(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : ''
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** The cells of a row, without their quotes. */
const cellsOf = (row: string): string[] =>
  Array.from(
    row.matchAll(/(?<=^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g),
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
  )

/** Summarises `metrics.csv` for the run list: the number of epochs, and the metrics of the best one (of the last, where none is
 *  marked). The file's own header says which columns there are. */
export function summariseMetrics(csv: string): { epochs: number; metrics: Record<string, number> } {
  const [header = '', ...rows] = csv
    .slice(0, csv.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
  const row = rows.findLast(r => r.endsWith(',1')) ?? rows.at(-1)
  const names = cellsOf(header)
  const cells = row === undefined ? [] : cellsOf(row)
  const metrics: Record<string, number> = {}
  for (const [i, name] of names.entries()) {
    const text = first.includes(name) || last.includes(name) ? undefined : cells.at(i - names.length)
    if (text && Number.isFinite(Number(text))) metrics[name] = Number(text)
  }
  return { epochs: rows.length, metrics }
}
