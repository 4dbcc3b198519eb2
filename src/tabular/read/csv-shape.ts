import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { dateColumn } from '../../cells/dates.ts'
import { missingRule } from '../../cells/missing.ts'
import type { FileKind } from '../../data/files/file-kind.ts'
import { blanks, dialectOf, shown } from '../../data/tables/dialect.ts'
import type { Choice } from '../../data/types.ts'
import { isNumberWord } from '../columns/number-word.ts'
import type { Head } from './csv-text.ts'

/** How a text file is cut into rows and cells. */
export interface Shape {
  delimiter: string
  quote: string
  escape: string
  /** The lines above the first row, and the same counted as DuckDB does: a row whose cells hold line ends is one. */
  skip: number
  skipRows: number
  names: string[]
  choices: Choice[]
}

export interface ShapeOptions {
  delimiter?: string | undefined
  header?: boolean | undefined
}

/** The first rows of tables name no files. */
const noFiles: FileKind = {
  noun: { one: 'row', many: 'rows' },
  isNamed: () => false,
  bytesNeeded: 0,
  recognises: () => false,
  describe: () => '',
}

const looked = 300
const anyMissing = missingRule(undefined).inNumbers

interface Rows {
  records: string[][]
  /** The line on which each begins, and the line after it. */
  lines: number[]
  ends: number[]
}

/** Finds the delimiter, the quotes, the titles above the table and the names of the columns from the first lines of a
 *  file. What DuckDB finds by itself drops lines without a word. */
export async function shapeOf(file: string, head: Head, { delimiter, header }: ShapeOptions): Promise<Shape> {
  const dialect = dialectOf(head.text, noFiles)
  const byBlanks = delimiter === undefined && isByBlanks(head.text.slice(dialect.start), dialect.delimiter)
  const sign = delimiter ?? (byBlanks ? blanks : dialect.delimiter)
  const choices = [...head.choices]
  if (byBlanks)
    choices.push({
      what: 'delimiter of columns',
      value: shown[blanks]!,
      reason: 'several blanks stand between cells, in every line as many',
    })
  else if (delimiter === undefined) choices.push(...dialect.choices)
  const escaper = escapeOf(head.text, dialect.quote)
  if (escaper !== dialect.quote)
    choices.push({
      what: 'quotes in cells',
      value: `\\${dialect.quote}`,
      reason: `quotes in cells have a backslash before them`,
    })
  const rows = await recordsOf(file, head, {
    delimiter: sign,
    quote: dialect.quote,
    escaper,
    start: dialect.start,
    line: dialect.line,
  })
  if (rows.records.length === 0 && !head.whole)
    throw new DataError(
      `${file}: the first row is longer than a megabyte; expected one row per line. Is a quote in it not closed?`,
    )
  if (rows.records.length === 0) throw new DataError(`${file} holds no rows; expected a table with one row per line.`)
  const width = usual(rows.records.map(record => record.length))
  if (width === 1 && sign !== blanks && delimiter === undefined) checkOneColumn(file, rows)
  const found = headerOf(rows, { width, header, comment: dialect.comments.at(-1)?.text, delimiter: sign })
  for (const { line, text } of dialect.comments)
    if (!found.fromComment || text !== dialect.comments.at(-1)?.text)
      choices.push({ what: 'line passed over', value: `line ${line}, "${short(text)}"`, reason: 'it begins with #' })
  choices.push(...found.choices)
  const names = unique(found.names, choices)
  const extra = rows.lines.reduce((sum, line, i) => sum + (line <= found.skip ? rows.ends[i]! - line - 1 : 0), 0)
  return {
    delimiter: sign,
    quote: dialect.quote,
    escape: escaper,
    skip: found.skip,
    skipRows: found.skip - extra,
    names,
    choices,
  }
}

/** Whether lines with a tab are columns of a fixed width in truth: runs of blanks inside the cells, and as many words in
 *  every line, as in UCI's auto-mpg. */
function isByBlanks(text: string, delimiter: string): boolean {
  if (delimiter !== '\t') return false
  const lines = text.split(/\r\n|\n|\r/, looked).filter(line => line.trim() !== '')
  const counts = new Set(lines.slice(0, -1).map(line => cutAtBlanks(line).length))
  return (
    lines.length > 2 && counts.size === 1 && lines.every(line => line.split('\t').some(cell => /\S {2,}\S/.test(cell)))
  )
}

const short = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

