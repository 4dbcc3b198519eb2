import { SetupError } from '../../base/errors.ts'
import type { Plain } from './raw.ts'

/** A row of a SQLite table: its values by the names of the columns. */
export type SqliteRow = Record<string, Plain>

/** A value that is written into a SQLite table. */
export type SqliteValue = number | string | null

/** A SQLite file that is open. */
export interface SqliteFile {
  rows(sql: string): Iterable<SqliteRow>
  /** Runs statements that return nothing. */
  run(sql: string): void
  /** Runs one statement with values for each of its `?`, many times. */
  repeat(sql: string): { with(values: SqliteValue[]): void; end(): void }
  close(): void
}

/** The part of `node:sqlite` that is used. */
interface NodeSqlite {
  DatabaseSync: new (
    file: string,
    options: { readOnly: boolean },
  ) => {
    prepare(sql: string): {
      setReadBigInts(on: boolean): void
      iterate(): Iterable<SqliteRow>
      run(...values: SqliteValue[]): unknown
    }
    exec(sql: string): void
    close(): void
  }
}

/** The part of `node-sqlite3-wasm` that is used. */
interface WasmSqlite {
  Database: new (
    file: string,
    options: { readOnly: boolean },
  ) => {
    prepare(sql: string): { iterate(): Iterable<SqliteRow>; run(values: SqliteValue[]): unknown; finalize(): void }
    exec(sql: string): void
    close(): void
  }
}

/** Opens a file with SQLite of Node itself (22.13 and later), else with that of the package `node-sqlite3-wasm`. A file
 *  that is written need not exist. */
export async function openSqlite(file: string, { write = false } = {}): Promise<SqliteFile> {
  const [own, wasm] = ['node:sqlite', 'node-sqlite3-wasm']
  const node = await (import(own) as Promise<NodeSqlite>).catch(() => undefined)
  if (node) {
    const base = new node.DatabaseSync(file, { readOnly: !write })
    return {
      rows(sql) {
        const statement = base.prepare(sql)
        statement.setReadBigInts(true)
        return statement.iterate()
      },
      run: sql => base.exec(sql),
      repeat(sql) {
        const statement = base.prepare(sql)
        return { with: values => void statement.run(...values), end() {} }
      },
      close: () => base.close(),
    }
  }
  const found = await (import(wasm) as Promise<WasmSqlite | { default: WasmSqlite }>).catch(error => {
    throw new SetupError(
      `SQLite files are ${write ? 'written' : 'read'} by Node 22.13 or later, or by the package node-sqlite3-wasm; this is Node ${process.versions.node}, and the package is not installed. Install it: npm install node-sqlite3-wasm`,
      { cause: error },
    )
  })
  const { Database } = 'default' in found ? found.default : found
  const base = new Database(file, { readOnly: !write })
  return {
    *rows(sql) {
      const statement = base.prepare(sql)
      try {
        yield* statement.iterate()
      } finally {
        statement.finalize()
      }
    },
    run: sql => base.exec(sql),
    repeat(sql) {
      const statement = base.prepare(sql)
      return { with: values => void statement.run(values), end: () => statement.finalize() }
    },
    close: () => base.close(),
  }
}

/** Whether an error comes from SQLite itself. */
export const isOfSqlite = (error: unknown): boolean =>
  error instanceof Error &&
  ((error as NodeJS.ErrnoException).code === 'ERR_SQLITE_ERROR' || error.constructor.name === 'SQLite3Error')
