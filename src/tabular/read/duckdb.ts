import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DataError, SetupError } from '../../base/errors.ts'
import { bytes } from '../../base/format.ts'
import { freeMemory } from '../../base/memory.ts'
import { setting } from '../../base/options.ts'

/** The part of DuckDB's results that is read. A program that uses Anneal without tables has no types of DuckDB. */
export interface Chunks {
  /** The next rows; null or none after the last. */
  fetchChunk(): Promise<{ rowCount: number; getColumnVector(column: number): unknown } | null>
}

/** An open database in memory that reads tables, and what it needs on the disk. */
export interface Duck {
  /** The rows of a statement as plain values, one array per row. */
  rows(sql: string): Promise<Value[][]>
  run(sql: string): Promise<void>
  /** The result of a statement, chunk by chunk. */
  stream(sql: string): Promise<Chunks>
  /** The text of the one SELECT that a user wrote. Throws for another statement, and for several. */
  checkSelect(sql: string): Promise<void>
  /** From now on nothing outside these files can be read, and no setting can be changed. */
  lock(files: readonly string[]): Promise<void>
  /** A folder for files of this reading. It is removed at the end. */
  folder: string
  close(): void
}

/** A database that is opened when it is needed, and a folder for files of one reading. */
export class DuckOnDemand {
  readonly #options: DuckOptions
  #duck: Promise<Duck> | undefined
  #folder: string | undefined

  constructor(options: DuckOptions) {
    this.#options = options
  }
  open(): Promise<Duck> {
    this.#duck ??= openDuck(this.#options)
    return this.#duck
  }
  /** It is removed by `close`. */
  get folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'anneal-text-'))
    return this.#folder
  }
  async close(): Promise<void> {
    await this.#duck?.then(
      duck => duck.close(),
      () => {},
    )
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** What DuckDB's values become: 64-bit integers stay `bigint`. */
export type Value = string | number | bigint | boolean | null | readonly Value[] | { [name: string]: Value }

export interface DuckOptions {
  /** Bytes that DuckDB may take before it writes to the disk. Default: half of the free memory, at most 4 GB. */
  memory?: number | undefined
  threads?: number | undefined
  signal?: AbortSignal | undefined
}

const missing =
  'tables are read by DuckDB, whose package @duckdb/node-api is not installed. Install it: npm install @duckdb/node-api'

async function api(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') throw new SetupError(missing, { cause: error })
    throw new SetupError(
      `tables are read by DuckDB, but its package @duckdb/node-api can't be loaded: ${message}. Install it again: npm install @duckdb/node-api`,
      { cause: error },
    )
  }
}

/** Opens a database in memory that downloads nothing and takes no more memory than its limit: beyond it, it writes to a
 *  folder of its own, at most half of the free disk. An abort of the signal interrupts the statement that runs. */
export async function openDuck({ memory, threads, signal }: DuckOptions = {}): Promise<Duck> {
  signal?.throwIfAborted()
  const { DuckDBInstance, StatementType } = await api()
  const folder = mkdtempSync(join(tmpdir(), 'anneal-table-'))
  const limit = Math.max(64 << 20, memory ?? Math.min(4e9, freeMemory() / 2))
  let instance: DuckDBInstance | undefined
  try {
    mkdirSync(join(folder, 'spill'))
    instance = await DuckDBInstance.create(':memory:', {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      memory_limit: `${Math.floor(limit / 1e6)}MB`,
      threads: String(threads ?? availableParallelism()),
      temp_directory: join(folder, 'spill'),
      max_temp_directory_size: `${Math.max(1, Math.floor(freeOn(folder) / 2e6))}MB`,
    })
    const connection = await instance.connect()
    await connection.run("SET TimeZone='UTC'")
    return duckOf({ connection, instance, folder, select: StatementType.SELECT, signal, limit })
  } catch (error) {
    instance?.closeSync()
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** The free bytes of the disk that holds a folder. */
function freeOn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

function duckOf({
  connection,
  instance,
  folder,
  select,
  signal,
  limit,
}: {
  connection: DuckDBConnection
  instance: DuckDBInstance
  folder: string
  select: number
  signal: AbortSignal | undefined
  limit: number
}): Duck {
  const interrupt = () => connection.interrupt()
  signal?.addEventListener('abort', interrupt)
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Error && error.message.startsWith('Out of Memory Error'))) throw error
      throw new DataError(
        `DuckDB needs more memory than its limit of ${bytes(limit)}: ${firstLines(error)} Free memory, or take fewer columns or rows with ${setting('sql', 'SELECT … FROM data')}.`,
        { cause: error },
      )
    }
  }
  return {
    folder,
    run: sql => asked(async () => void (await connection.run(sql))),
    rows: sql => asked(async () => (await connection.runAndReadAll(sql)).getRowsJS() as Value[][]),
    stream: sql => asked(() => connection.stream(sql)),
    checkSelect: sql => checkSelect(connection, sql, select),
    async lock(files) {
      await connection.run(`SET allowed_paths=[${files.map(text).join(', ')}]`)
      await connection.run('SET enable_external_access=false')
      await connection.run('SET lock_configuration=true')
    },
    close() {
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
      instance.closeSync()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function checkSelect(connection: DuckDBConnection, sql: string, select: number): Promise<void> {
  const expected = 'Expected one SELECT statement, such as SELECT * FROM data WHERE year > 2020.'
  try {
    const all = await connection.extractStatements(sql)
    if (all.count !== 1) throw new DataError(`the SQL holds ${all.count} statements. ${expected}`)
    const one = await all.prepare(0)
    const type = one.statementType
    one.destroySync()
    if (type !== select) throw new DataError(`the SQL is not a SELECT: ${shortened(sql)}. ${expected}`)
  } catch (error) {
    if (error instanceof DataError) throw error
    throw new DataError(`the SQL can't be read: ${firstLines(error)} ${expected}`, { cause: error })
  }
}

const shortened = (sql: string) => (sql.length > 80 ? `${sql.slice(0, 80)}…` : sql).replace(/\s+/g, ' ')

/** The first lines of an error of DuckDB, as one line: what is wrong, and the name that it proposes. */
export const firstLines = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replace(/^(Failed to extract statements: )?\w+( \w+)? Error: /, '')
    .split(/\n\s*\n|\nLINE /)[0]!
    .replace(/\s*\n\s*/g, ' ')
    .replace(/([^.?!])$/, '$1.')

/** A text as SQL: `'it''s'`. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** A name as SQL: `"a ""b"""`. */
export const name = (value: string): string => `"${value.replaceAll('"', '""')}"`

/** A statement without the semicolon at its end, and what follows that: it goes into a subquery. */
export const withoutEnd = (sql: string): string => sql.trim().replace(/;(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*$/, '')