/** Quotes with a backslash before them, if cells in quotes hold some and no doubled ones. */
function escapeOf(text: string, quote: string): string {
  const backslashed = text.split(new RegExp(`\\\\${quote}(?![,;|\\t\\r\\n])`)).length - 1
  return backslashed > 0 && !text.includes(quote + quote) ? '\\' : quote
}

async function recordsOf(
  file: string,
  head: Head,
  {
    delimiter,
    quote,
    escaper,
    start,
    line,
  }: { delimiter: string; quote: string; escaper: string; start: number; line: number },
): Promise<Rows> {
  if (delimiter === blanks) {
    const all = head.text
      .slice(start)
      .split(/\r\n|\n|\r/)
      .map((text, i) => ({ text, line: line + i }))
    const filled = all.filter(({ text }) => text.trim() !== '').slice(0, looked)
    return {
      records: filled.map(({ text }) => cutAtBlanks(text)),
      lines: filled.map(own => own.line),
      ends: filled.map(own => own.line + 1),
    }
  }
  const { parse } = await import('csv-parse/sync')
  const parsed = (most: number) =>
    parse(head.text.slice(start), {
      delimiter,
      quote,
      escape: escaper,
      recordDelimiter: ['\r\n', '\n', '\r'],
      relaxColumnCount: true,
      relaxQuotes: true,
      trim: delimiter !== '\t',
      to: most,
    }) as string[][]
  let all: string[][]
  try {
    all = parsed(looked)
    if (!head.whole && all.length < looked) all = all.slice(0, -1)
  } catch (error) {
    throw new DataError(
      `${file}: a quote (${quote}) opens a cell, but no quote closes it (${(error as Error).message}). Repair the line, or double each quote inside a cell.`,
      { cause: error },
    )
  }
  const rows: Rows = { records: [], lines: [], ends: [] }
  let at = line
  for (const record of all) {
    const next = at + record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 1)
    if (record.length > 1 || record[0] !== '') {
      rows.records.push(record)
      rows.lines.push(at)
      rows.ends.push(next)
    }
    at = next
  }
  return rows
}

/** The words of a line. A word in quotes may hold blanks. */
export function cutAtBlanks(line: string): string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"(?=\s|$)|\S+/g)].map(
    ([all, quoted]) => quoted?.replaceAll('""', '"') ?? all,
  )
}

/** A line with blanks between its cells, as CSV. */
export const blanksToCommas = (line: string): string =>
  cutAtBlanks(line)
    .map(cell => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',')

/** One column, and every line has a sign that may separate cells: that was not seen as a delimiter. */
function checkOneColumn(file: string, { records }: Rows): void {
  const sign = [':', '~', '^', '\u0001', '§'].find(
    one => records.length > 1 && records.every(record => record.join('').includes(one)),
  )
  if (sign)
    throw new DataError(
      `${file}: every line is one cell, and every line holds "${sign}". If that separates the cells: ${setting('delimiter', sign)}. If the table has one column: ${setting('delimiter', ',')}.`,
    )
}

function usual(numbers: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1)
  return [...counts].reduce(
    (best, one) => (one[1] > best[1] || (one[1] === best[1] && one[0] > best[0]) ? one : best),
    [0, 0],
  )[0]
}

interface Header {
  names: string[]
  skip: number
  fromComment: boolean
  choices: Choice[]
}

function headerOf(
  rows: Rows,
  {
    width,
    header,
    comment,
    delimiter,
  }: { width: number; header: boolean | undefined; comment: string | undefined; delimiter: string },
): Header {
  const { records, lines, ends } = rows
  const choices: Choice[] = []
  const at = titleLines(records, width)
  for (let i = 0; i < at; i++)
    choices.push({
      what: 'line passed over',
      value: `line ${lines[i]}, "${short(records[i]!.join(' ').trim())}"`,
      reason: `it stands above the table: it has ${plural(records[i]!.filter(Boolean).length, 'cell')}, and most lines have ${width}`,
    })
  const above = lines[at]! - 1
  const cells = comment ? commentCells(comment, { delimiter, width }) : undefined
  const why =
    header === undefined ? rowReason(records.slice(at), lines[at]!) : header ? undefined : setting('header', false)
  if (cells && header === undefined && at === 0 && why !== undefined)
    return {
      names: cells,
      skip: above,
      fromComment: true,
      choices: [
        ...choices,
        {
          what: 'names of columns',
          value: cells.join(', '),
          reason: 'the line above the rows, which begins with #, has them',
        },
      ],
    }
  if (why !== undefined) {
    choices.push({
      what: 'names of columns',
      value: 'column 1, column 2, …',
      reason: `${why}; ${setting('header', true)} takes this line as names`,
    })
    return {
      names: Array.from({ length: width }, (_, i) => `column ${i + 1}`),
      skip: above,
      fromComment: false,
      choices,
    }
  }
  const names = records[at]!.map(cell => cell.trim())
  return {
    names: fitted(names, { records: records.slice(at + 1), width, line: lines[at]!, choices }),
    skip: ends[at]! - 1,
    fromComment: false,
    choices,
  }
}

