import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { name as named, openDuck, text } from '../read/duckdb.ts'
import type { Frame } from '../types.ts'

const rowsAtOnce = 8192

/** Throws for a name whose ending is none of the formats that are written. */
export function checkScoresFile(out: string): void {
  if (!/\.(csv|parquet)$/i.test(out))
    throw new OptionError(
      `${setting('out', out)}: expected a file that ends with .csv or .parquet, such as scores.csv.`,
    )
}

/** Writes a frame as CSV or Parquet, by the ending of its name. The file is written whole or not at all. */
export async function writeScores(out: string, frame: Frame, signal?: AbortSignal): Promise<void> {
  checkScoresFile(out)
  mkdirSync(dirname(resolve(out)), { recursive: true })
  const temp = `${out}.${process.pid}.tmp`
  try {
    if (/\.csv$/i.test(out)) writeCsv(temp, frame)
    else await writeParquet(temp, frame, signal)
    renameSync(temp, out)
  } finally {
    rmSync(temp, { force: true })
  }
}

/** A cell as text; empty where the value is missing. */
function cellsOf(frame: Frame): (row: number) => string {
  const columns = frame.columns.map((column): ((row: number) => string) => {
    if (column.type === 'words') {
      const words = column.values.words.map(quotedCell)
      const { codes } = column.values
      return row => (codes[row]! < 0 ? '' : words[codes[row]!]!)
    }
    const { values } = column
    return column.type === 'date'
      ? row => (Number.isNaN(values[row]) ? '' : dateText(values[row]!))
      : row => (Number.isNaN(values[row]) ? '' : String(values[row]))
  })
  return row => columns.map(cell => cell(row)).join(',')
}

const quotedCell = (word: string) => (/[",\r\n]|^\s|\s$/.test(word) ? `"${word.replaceAll('"', '""')}"` : word)

/** `2026-12-31`, with the time where it is not midnight. */
function dateText(seconds: number): string {
  const iso = new Date(1000 * seconds).toISOString()
  return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : iso.replace('T', ' ').replace(/\.000Z$|Z$/, '')
}

function writeCsv(path: string, frame: Frame): void {
  const file = openSync(path, 'w')
  try {
    writeAll(file, `${frame.columns.map(({ name }) => quotedCell(name)).join(',')}\n`)
    const line = cellsOf(frame)
    for (let from = 0; from < frame.rows; from += rowsAtOnce) {
      const lines: string[] = []
      for (let row = from; row < Math.min(frame.rows, from + rowsAtOnce); row++) lines.push(line(row))
      writeAll(file, `${lines.join('\n')}\n`)
    }
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, content: string): void {
  const bytes = Buffer.from(content)
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
}

/** DuckDB makes the Parquet file from a CSV file beside its own files, whose columns it is told. */
async function writeParquet(path: string, frame: Frame, signal: AbortSignal | undefined): Promise<void> {
  const duck = await openDuck({ signal })
  try {
    const csv = join(duck.folder, 'scores.csv')
    writeCsv(csv, frame)
    const types = { number: 'DOUBLE', date: 'TIMESTAMP', words: 'VARCHAR' }
    const columns = frame.columns.map(({ type }, i) => `c${i}: '${types[type]}'`).join(', ')
    const shown = frame.columns.map(({ name }, i) => `c${i} AS ${named(name)}`).join(', ')
    const read = `read_csv(${text(csv)}, header=true, auto_detect=false, delim=',', quote='"', escape='"', nullstr='', columns={${columns}})`
    await duck.run(`COPY (SELECT ${shown} FROM ${read}) TO ${text(path)} (FORMAT parquet, COMPRESSION zstd)`)
  } finally {
    duck.close()
  }
}
