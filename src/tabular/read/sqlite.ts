import { DataError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { type Report, silent } from '../../base/progress.ts'
import { withoutEnd } from './duckdb.ts'
import type { Read } from './frame-of.ts'
import { chooseTable, type ReadOptions } from './options.ts'
import { ColumnBuilder, mostWhole, type Plain } from './raw.ts'
import { isOfSqlite, openSqlite, type SqliteFile, type SqliteRow } from './sqlite-file.ts'

/** Reads a table of a SQLite file, or a SELECT over it in SQLite's own SQL. The file is opened for reading alone. */
export async function readSqlite(
  file: string,
  { table, sql, report = silent, signal, skip = [] }: ReadOptions,
): Promise<Read> {
  let base: SqliteFile | undefined
  try {
    base = await openSqlite(file)
    const list =
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    const names = Array.from(base.rows(list), row => row.name as string)
    const chosen = sql === undefined ? names[chooseTable(file, names, table)]! : undefined
    // In a subquery SQLite gives each column a name of its own.
    const from =
      chosen === undefined
        ? `SELECT * FROM (${withoutEnd(oneSelect(sql!))}\n)`
        : `SELECT * FROM "${chosen.replaceAll('"', '""')}"`
    const place = chosen === undefined ? "the SQL's result" : `${file}, table "${chosen}"`
    return await readRows(base.rows(from), { signal, report, skip: new Set(skip), place })
  } catch (error) {
    if (!isOfSqlite(error)) throw error
    throw new DataError(
      `${file}: ${(error as Error).message}. ${sql === undefined ? 'Is it a SQLite database that is not damaged?' : 'Correct the SQL.'}`,
      { cause: error },
    )
  } finally {
    base?.close()
  }
}

/** The statement, if it is one SELECT. SQLite itself would run the first of several and pass over the others. */
function oneSelect(sql: string): string {
  const bare = sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ' ').trim()
  if (/^(select|with|values)\b/i.test(bare) && !/;\s*\S/.test(bare)) return sql
  throw new DataError(
    `${setting('sql', sql.slice(0, 80))} is not one SELECT. Expected one SELECT statement, such as SELECT * FROM t WHERE year > 2020.`,
  )
}

async function readRows(
  all: Iterable<SqliteRow>,
  {
    signal,
    report,
    skip,
    place,
  }: { signal: AbortSignal | undefined; report: Report; skip: ReadonlySet<string>; place: string },
): Promise<Read> {
  const builders: ColumnBuilder[] = []
  let rows = 0
  const where = () => `${place}, row ${rows + 1}`
  for (const row of all) {
    if (rows === 0) for (const name of Object.keys(row)) if (!skip.has(name)) builders.push(new ColumnBuilder(name))
    for (const builder of builders) builder.add(exactly(row[builder.name]), where)
    if (++rows % 65_536 === 0) {
      report({ line: `${rows.toLocaleString('en-US')} rows read` })
      await new Promise(setImmediate) // an abort is heard
      signal?.throwIfAborted()
    }
  }
  const columns = builders.map(builder => builder.done())
  return { rows, columns, choices: [], where: row => `${place}, row ${row + 1}` }
}

/** A whole number that a float64 holds exactly is a number; a larger one stays a text. */
const exactly = (value: Plain): Plain =>
  typeof value === 'bigint' && value >= -mostWhole && value <= mostWhole ? Number(value) : value
