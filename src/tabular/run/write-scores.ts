import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { openDuck, text } from '../read/duckdb.ts'
import type { Frame } from '../types.ts'
import { databaseKind, type OutTable, writeTable } from './write-database.ts'
import { frameInDuck, writeCsv } from './write-text.ts'

/** Throws for a name whose ending is none of the formats that are written, and for options that it does not take. */
export function checkScoresFile(out: string | undefined, { table, replace }: OutTable = {}): void {
  const isDatabase = out !== undefined && databaseKind(out) !== undefined
  if (out !== undefined && !isDatabase && !/\.(csv|parquet)$/i.test(out))
    throw new OptionError(
      `${setting('out', out)}: expected a file that ends with .csv or .parquet, or a database that ends with .duckdb, .sqlite or .db, such as scores.csv.`,
    )
  const given = table !== undefined ? setting('outTable', table) : replace ? setting('replace', true) : undefined
  if (given !== undefined && !isDatabase)
    throw new OptionError(
      `${given} is for a table in a database: ${out === undefined ? `name its file with ${setting('out', 'scores.duckdb')}` : `${out} is none; expected a file that ends with .duckdb, .sqlite or .db`}.`,
    )
  if (table === '') throw new OptionError(`${setting('outTable', table)}: expected the name of a table.`)
}

/** Writes a frame as CSV or Parquet, or as a table of a DuckDB or SQLite database, by the ending of its name. A file or a
 *  table is written whole or not at all. */
export async function writeScores(
  out: string,
  frame: Frame,
  { signal, ...table }: OutTable & { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  checkScoresFile(out, table)
  mkdirSync(dirname(resolve(out)), { recursive: true })
  const kind = databaseKind(out)
  if (kind) {
    await writeTable(out, frame, { kind, signal, ...table })
    return
  }
  const temp = `${out}.${process.pid}.tmp`
  try {
    if (/\.csv$/i.test(out)) writeCsv(temp, frame)
    else await writeParquet(temp, frame, signal)
    renameSync(temp, out)
  } finally {
    rmSync(temp, { force: true })
  }
}

/** DuckDB makes the Parquet file from a CSV file beside its own files, whose columns it is told. */
async function writeParquet(path: string, frame: Frame, signal: AbortSignal | undefined): Promise<void> {
  const duck = await openDuck({ signal })
  try {
    const csv = join(duck.folder, 'scores.csv')
    writeCsv(csv, frame)
    await duck.run(`COPY (${frameInDuck(csv, frame)}) TO ${text(path)} (FORMAT parquet, COMPRESSION zstd)`)
  } finally {
    duck.close()
  }
}
