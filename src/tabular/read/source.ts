import { existsSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { DataError, FileError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { firstBytes, isPacked } from './csv-text.ts'
import { type Duck, text } from './duckdb.ts'

/** What a file holds, by its first bytes and its name. */
export type SourceKind = 'csv' | 'json' | 'parquet' | 'sqlite' | 'duckdb'

/** The files of a source, all of one kind. */
export interface Source {
  kind: SourceKind
  files: readonly string[]
}

/** The formats that are read, for messages. */
export const kindNames = 'CSV, TSV, JSON lines, Parquet, SQLite, DuckDB'

/** Whether a text is a pattern of file names. A file that has this name is no pattern. */
export const isPattern = (source: string): boolean => /[*?[]/.test(source) && !existsSync(source)

/** The files that a source names, and what they hold. Patterns are those of a shell: `sales-*.csv`, `**` for folders. */
export async function sourceOf(source: string, duck: { open(): Promise<Pick<Duck, 'rows'>> }): Promise<Source> {
  if (/^(https?|s3|gs|ftp):\/\//i.test(source))
    throw new DataError(
      `${source.replace(/\/\/[^@/]*@/, '//…@')} is an address; Anneal reads files: ${kindNames}. Export the table, for example as CSV or Parquet, and give that file.`,
    )
  const files = isPattern(source)
    ? (await (await duck.open()).rows(`SELECT file FROM glob(${text(source)}) ORDER BY file`)).map(
        ([file]) => file as string,
      )
    : [source]
  if (files.length === 0)
    throw new FileError(`no file has a name like ${source}. Expected a file or a pattern such as sales-*.csv.`)
  const kinds = files.map(kindOf)
  const other = kinds.findIndex(kind => kind !== kinds[0])
  if (other > 0)
    throw new DataError(
      `${source} names files of two kinds: ${files[0]} (${kinds[0]}) and ${files[other]} (${kinds[other]}). Give a pattern for files of one kind.`,
    )
  const [kind] = kinds
  if (files.length > 1 && (kind === 'sqlite' || kind === 'duckdb'))
    throw new DataError(
      `${source} names ${files.length} database files; expected one. Give one file and ${setting('table', 'NAME')}.`,
    )
  return { kind: kind!, files }
}

function kindOf(file: string): SourceKind {
  if (!existsSync(file)) throw new FileError(`${file} does not exist. Expected a table: ${kindNames}.`)
  if (!statSync(file).isFile())
    throw new FileError(`${file} is a folder; expected a file, or a pattern such as ${file.replace(/\/$/, '')}/*.csv.`)
  const bytes = firstBytes(file, 64)
  const starts = (sign: string, at = 0) => bytes.subarray(at, at + sign.length).toString('latin1') === sign
  if (bytes.length === 0) throw new DataError(`${file} is empty; expected a table: ${kindNames}.`)
  if (starts('SQLite format 3\0')) return 'sqlite'
  if (starts('DUCK', 8)) return 'duckdb'
  if (starts('PAR1')) return 'parquet'
  if (starts('PK\x03\x04'))
    throw new DataError(
      `${file} is a zip archive${/\.(xlsx|ods)$/i.test(file) ? ', as spreadsheets are' : ''}; expected ${kindNames}. Save the sheet as CSV, or unpack the archive.`,
    )
  if (starts('\xd0\xcf\x11\xe0'))
    throw new DataError(`${file} is an old Excel file; expected ${kindNames}. Save the sheet as CSV.`)
  if (starts('ARROW1')) throw new DataError(`${file} is an Arrow file; expected ${kindNames}. Save it as Parquet.`)
  const name = basename(file).replace(/\.gz$/i, '')
  if (/\.(jsonl|ndjson|json)$/i.test(name)) return 'json'
  if (!isPacked(file) && /^(\ufeff|ï»¿)?\s*(\[\s*)?\{\s*"/.test(bytes.toString('latin1'))) return 'json'
  return 'csv'
}
