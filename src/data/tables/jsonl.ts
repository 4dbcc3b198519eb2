import { DataError } from '../../base/errors.ts'
import type { Cell } from '../../cells/cell.ts'
import type { Column, Parsed, TableFormat } from './types.ts'

/** JSON lines: one object per line. */
export const jsonLines: TableFormat = {
  name: 'JSON lines',
  endings: '.jsonl .ndjson',
  recognises: ({ ending, text }) =>
    jsonLines.endings.split(' ').includes(ending) || /^\s*\{/.test(text().slice(0, 1000)),
  read: ({ file, text }) => readJsonLines(file, text()),
}

/** Reads JSON lines: one object per line, one column per key. A key that a line lacks is null in its row. An object in
 *  a cell becomes its JSON text. */
export function readJsonLines(file: string, text: string): Parsed {
  const columns = new Map<string, Cell[]>()
  const places: number[] = []
  let line = 0
  for (const content of text.split(/\r\n|\n|\r/)) {
    line++
    if (content.trim() === '') continue
    for (const [name, value] of Object.entries(objectIn(content, `${file}, line ${line}`))) {
      const cells = columns.get(name) ?? []
      if (cells.length === 0) columns.set(name, cells)
      while (cells.length < places.length) cells.push(null)
      cells.push(toCell(value))
    }
    places.push(line)
  }
  for (const cells of columns.values()) while (cells.length < places.length) cells.push(null)
  return {
    columns: Array.from(columns, ([name, cells]): Column => ({ name, cells })),
    places: Uint32Array.from(places),
    unit: 'line',
  }
}

/** The JSON object of one line. Error messages begin with `where`. */
export function objectIn(content: string, where: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(largeAsText(content))
  } catch (error) {
    throw new DataError(`${where}: not JSON (${(error as Error).message}); expected one object per line.`, {
      cause: error,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DataError(`${where}: ${content.slice(0, 60)} is not an object; expected {"file": "1.jpg", "label": …}.`)
  return value as Record<string, unknown>
}

/** Puts whole numbers beyond 2^53 in quotes, because JSON.parse would round them. Such numbers are names. */
const largeAsText = (json: string): string =>
  /\d{16}/.test(json)
    ? json.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, token =>
        /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
      )
    : json

/** Converts a typed value to a cell. Large whole numbers and dates become text; objects become their JSON text. */
export function toCell(value: unknown): Cell {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)))
    return Array.from(value as Iterable<unknown>, part => {
      const cell = toCell(part)
      return typeof cell === 'object' && cell !== null ? JSON.stringify(cell) : cell
    })
  return JSON.stringify(value)
}
