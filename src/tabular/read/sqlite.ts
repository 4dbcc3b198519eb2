import { DataError, SetupError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { silent } from '../../base/progress.ts'
import type { Choice } from '../../data/types.ts'
import { unique } from './csv-shape.ts'
import { chooseTable, type ReadOptions } from './options.ts'
import { ColumnBuilder, type Plain, type RawColumn } from './raw.ts'

/** The part of `node:sqlite` that is used. */
interface Sqlite {
  DatabaseSync: new (
    file: string,
    options: { readOnly: boolean },
  ) => {
    prepare(sql: string): Statement
    close(): void
  }
}

interface Statement {
  columns(): { name: string }[]
  setReadBigInts(on: boolean): void
  setReturnArrays?(on: boolean): void
  iterate(): Iterable<Record<string, Plain>>
}

async function driver(): Promise<Sqlite> {
  const name = 'node:sqlite'
  try {
    return (await import(name)) as Sqlite
  } catch (error) {
    throw new SetupError(
      `SQLite files are read by Node 22.13 or later, and this is Node ${process.versions.node}. Run Anneal with a newer Node, or export the table: sqlite3 -header -csv FILE "SELECT * FROM TABLE" > table.csv`,
      { cause: error },
    )
  }
}

/** Reads a table of a SQLite file, or a SELECT over it in SQLite's own SQL. The file is opened for reading alone. */
export async function readSqlite(
  file: string,
  { table, sql, report = silent, signal, skip = [] }: ReadOptions,
): Promise<{ rows: number; columns: RawColumn[]; choices: Choice[]; where(row: number): string }> {
  const { DatabaseSync } = await driver()
  let base: InstanceType<Sqlite['DatabaseSync']>
  try {
    base = new DatabaseSync(file, { readOnly: true })
  } catch (error) {
    throw new DataError(`${file} can't be opened as a SQLite database: ${(error as Error).message}.`, { cause: error })
  }
  try {
    const list =
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    const names = [...base.prepare(list).iterate()].map(row => row.name as string)
    const chosen = sql === undefined ? names[chooseTable(file, names, table)]! : undefined
    const from = chosen === undefined ? oneSelect(sql!) : `SELECT * FROM "${chosen.replaceAll('"', '""')}"`
    const place = chosen === undefined ? "row of the SQL's result" : `${file}, table "${chosen}"`
    return {
      ...read(base.prepare(from), { signal, report, skip: new Set(skip), place }),
      where: row => `${place}, row ${row + 1}`,
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') throw error
    throw new DataError(`${file}: ${(error as Error).message}. ${sql === undefined ? '' : 'Correct the SQL.'}`.trim(), {
      cause: error,
    })
  } finally {
    base.close()
  }
}

/** The statement, if it is one SELECT. SQLite itself would run the first of several and pass over the others. */
function oneSelect(sql: string): string {
  const bare = sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ' ').trim()
  const ok =
    /^(select|with|values)\b/i.test(bare) &&
    !/;\s*\S/.test(bare) &&
    !/\b(insert|update|delete|replace)\s+(into|or|from|\w+\s+set)\b/i.test(bare)
  if (ok) return sql
  throw new DataError(
    `${setting('sql', sql.slice(0, 80))} is not one SELECT. Expected one SELECT statement, such as SELECT * FROM t WHERE year > 2020.`,
  )
}

function read(
  statement: Statement,
  {
    signal,
    report,
    skip,
    place,
  }: {
    signal: AbortSignal | undefined
    report: NonNullable<ReadOptions['report']>
    skip: ReadonlySet<string>
    place: string
  },
): { rows: number; columns: RawColumn[]; choices: Choice[] } {
  statement.setReadBigInts(true)
  statement.setReturnArrays?.(true)
  const choices: Choice[] = []
  const names = unique(
    statement.columns().map(({ name }) => name),
    choices,
  )
  const builders = names.map(name => new ColumnBuilder(name))
  const used = builders.flatMap((builder, i) => (skip.has(names[i]!) ? [] : [{ builder, i }]))
  let rows = 0
  const where = () => `${place}, row ${rows + 1}`
  for (const row of statement.iterate()) {
    const cells = Array.isArray(row) ? (row as Plain[]) : Object.values(row)
    for (const { builder, i } of used) {
      const value = cells[i]
      builder.add(
        typeof value === 'bigint' && value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value,
        where,
      )
    }
    if (++rows % 65536 === 0) {
      signal?.throwIfAborted()
      report({ line: `${rows.toLocaleString('en-US')} rows read` })
    }
  }
  return { rows, columns: used.map(({ builder }) => builder.done()), choices }
}
