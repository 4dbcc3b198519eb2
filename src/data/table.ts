import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { AnnealError, didYouMean } from '../base/errors.ts'
import { option } from '../base/options.ts'
import { readCsv } from './csv.ts'
import { fileReason } from './decode.ts'
import { readJsonLines } from './jsonl.ts'
import { readParquet } from './parquet.ts'
import type { Choice } from './types.ts'

/** What a table holds in one place. Of text formats without types it is always a string. */
export type Cell = string | number | boolean | null | readonly (string | number | boolean | null)[]

/** One column, a cell for each row. */
export interface Column {
  name: string
  cells: readonly Cell[]
}

/** Rows with named columns; what was found out about their format is in `choices`. */
export interface Table {
  /** As it was named. */
  file: string
  columns: Column[]
  rows: number
  /** Where a row, or a cell of it, is to be found by a person: `labels.csv, line 7, column "tags"`. */
  where(row: number, column?: Column): string
  choices: Choice[]
}

/** The columns of a table as a format gives them, and where each row stands: its line, or its number in a file without
 *  lines. */
export interface Parsed {
  columns: Column[]
  places: Uint32Array
  unit: 'line' | 'row'
  choices?: Choice[]
}

/** Reads a table of any format that its content tells: Parquet, JSON lines, else CSV with `,`, `;`, `|` or tabs between
 *  cells. Without `header` the first line is a row too, and columns are called `column 1`, `column 2`. */
export async function readTable(file: string, { header = true }: { header?: boolean } = {}): Promise<Table> {
  const bytes = contentOf(file)
  const { columns, places, unit, choices = [] } = await parse(file, bytes, header)
  if (places.length === 0)
    throw new AnnealError(`${file} is a table without rows; expected one row a picture below the names of the columns.`)
  const names = new Set<string>()
  for (const { name } of columns) {
    if (names.has(name))
      throw new AnnealError(`${file} has two columns "${name}"; expected each name once. Rename one of them.`)
    names.add(name)
  }
  return {
    file,
    columns,
    rows: places.length,
    where: (row, column) => `${file}, ${unit} ${places[row]}${column ? `, column "${column.name}"` : ''}`,
    choices,
  }
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new AnnealError(
      `the table ${file} can not be read: ${fileReason(error)}; expected CSV, TSV, JSON lines or Parquet.`,
      { cause: error },
    )
  }
}

async function parse(file: string, bytes: Buffer, header: boolean): Promise<Parsed> {
  if (bytes.length === 0) throw new AnnealError(`the table ${file} is empty (0 bytes); expected one row a picture.`)
  const magic = bytes.subarray(0, 4).toString('latin1')
  if (magic === 'PAR1') return readParquet(file, bytes)
  if (magic === 'PK\x03\x04' || magic === '\xd0\xcf\x11\xe0')
    throw new AnnealError(`${file} is a workbook or an archive, no table as text; save its sheet as CSV (UTF-8) first.`)
  const { text, choices } = textOf(file, bytes)
  const lines = ['.jsonl', '.ndjson'].includes(extname(file).toLowerCase()) || /^\s*\{/.test(text.slice(0, 1000))
  if (lines) return { ...readJsonLines(file, text), choices }
  if (/^\s*\[/.test(text.slice(0, 1000)) && extname(file).toLowerCase() === '.json')
    throw new AnnealError(`${file} is one JSON array; expected JSON lines: one object a line, {"file": "1.jpg", …}.`)
  const parsed = await readCsv(file, text, header)
  return { ...parsed, choices: [...choices, ...(parsed.choices ?? [])] }
}

/** Bytes as text: UTF-8, UTF-16 with its mark, else Windows-1252, in which every byte is a character. */
function textOf(file: string, bytes: Buffer): { text: string; choices: Choice[] } {
  const mark = bytes.readUInt16BE(0) * Number(bytes.length > 1)
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8'
  if (encoding === 'utf-8' && bytes.subarray(0, 4096).includes(0))
    throw new AnnealError(`${file} holds bytes that are no text; expected a table: CSV, TSV, JSON lines or Parquet.`)
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), choices: [] }
  } catch {
    const choices = [{ what: 'encoding', value: 'windows-1252', reason: `${file} is not UTF-8` }]
    return { text: new TextDecoder('windows-1252').decode(bytes), choices }
  }
}

/** A column by its name; an error names the columns that there are. `property` is what asked for it. */
export function columnNamed({ file, columns }: Table, name: string, property: string): Column {
  const found = columns.find(column => column.name === name)
  if (found) return found
  const names = columns.map(column => column.name)
  throw new AnnealError(
    `${file} has no column "${name}" (${option(property)}); expected one of ${names.map(n => `"${n}"`).join(', ')}.${didYouMean(name, names)}`,
  )
}

/** A cell as text, blanks around it cut off; nothing is the empty text, a list is joined by spaces. */
export const cellText = (cell: Cell | undefined): string =>
  typeof cell === 'string' ? cell.trim() : cell == null ? '' : Array.isArray(cell) ? cell.join(' ') : String(cell)

/** A cell as a number: NaN where it is none, and where it is empty. */
export function cellNumber(cell: Cell | undefined): number {
  if (typeof cell === 'number') return cell
  const text = cellText(cell)
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
}
