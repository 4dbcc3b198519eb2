import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { blanks, shown } from '../../data/tables/dialect.ts'
import type { Choice } from '../../data/types.ts'
import { blanksToCommas, type Shape, type ShapeOptions, shapeOf } from './csv-shape.ts'
import { converted, headOf, lineOfRecord } from './csv-text.ts'
import { type Duck, type DuckOnDemand, firstLines, text, type Value } from './duckdb.ts'
import type { PassFile } from './pass-columns.ts'
import type { Relation } from './relation.ts'

/** A text file as DuckDB reads it. */
interface TextFile {
  /** The name that the user gave. */
  file: string
  /** What is read: the file, or its converted text. */
  path: string
  shape: Shape
}

/** Text files as one relation. */
export interface CsvTables {
  relation: Relation
  paths: string[]
  /** The files for one pass without DuckDB; undefined where bad rows are left out or quotes stand behind backslashes. */
  plain(columns: readonly number[]): PassFile[] | undefined
  /** The place of a row in words. */
  where(row: number): string
  /** An error of DuckDB as an error that names file and line, and all lines that are wrong. */
  fault(error: unknown): Promise<unknown>
  /** The rows that were left out, where the user asked for that. */
  leftOut(): Promise<Choice[]>
}

export interface CsvOptions extends ShapeOptions {
  /** Rows with too few or too many cells are left out and counted. Default: they are an error. */
  skipBadRows?: boolean | undefined
}

/** A text must be converted before it can be read: thrown, and read again. */
export class NeedsConversion extends Error {
  readonly file: string
  readonly encoding: string
  constructor(file: string, encoding: string) {
    super(`${file} needs a conversion`)
    this.file = file
    this.encoding = encoding
  }
}

/** Finds how text files are written and joins them: the columns of the first file, by name. `convert`: the encodings of
 *  files that could not be read as they are. */
export async function csvTables(
  files: readonly string[],
  duck: DuckOnDemand,
  { convert, skipBadRows, ...options }: CsvOptions & { convert: ReadonlyMap<string, string> },
): Promise<CsvTables> {
  const texts: TextFile[] = []
  const choices: Choice[] = []
  for (const [number, file] of files.entries()) {
    const head = headOf(file)
    const shape = await shapeOf(file, head, options)
    const encoding = convert.get(file) ?? head.encoding
    const told = encoding !== head.encoding
    const own = told
      ? [{ what: 'encoding', value: encoding, reason: `${file} is not UTF-8; if letters are wrong, save it as UTF-8` }]
      : []
    for (const one of [...own, ...shape.choices])
      if (!choices.some(({ what, value }) => what === one.what && value === one.value)) choices.push(one)
    const mixed = /\r\n/.test(head.text) && /[^\r]\n/.test(head.text)
    const byBlanks = shape.delimiter === blanks
    const path =
      encoding !== 'utf-8' || mixed || byBlanks || convert.has(file)
        ? await converted(file, {
            folder: duck.folder,
            number,
            encoding,
            ...(byBlanks ? { line: blanksToCommas } : {}),
          })
        : file
    texts.push({ file, path, shape: byBlanks ? { ...shape, delimiter: ',' } : shape })
  }
  const names = texts[0]!.shape.names
  const sql = texts.map(own => selectOf(own, { names, first: texts[0]!, skipBadRows })).join('\nUNION ALL\n')
  const relation: Relation = { sql, names, types: names.map(() => 'VARCHAR'), choices }
  return {
    relation,
    paths: texts.map(({ path }) => path),
    plain: columns =>
      skipBadRows || texts.some(({ shape }) => shape.escape !== shape.quote)
        ? undefined
        : texts.map(({ path, shape: { delimiter, quote, skip, names: own } }) => ({
            path,
            delimiter,
            quote,
            skip,
            columns: own.map(name => columns[names.indexOf(name)]!),
          })),
    where: row => placeOf(texts, row),
    fault: error => faultOf(error, { texts, duck, convert }),
    leftOut: async () => (skipBadRows ? leftOut(texts, await rejected(texts, await duck.open())) : []),
  }
}

function selectOf(
  own: TextFile,
  { names, first, skipBadRows }: { names: readonly string[]; first: TextFile; skipBadRows: boolean | undefined },
): string {
  const at = names.map(name => own.shape.names.indexOf(name))
  const lacking = names.filter((_, i) => at[i]! < 0)
  const extra = own.shape.names.filter(name => !names.includes(name))
  if (lacking.length + extra.length > 0) {
    const parts = [
      lacking.length > 0 && `lacks ${lacking.map(n => `"${n}"`).join(', ')}`,
      extra.length > 0 && `has ${extra.map(n => `"${n}"`).join(', ')} in addition`,
    ]
    throw new DataError(
      `${own.file} ${parts.filter(Boolean).join(' and ')}, compared with ${first.file}; expected the same columns in all files.`,
    )
  }
  const columns = at.map((place, i) => `k${place} AS c${i}`)
  return `SELECT ${columns.join(', ')} FROM ${readCsv(own, skipBadRows ? ', ignore_errors=true' : '')}`
}

