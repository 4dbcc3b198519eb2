import type { CsvError } from 'csv-parse/sync'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import type { Choice } from '../types.ts'
import { cutAtBlanks } from './blanks.ts'
import { blanks, type Dialect, dialectOf, shown } from './dialect.ts'
import { findHeader, type Header } from './find-header.ts'
import type { Column, Parsed, Records, TableFormat, TableOptions } from './types.ts'

/** Text with one row per line, and `,`, `;`, `|`, tabs or blanks between cells. */
export const csv: TableFormat = {
  name: 'CSV, TSV',
  endings: '.csv .tsv .txt .list',
  recognises: () => true,
  read({ file, ending, text }, options) {
    if (ending === '.json' && /^\s*\[/.test(text().slice(0, 1000)))
      throw new DataError(`${file} is one JSON array; expected JSON lines: one object per line, {"file": "1.jpg", …}.`)
    return readCsv(file, text(), options)
  },
}

/** Reads comma-separated values (RFC 4180: quoted cells may hold delimiters, line ends and doubled quotes) with the
 *  delimiter that fits best; this may be blanks. Skips blank lines, rows of empty cells, and comments and titles above
 *  the table. `pictures` helps to distinguish names of columns from a row. */
async function readCsv(file: string, text: string, { header, fileKind, pictures }: TableOptions): Promise<Parsed> {
  const dialect = dialectOf(text, fileKind)
  const read =
    dialect.delimiter === blanks
      ? cutAtBlanks(text, dialect, { fileKind, pictures })
      : await readQuoted(file, text, dialect)
  if (read.records.length === 0)
    throw new DataError(`${file} holds only blank lines; expected one row per ${fileKind.noun.one}.`)
  const found = findHeader(read, { dialect, header, fileKind, pictures })
  const { names, start } = withWidths(file, { ...read, ...found, delimiter: dialect.delimiter })
  const columns = names.map((name, c): Column => {
    const cells = new Array<string>(read.records.length - start)
    for (let r = start; r < read.records.length; r++) cells[r - start] = read.records[r]![c] ?? ''
    return { name, cells }
  })
  return {
    columns,
    places: Uint32Array.from(read.lines.slice(start)),
    unit: 'line',
    choices: [...dialect.choices, ...read.choices, ...found.choices],
  }
}

/** Reads records with csv-parse. If doubled quotes give an error, quotes with a backslash before them are tried. */
async function readQuoted(file: string, text: string, dialect: Dialect): Promise<Records & { choices: Choice[] }> {
  const { parse } = await import('csv-parse/sync')
  const { delimiter, quote, start, line } = dialect
  const body = start > 0 ? text.slice(start) : text
  const parsed = (escaper: string, to = -1): string[][] =>
    to === 0
      ? []
      : parse(body, {
          delimiter,
          quote,
          escape: escaper,
          recordDelimiter: ['\r\n', '\n', '\r'],
          relaxColumnCount: true,
          trim: delimiter !== '\t',
          to,
        })
  try {
    return { ...numbered(parsed(quote), line), choices: [] }
  } catch (error) {
    if (body.includes(`\\${quote}`))
      try {
        const reason = `quotes in cells have a backslash before them (\\${quote})`
        return {
          ...numbered(parsed('\\'), line),
          choices: [{ what: 'quotes in cells', value: `\\${quote}`, reason }],
        }
      } catch {} // the first error is more useful
    const { code, message, records = 0 } = error as CsvError & { records?: number }
    const what =
      code === 'CSV_QUOTE_NOT_CLOSED'
        ? `a quote (${quote}) opens a cell, but no quote closes it`
        : /QUOTE/.test(code)
          ? `a quote (${quote}) inside a cell; expected the whole cell in quotes, and each quote in it doubled (${quote}${quote})`
          : message
    const at = line + parsed(quote, records).reduce((sum, record) => sum + linesOf(record), 0)
    throw new DataError(`${file}, line ${at}: ${what}. Repair the line.`, { cause: error })
  }
}

function numbered(all: string[][], first: number): Records {
  const records: string[][] = []
  const lines: number[] = []
  let line = first
  for (const record of all) {
    if (record.some(cell => cell !== '')) {
      records.push(record)
      lines.push(line)
    }
    line += linesOf(record)
  }
  return { records, lines }
}

function linesOf(record: readonly string[]): number {
  let lines = 1
  for (const cell of record) if (/[\r\n]/.test(cell)) lines += cell.match(/\r\n|\r|\n/g)!.length
  return lines
}

/** Checks that each row has as many cells as there are names. A row may have more cells if these are empty. Throws for
 *  other rows, with their line. */
function withWidths(
  file: string,
  { records, lines, names, start, delimiter }: Records & Header & { delimiter: string },
): { names: string[]; start: number } {
  const expected = names.length
  const wrong = (record: string[]) =>
    record.length !== expected && (record.length < expected || record.slice(expected).some(cell => cell !== ''))
  const bad = records.findIndex((record, i) => i >= start && wrong(record))
  if (bad < 0) return { names, start }
  const count = records.filter((record, i) => i >= start && wrong(record)).length
  const more = count > 1 ? ` (and ${plural(count - 1, 'more line')})` : ''
  const record = records[bad]!
  const hint = record[0]!.startsWith('#')
    ? 'It looks like a comment: remove the line.'
    : record.length > expected
      ? delimiter === blanks
        ? 'Columns are separated by blanks: put a cell that contains blanks in quotes.'
        : `Put a cell that contains ${shown[delimiter] ?? delimiter} in quotes.`
      : delimiter === blanks
        ? 'Columns are separated by blanks: write an empty cell as "".'
        : 'A cell that is empty still needs its delimiter.'
  const held = record.join(' | ')
  throw new DataError(
    `${file}, line ${lines[bad]}${more}: ${plural(record.length, 'cell')}, expected ${expected} (${names.join(', ')}); it holds ${held.length > 80 ? `${held.slice(0, 80)}…` : held}. ${hint}`,
  )
}
