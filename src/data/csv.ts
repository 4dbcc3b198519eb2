import type { CsvError } from 'csv-parse/sync'
import { AnnealError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import type { Column, Parsed } from './table.ts'

const delimiters = [',', '\t', ';', '|'] as const
const shown: Record<string, string> = { ',': 'a comma', '\t': 'a tab', ';': 'a semicolon', '|': 'a bar' }

/** Reads comma-separated values (RFC 4180: quoted cells may hold delimiters, line ends and doubled quotes), with the
 *  delimiter that fits best. Blank lines and rows of empty cells are passed over. */
export async function readCsv(file: string, text: string, header: boolean): Promise<Parsed> {
  const { parse } = await import('csv-parse/sync')
  const delimiter = delimiterOf(text)
  const read = (to = -1): string[][] =>
    to === 0
      ? []
      : parse(text, {
          delimiter,
          recordDelimiter: ['\r\n', '\n', '\r'],
          relaxColumnCount: true,
          trim: delimiter !== '\t',
          to,
        })
  const { records, lines } = numbered(file, read)
  const first = header ? records[0] : records[0]?.map(() => '')
  if (!first) throw new AnnealError(`${file} holds blank lines only; expected one row a picture.`)
  const names = first.map((name, i) => name.trim() || `column ${i + 1}`)
  while (names.length > 1 && first[names.length - 1] === '' && header) names.pop()
  const start = header ? 1 : 0
  checkWidths(file, { records, lines, names, delimiter, start })
  const columns = names.map((name, c): Column => {
    const cells = new Array<string>(records.length - start)
    for (let r = start; r < records.length; r++) cells[r - start] = records[r]![c]!
    return { name, cells }
  })
  const reason = 'it parts the first lines best'
  return {
    columns,
    places: Uint32Array.from(lines.slice(start)),
    unit: 'line',
    choices: delimiter === ',' ? [] : [{ what: 'delimiter of columns', value: shown[delimiter]!, reason }],
  }
}

/** Records that hold something, each with the line on which it begins. */
function numbered(file: string, read: (to?: number) => string[][]): { records: string[][]; lines: number[] } {
  let all: string[][]
  try {
    all = read()
  } catch (error) {
    const { code, message, records = 0 } = error as CsvError & { records?: number }
    const what =
      code === 'CSV_QUOTE_NOT_CLOSED'
        ? 'a quote (") opens a cell and nothing closes it'
        : /QUOTE/.test(code)
          ? 'a quote (") inside a cell; expected the whole cell in quotes and quotes in it doubled ("")'
          : message
    const line = 1 + read(records).reduce((sum, record) => sum + linesOf(record), 0)
    throw new AnnealError(`${file}, line ${line}: ${what}. Repair the line.`, { cause: error })
  }
  const records: string[][] = []
  const lines: number[] = []
  let line = 1
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

function checkWidths(
  file: string,
  {
    records,
    lines,
    names,
    delimiter,
    start,
  }: { records: string[][]; lines: number[]; names: string[]; delimiter: string; start: number },
): void {
  const expected = names.length
  const wrong = (record: string[]) => record.length < expected || record.slice(expected).some(cell => cell !== '')
  const bad = records.findIndex((record, i) => i >= start && record.length !== expected && wrong(record))
  if (bad < 0) return
  const count = records.filter((record, i) => i >= start && wrong(record)).length
  const more = count > 1 ? ` (and so ${plural(count - 1, 'line')} more)` : ''
  const hint =
    records[bad]!.length > expected
      ? `A cell that holds ${shown[delimiter]} belongs in quotes.`
      : 'A cell that is empty still needs its delimiter.'
  throw new AnnealError(
    `${file}, line ${lines[bad]}${more}: ${plural(records[bad]!.length, 'cell')}, expected ${expected} (${names.join(', ')}). ${hint}`,
  )
}

/** The delimiter that cuts most of the first lines into as many cells as the first one; of equals the one that cuts
 *  more, then the usual one. */
function delimiterOf(text: string): string {
  const lines = firstLines(text, 50)
  const scores = delimiters.map(delimiter => {
    const counts = lines.map(line => line.split(delimiter).length - 1)
    const alike = counts.filter(count => count === counts[0]).length / counts.length
    return { delimiter, cells: counts[0] ?? 0, alike }
  })
  const fitting = scores.filter(({ cells }) => cells > 0).sort((a, b) => b.alike - a.alike || b.cells - a.cells)
  return fitting[0]?.delimiter ?? ','
}

/** The first lines without what stands in quotes. */
const firstLines = (text: string, count: number): string[] =>
  text
    .slice(0, 1 << 16)
    .replace(/"(?:[^"]|"")*"/g, '')
    .split(/\r\n|\n|\r/)
    .filter(line => line.trim() !== '')
    .slice(0, count)
