import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { OptionError } from '../base/errors.ts'
import { quoted } from '../base/format.ts'
import { flagOf, typed } from '../base/options.ts'
import { namesTable } from '../data/tables/formats.ts'
import { type TableOptions, tableCalls, tableOnlyOptions } from '../tabular/options.ts'

/** Whether a name is that of a table or of a database. */
const isTableName = (name: string): boolean => namesTable(name) || /\.(sqlite3?|db|duckdb)$/i.test(name)

/** Whether a source is the address of a database on a server. */
const isServer = (source: string): boolean => /^(postgres(ql)?|mysql):\/\//i.test(source)

/** Whether a source is a table of samples: a file of a table's kind, a pattern of such files, or a database. */
export function isTable(source: string): boolean {
  if (isServer(source)) return true
  const found = statSync(source, { throwIfNoEntry: false })
  if (found) return found.isFile() && isTableName(source)
  return /[*?[]/.test(source) && isTableName(source)
}

/** Whether these options are for the rows of a table: one of those that only tables have. */
export const asksForTable = (options: object): string | undefined =>
  Object.keys(options).find(name => Object.hasOwn(tableOnlyOptions, name))

/** `anneal train TABLE --target COLUMN`: `train` runs it with the terminal around. */
export async function trainRows(
  source: string,
  options: object,
  train: (options: TableOptions) => Promise<void>,
): Promise<void> {
  const stat = statSync(source, { throwIfNoEntry: false })
  if (stat?.isDirectory()) throw isFolder(source, options)
  if (!stat && !/[*?[]/.test(source) && !isServer(source))
    throw new OptionError(`${source}: no such file. Expected a table: CSV, TSV, JSON lines, Parquet, SQLite or DuckDB.`)
  const { device = 'cpu', ...rest } = options as { device?: string }
  const given = rest as TableOptions
  if (given.target === undefined) throw await noTarget(source, given)
  if (device !== 'cpu')
    throw new OptionError(
      `${typed('device', device)}: models of tables train on the CPU. Leave it out, or say ${typed('device', 'cpu')}.`,
      {
        exitCode: 2,
      },
    )
  const other = Object.keys(given).find(name => !Object.hasOwn(tableCalls.trainTable, name))
  if (other !== undefined)
    throw new OptionError(
      `${flagOf(other)} is for pictures; a run on a table has no such option. Leave it out; docs/tables.md lists those of tables.`,
      { exitCode: 2 },
    )
  await train(given)
}

/** The folder holds pictures, tables, or neither. */
function isFolder(folder: string, options: object): OptionError {
  const flag = flagOf(asksForTable(options) ?? 'target')
  const tables = readdirSync(folder).filter(name => isTableName(name))
  const [first] = tables
  if (first === undefined)
    return new OptionError(
      `${flag} is for the rows of a table, and ${folder} is a folder. For pictures in class folders: npx anneal train ${quoted(folder)}. For pictures and a table of their labels: npx anneal train ${quoted(folder)} ${typed('labels', 'labels.csv')} ${typed('labelColumn', 'NAME')} (numbers: ${typed('targets', 'NAME')}).`,
      { exitCode: 2 },
    )
  const target = (options as TableOptions).target?.[0] ?? 'COLUMN'
  return new OptionError(
    `${flag} is for the rows of a table, and ${folder} is a folder. Its tables: ${tables.slice(0, 8).join(', ')}${tables.length > 8 ? ', …' : ''}. To train on the rows of one: npx anneal train ${quoted(join(folder, first))} ${typed('target', target)}. For pictures whose labels a table holds: npx anneal train ${quoted(folder)} ${typed('labels', first)} ${typed('labelColumn', target)}.`,
    { exitCode: 2 },
  )
}

/** The columns of the table, of which one is to be named. */
async function noTarget(
  source: string,
  { sql, table, delimiter, header, decimal }: TableOptions,
): Promise<OptionError> {
  const { readTable } = await import('../tabular/read/read-table.ts')
  const frame = await readTable(source, { sql, table, delimiter, header, decimal })
  const names = frame.columns.map(({ name }) => name)
  return new OptionError(
    `${source} is a table; name the column to predict: ${typed('target', 'COLUMN')}. Its columns: ${names.join(', ')}. If it lists pictures and their labels, name their folder: npx anneal train FOLDER ${typed('labels', source)}.`,
    { exitCode: 2 },
  )
}
