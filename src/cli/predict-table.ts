import { OptionError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { json as jsonText } from '../base/json.ts'
import { flagOf } from '../base/options.ts'
import { type TableReadOptions, tableCalls } from '../tabular/options.ts'
import type { RowPrediction } from '../tabular/run/predict.ts'
import type { Precision } from '../train/network.ts'
import { flat } from './style.ts'

/** What `anneal predict` takes. */
export interface PredictFlags extends TableReadOptions {
  json?: boolean | undefined
  top?: number | undefined
  precision?: Precision | undefined
  out?: string | undefined
  outTable?: string | undefined
  replace?: boolean | undefined
  keep?: readonly string[] | undefined
}

/** `anneal predict RUN TABLE`: scores of each row, into a file or as lines. */
export async function predictRowsOf(run: string, paths: string[], flags: PredictFlags): Promise<void> {
  const { json = false, top = 1, precision, ...options } = flags
  const [source] = paths
  if (source === undefined || paths.length > 1)
    throw new OptionError(
      `predict: ${run} was trained on a table; give one table or a pattern in quotes such as 'sales-*.csv', not ${paths.length} paths.`,
      { exitCode: 2 },
    )
  if (precision !== undefined)
    throw new OptionError(`${flagOf('precision')} is for pictures; leave it out.`, { exitCode: 2 })
  const known = { ...tableCalls.predictTable, out: 0, outTable: 0, replace: 0, keep: 0 }
  const given = Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(known, name)))
  const { predictTable } = await import('../api/tables.ts')
  const told = await predictTable(run, source, {
    ...given,
    onChoice: ({ what, value, reason }) => process.stderr.write(`${flat(`${what}: ${value} (${reason})`)}\n`),
  })
  if (options.out !== undefined) {
    const columns = told.scores.columns.map(({ name }) => name)
    const shown = columns.length > 8 ? [...columns.slice(0, 8), '…'] : columns
    process.stderr.write(`${flat(`${options.out}: ${plural(told.rows, 'row')}, columns ${shown.join(', ')}`)}\n`)
    if (!json) return
  }
  let row = 0
  for (const prediction of told.predictions()) {
    row++
    process.stdout.write(`${json ? jsonText({ row, ...prediction }) : `${row}  ${said(prediction, top)}`}\n`)
  }
}

function said(prediction: RowPrediction, most: number): string {
  if (prediction.task === 'regression')
    return Object.entries(prediction.values)
      .map(([name, value]) => `${flat(name)} ${Number(value.toPrecision(6))}`)
      .join(', ')
  const { label, probability, probabilities } = prediction
  if (most === 1) return `${flat(label)}  ${percent(probability)}`
  return Object.entries(probabilities)
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([name, p]) => `${flat(name)} ${percent(p)}`)
    .join(', ')
}
