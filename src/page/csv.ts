import { parse } from 'csv-parse/sync'

/** Rows of CSV. */
export interface CsvRows {
  delimiter: string
  /** The cells of the first line, without blanks around them. */
  head: string[]
  /** How many of the model's columns the first line names. */
  known: number
  /** The rows below, with the line of each. */
  rows: { cells: string[]; line: number }[]
}

/** The most bytes of a line: the time that csv-parse takes for one grows with its square. */
const longestLine = 200_000

/** The signs between cells that are tried. */
export const delimiters = [',', ';', '\t', '|'] as const

/** Reads CSV whose first line names columns. The delimiter is the one by which it names most columns of a model. Throws an error
 *  whose message is the reason. names: the columns of the model; most: how many rows are read. */
export function csvRows(text: string, names: readonly string[], most: number): CsvRows {
  const headed = delimiters
    .map(delimiter => ({ delimiter, head: headOf(text, delimiter) }))
    .map(one => ({ ...one, known: names.filter(name => one.head.includes(name)).length }))
  const best = headed.reduce((best, one) => (one.known > best.known ? one : best))
  const rows = cut(text, best.delimiter, most + 1).slice(1)
  return { ...best, rows: rows.map(({ record, info }) => ({ cells: record, line: info.lines })) }
}

/** The cells of the first line; none where its quotes do not fit the delimiter. */
export function headOf(text: string, delimiter: string): string[] {
  try {
    return cut(text, delimiter, 1)[0]?.record.map(cell => cell.trim()) ?? []
  } catch {
    return []
  }
}

function cut(text: string, delimiter: string, to: number) {
  const more = { bom: true, relax_column_count: true, skip_empty_lines: true, info: true }
  return parse(text, { delimiter, to, max_record_size: longestLine, ...more }) as unknown as {
    info: { lines: number }
    record: string[]
  }[]
}