/** DuckDB's reader with every setting given, so that it finds nothing by itself: what it finds drops rows silently. */
function readCsv({ path, shape: { delimiter, quote, escape: escaper, skipRows, names } }: TextFile, more = ''): string {
  const columns = names.map((_, i) => `'k${i}': 'VARCHAR'`)
  return `read_csv(${text(path)}, auto_detect=false, delim=${text(delimiter)}, quote=${text(quote)}, escape=${text(escaper)}, header=false, skip=${skipRows}, columns={${columns.join(', ')}}, null_padding=false, strict_mode=true${more})`
}

function placeOf(texts: readonly TextFile[], row: number): string {
  if (texts.length > 1) return `row ${row + 1} of ${plural(texts.length, 'file')}`
  const { file, path, shape } = texts[0]!
  const line = lineOfRecord(path, row, shape)
  return line === undefined ? `${file}, row ${row + 1}` : `${file}, line ${line}`
}

async function faultOf(
  error: unknown,
  { texts, duck, convert }: { texts: readonly TextFile[]; duck: DuckOnDemand; convert: ReadonlyMap<string, string> },
): Promise<unknown> {
  const message = error instanceof Error ? error.message : ''
  if (!/CSV|csv/.test(message)) return error
  const path = /^\s*file = (.*)$/m.exec(message)?.[1]
  const own = texts.find(one => one.path === path) ?? texts[0]!
  if (!convert.has(own.file) && own.path === own.file) {
    if (/unicode|not utf-8/i.test(message)) return new NeedsConversion(own.file, 'windows-1252')
    if (/invalid state/i.test(message)) return new NeedsConversion(own.file, 'utf-8')
  }
  const [first, ...others] = await rejected([own], await duck.open())
  if (!first) return new DataError(`${own.file}: ${firstLines(error)}`, { cause: error })
  const { names, delimiter } = own.shape
  const more =
    others.length > 0
      ? ` (and ${plural(others.length, 'more line')}: ${others
          .slice(0, 5)
          .map(one => one.line)
          .join(', ')}${others.length > 5 ? ', …' : ''})`
      : ''
  const held = first.content.length > 80 ? `${first.content.slice(0, 80)}…` : first.content
  const hint = /QUOTE/i.test(first.type)
    ? 'Put the whole cell in quotes, and double each quote in it.'
    : first.found > names.length
      ? `Put a cell that contains ${shown[delimiter] ?? `"${delimiter}"`} in quotes.`
      : 'A cell that is empty still needs its delimiter.'
  const what =
    first.found > 0 ? `${plural(first.found, 'cell')}, expected ${names.length} (${short(names)})` : first.message
  return new DataError(
    `${own.file}, line ${first.line}${more}: ${what}; it holds ${held}. ${hint} Or ${setting('skipBadRows', true)} leaves such lines out.`,
    { cause: error },
  )
}

const short = (names: readonly string[]) => `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`

interface Rejected {
  line: number
  type: string
  content: string
  message: string
  found: number
}

/** The lines that DuckDB refuses. */
async function rejected(texts: readonly TextFile[], duck: Duck): Promise<Rejected[]> {
  const all: Rejected[] = []
  for (const [i, own] of texts.entries()) {
    const tables = `rejects_scan='anneal_scans_${i}', rejects_table='anneal_rejects_${i}'`
    try {
      await duck.rows(`SELECT count(*) FROM ${readCsv(own, `, ignore_errors=true, store_rejects=true, ${tables}`)}`)
    } catch {
      return all
    }
    const rows = await duck.rows(
      `SELECT line::DOUBLE, any_value(error_type)::VARCHAR, any_value(csv_line), any_value(error_message) FROM anneal_rejects_${i} GROUP BY line ORDER BY line`,
    )
    for (const [line, type, content, message] of rows as [number, string, Value, string][]) {
      const found = Number(/Found: (\d+)/.exec(message)?.[1] ?? 0)
      all.push({ line, type, content: String(content ?? '').trim(), message: firstLines(new Error(message)), found })
    }
  }
  return all
}

function leftOut(texts: readonly TextFile[], lines: readonly Rejected[]): Choice[] {
  if (lines.length === 0) return []
  const places = lines
    .slice(0, 5)
    .map(
      ({ line, found, content }) =>
        `line ${line} (${found > 0 ? `${plural(found, 'cell')}, ` : ''}"${content.slice(0, 40)}")`,
    )
  return [
    {
      what: 'rows left out',
      value: plural(lines.length, 'row'),
      reason: `${setting('skipBadRows', true)}; expected ${texts[0]!.shape.names.length} cells: ${places.join('; ')}${lines.length > 5 ? '; …' : ''}`,
    },
  ]
}
