import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DataError, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { firstBytes } from '../read/csv-text.ts'
import { firstLines, name as named, openDuck, text } from '../read/duckdb.ts'
import { isOfSqlite, openSqlite, type SqliteFile, type SqliteValue } from '../read/sqlite-file.ts'
import type { Frame, FrameColumn } from '../types.ts'
import { dateText, frameInDuck, writeCsv } from './write-text.ts'

/** The table into which scores go. */
export interface OutTable {
  /** Default: `predictions`. */
  table?: string | undefined
  /** Whether a table of this name that is there already is replaced. Default: that is an error. */
  replace?: boolean | undefined
}

/** The kinds of databases that are written. */
export type DatabaseKind = 'duckdb' | 'sqlite'

/** What kind of database a file is, by its first bytes, or becomes, by its ending; undefined for another ending. */
export function databaseKind(out: string): DatabaseKind | undefined {
  const ending = /\.(duckdb|sqlite3?|db)$/i.exec(out)?.[1]?.toLowerCase()
  if (ending === undefined) return undefined
  if (existsSync(out) && statSync(out).isFile() && statSync(out).size > 0) {
    const head = firstBytes(out, 16).toString('latin1')
    if (head.startsWith('SQLite format 3\0')) return 'sqlite'
    if (head.slice(8, 12) === 'DUCK') return 'duckdb'
    throw new DataError(
      `${setting('out', out)}: this file is neither a SQLite nor a DuckDB database, so no table can be written into it. Give another name, or remove the file.`,
    )
  }
  return ending === 'duckdb' ? 'duckdb' : 'sqlite'
}

/** Writes a frame as a table of a database file, in one transaction: the table is there whole or not at all, and other
 *  tables stay as they are. */
export async function writeTable(
  out: string,
  frame: Frame,
  {
    kind,
    table = 'predictions',
    replace = false,
    signal,
  }: OutTable & { kind: DatabaseKind; signal?: AbortSignal | undefined },
): Promise<void> {
  const isNew = !existsSync(out)
  const columns = differentNames(frame.columns)
  const how = { table, replace, signal }
  try {
    if (kind === 'sqlite') await writeSqlite(out, { ...frame, columns }, how)
    else await writeDuckdb(out, { ...frame, columns }, how)
  } catch (error) {
    if (isNew) for (const file of [out, `${out}.wal`, `${out}-journal`]) rmSync(file, { force: true })
    throw error
  }
}

interface How {
  table: string
  replace: boolean
  signal: AbortSignal | undefined
}

/** In a database, names that differ in upper and lower case alone are the same: the second one gets a number. */
function differentNames(columns: readonly FrameColumn[]): FrameColumn[] {
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()))
  const used = new Set<string>()
  return columns.map(column => {
    let own = column.name
    for (let n = 2; used.has(own.toLowerCase()); n++) {
      own = `${column.name}_${n}`
      if (taken.has(own.toLowerCase())) own = column.name
    }
    used.add(own.toLowerCase())
    return { ...column, name: own }
  })
}

const isThere = (out: string, table: string, what: string) =>
  new OptionError(
    what === 'table'
      ? `${out} holds a table "${table}" already. ${setting('replace', true)} replaces it, ${setting('outTable', `${table}_2`)} writes another one.`
      : `${out} holds a ${what} "${table}", which is not replaced. Write another table: ${setting('outTable', `${table}_2`)}.`,
  )

async function writeDuckdb(out: string, frame: Frame, { table, replace, signal }: How): Promise<void> {
  const duck = await openDuck({ signal })
  try {
    await duck.run(`ATTACH ${text(out)} AS target`)
    const [found] = await duck.rows(
      `SELECT table_type FROM information_schema.tables WHERE table_catalog = 'target' AND table_schema = 'main' AND lower(table_name) = lower(${text(table)})`,
    )
    const what = found?.[0] === 'VIEW' ? 'view' : 'table'
    if (found && (!replace || what === 'view')) throw isThere(out, table, what)
    const csv = join(duck.folder, 'scores.csv')
    writeCsv(csv, frame)
    await duck.run('BEGIN')
    await duck.run(`CREATE OR REPLACE TABLE target.main.${named(table)} AS ${frameInDuck(csv, frame)}`)
    await duck.run('COMMIT')
    await duck.run('DETACH target')
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof OptionError || error instanceof DataError) throw error
    throw new DataError(`${out}: the table "${table}" can't be written: ${firstLines(error)}`, { cause: error })
  } finally {
    duck.close()
  }
}

const rowsAtOnce = 8192

async function writeSqlite(out: string, frame: Frame, { table, replace, signal }: How): Promise<void> {
  let base: SqliteFile | undefined
  try {
    base = await openSqlite(out, { write: true })
    base.run('BEGIN IMMEDIATE')
    try {
      const same = `lower(name) = lower(${text(table)}) AND type IN ('table', 'view')`
      const [found] = Array.from(base.rows(`SELECT type FROM sqlite_master WHERE ${same}`))
      if (found && (!replace || found.type !== 'table')) throw isThere(out, table, String(found.type))
      if (found) base.run(`DROP TABLE ${named(table)}`)
      const types = { number: 'REAL', date: 'TEXT', words: 'TEXT' }
      base.run(
        `CREATE TABLE ${named(table)} (${frame.columns.map(({ name, type }) => `${named(name)} ${types[type]}`).join(', ')})`,
      )
      await insert(base, frame, { table, signal })
      base.run('COMMIT')
    } catch (error) {
      base.run('ROLLBACK')
      throw error
    }
  } catch (error) {
    if (!isOfSqlite(error)) throw error
    throw new DataError(`${out}: the table "${table}" can't be written: ${(error as Error).message}.`, { cause: error })
  } finally {
    base?.close()
  }
}

async function insert(
  base: SqliteFile,
  { rows, columns }: Frame,
  { table, signal }: { table: string; signal: AbortSignal | undefined },
): Promise<void> {
  const row = base.repeat(`INSERT INTO ${named(table)} VALUES (${columns.map(() => '?').join(', ')})`)
  const cells = columns.map(cellOf)
  try {
    for (let i = 0; i < rows; i++) {
      row.with(cells.map(cell => cell(i)))
      if (i % rowsAtOnce !== rowsAtOnce - 1) continue
      await new Promise(setImmediate) // an abort is heard
      signal?.throwIfAborted()
    }
  } finally {
    row.end()
  }
}

/** A cell as SQLite takes it; null where the value is missing. Dates are texts, as its own date functions read them. */
function cellOf(column: FrameColumn): (row: number) => SqliteValue {
  if (column.type === 'words') {
    const { codes, words } = column.values
    return row => (codes[row]! < 0 ? null : words[codes[row]!]!)
  }
  const { type, values } = column
  return row => (Number.isNaN(values[row]) ? null : type === 'date' ? dateText(values[row]!) : values[row]!)
}
