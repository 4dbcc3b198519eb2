import type { EpochEvent, RunEvent } from './events.ts'

/** The columns of `metrics.csv`, a row an epoch; `lr` is the head's rate at the end of the epoch. */
export const metricsHeader = 'epoch,phase,trainLoss,validLoss,accuracy,lr,seconds,best\n'

/** A row of `metrics.csv`, newline included. */
export function metricsRow(e: EpochEvent): string {
  const cells = [e.epoch, e.phase, e.trainLoss, e.validLoss, e.metrics.accuracy ?? '', e.lrs.at(-1) ?? '', e.seconds]
  return `${[...cells, e.best ? 1 : 0].map(cell).join(',')}\n`
}

/** The whole table from a run's events. */
export const metricsTable = (events: readonly RunEvent[]): string =>
  metricsHeader + events.map(e => (e.type === 'epoch' ? metricsRow(e) : '')).join('')

function cell(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : ''
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** What a list needs of `metrics.csv`: the epochs done and the accuracy of the best one (of the last, where none is
 *  marked). The numbers are read from both ends of a row, so that a quoted comma in the phase does no harm. */
export function summariseMetrics(csv: string): { epochs: number; accuracy: number | undefined } {
  const rows = csv
    .slice(0, csv.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(1, -1)
  const row = rows.findLast(r => r.endsWith(',1')) ?? rows.at(-1)
  const accuracy = row?.split(',').at(-4)
  return { epochs: rows.length, accuracy: accuracy ? Number(accuracy) : undefined }
}
