import { closeSync, openSync, writeSync } from 'node:fs'
import { name as named, text } from '../read/duckdb.ts'
import type { Frame } from '../types.ts'

const rowsAtOnce = 8192

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
export function dateText(seconds: number): string {
  const iso = new Date(1000 * seconds).toISOString()
  return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : iso.replace('T', ' ').replace(/\.000Z$|Z$/, '')
}

/** Writes a frame as CSV. */
export function writeCsv(path: string, frame: Frame): void {
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

/** A SELECT of the rows of a CSV file that `writeCsv` wrote, with the names and types of the frame. */
export function frameInDuck(csv: string, frame: Frame): string {
  const types = { number: 'DOUBLE', date: 'TIMESTAMP', words: 'VARCHAR' }
  const columns = frame.columns.map(({ type }, i) => `c${i}: '${types[type]}'`).join(', ')
  const shown = frame.columns.map(({ name }, i) => `c${i} AS ${named(name)}`).join(', ')
  return `SELECT ${shown} FROM read_csv(${text(csv)}, header=true, auto_detect=false, delim=',', quote='"', escape='"', nullstr='', columns={${columns}})`
}
