import { DataError, didYouMean } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import type { Choice } from '../../data/types.ts'
import type { CellReading, ColumnKind } from '../types.ts'
import type { CsvOptions } from './csv.ts'
import type { DuckOptions } from './duckdb.ts'

/** How a table is read. */
export interface ReadOptions extends DuckOptions, CsvOptions, CellReading {
  /** The table of a database file, if it holds several. */
  table?: string | undefined
  /** One SELECT over the file or the database. A file is the table `data`, and has its own name without the ending. */
  sql?: string | undefined
  /** What columns are read as. */
  as?: Readonly<Record<string, ColumnKind>> | undefined
  /** How cells of single columns are read: as a trained model read them. */
  readings?: Readonly<Record<string, CellReading>> | undefined
  /** The words that mean a missing value. Default: those that programs write. */
  missing?: readonly string[] | undefined
  /** Columns that are not read. */
  skip?: readonly string[] | undefined
  report?: Report | undefined
  /** Called with each guess, its reason, and how to say otherwise. */
  onChoice?: ((choice: Choice) => void) | undefined
}

/** The index of the table that is read: the named one, or the only one. */
export function chooseTable(file: string, names: readonly string[], table: string | undefined): number {
  const listed = `${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`
  if (names.length === 0) throw new DataError(`${file} holds no table.`)
  if (table !== undefined) {
    const at = names.indexOf(table)
    if (at >= 0) return at
    throw new DataError(`${file} holds no table "${table}".${didYouMean(table, names)} Its tables: ${listed}.`)
  }
  if (names.length === 1) return 0
  throw new DataError(
    `${file} holds ${plural(names.length, 'table')}: ${listed}. Choose one: ${setting('table', names[0]!)}.`,
  )
}