/** How many lines stand above the names: they have one filled cell, or fewer cells than the rows. */
function titleLines(records: readonly string[][], width: number): number {
  if (width < 2) return 0
  let at = 0
  const odd = (record: readonly string[]) => record.filter(cell => cell !== '').length <= 1 || record.length < width - 1
  while (at < Math.min(20, records.length - 1) && odd(records[at]!)) at++
  return records[at]!.length === width || records[at]!.length === width - 1 ? at : 0
}

function commentCells(
  comment: string,
  { delimiter, width }: { delimiter: string; width: number },
): string[] | undefined {
  const plain = comment.replace(/^"?#+\s*/, '').replaceAll('"', '')
  const cells = delimiter === blanks ? plain.trim().split(/\s+/) : plain.split(delimiter).map(cell => cell.trim())
  return cells.length === width && width > 1 ? cells : undefined
}

/** Why the first line is a row and does not name the columns, or undefined. */
function rowReason([first = [], ...below]: readonly string[][], line: number): string | undefined {
  if (below.length === 0 || countUp(first)) return undefined
  const values = first.map((_, c) =>
    below.flatMap(record => (record[c] === undefined || record[c] === '' || anyMissing(record[c]) ? [] : [record[c]])),
  )
  const numeric = values.map(cells => cells.length > 0 && cells.every(cell => isNumberWord(cell) || isDateWord(cell)))
  const named = first.findIndex(
    (cell, c) => numeric[c] && cell !== '' && !anyMissing(cell) && !isNumberWord(cell) && !isDateWord(cell),
  )
  if (named >= 0) return undefined
  const number = first.findIndex((cell, c) => numeric[c] && cell !== '' && (isNumberWord(cell) || isDateWord(cell)))
  if (number >= 0) return `line ${line} holds "${first[number]}" in column ${number + 1}, as the rows below it do`
  const again = first.findIndex((cell, c) => cell !== '' && values[c]!.includes(cell))
  if (again >= 0) return `line ${line} holds "${first[again]}" in column ${again + 1}, and so does a row below it`
  return undefined
}

const isDateWord = (cell: string) => dateColumn([cell], 'dmy').dates === 1 || dateColumn([cell], 'mdy').dates === 1

/** Whether the numbers among names are 0, 1, 2, … or years and the like: one column per number. */
function countUp(names: readonly string[]): boolean {
  const own = names.filter(name => /^\d+$/.test(name)).map(Number)
  return own.length > 2 && own.every((n, i) => n === own[0]! + i)
}

/** As many names as the rows have cells: an empty name at the end is dropped with its empty cells, and a missing name in
 *  front is that of R's row names. */
function fitted(
  names: string[],
  { records, width, line, choices }: { records: readonly string[][]; width: number; line: number; choices: Choice[] },
): string[] {
  const own = [...names]
  if (own.length === width - 1 && records.length > 0) {
    if (records.every(record => (record[width - 1] ?? '') === '')) own.push('')
    else {
      own.unshift('')
      choices.push({
        what: 'first column',
        value: 'without a name',
        reason: `the rows have one more cell than line ${line} has names, as R writes names of rows`,
      })
    }
  }
  return own.map((name, i) => name || `column ${i + 1}`)
}

/** Names that occur again get a number. Names that differ in upper and lower case are different. */
export function unique(names: readonly string[], choices: Choice[]): string[] {
  const taken = new Set<string>()
  const all = new Set(names)
  return names.map(name => {
    let own = name
    for (let i = 2; taken.has(own) || (own !== name && all.has(own)); i++) own = `${name} (${i})`
    taken.add(own)
    if (own !== name)
      choices.push({ what: 'column name', value: own, reason: `"${name}" is the name of another column, too` })
    return own
  })
}
export { shown as delimiterNames }
