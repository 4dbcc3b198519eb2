import type { Cell } from '../../cells/cell.ts'
import type { FileKind } from '../files/file-kind.ts'
import type { Choice } from '../types.ts'

/** One column, a cell for each row. */
export interface Column {
  name: string
  cells: readonly Cell[]
}

/** Rows with named columns. `choices`: what was found about the format. */
export interface Table {
  /** The path as the user wrote it. */
  file: string
  columns: Column[]
  rows: number
  /** The place of a row or a cell, in words: `labels.csv, line 7, column "tags"`. */
  where(row: number, column?: Column): string
  choices: Choice[]
}

/** The columns of a table as the format gives them, and the place of each row: its line, or its number if the file has
 *  no lines. */
export interface Parsed {
  columns: Column[]
  places: Uint32Array
  unit: 'line' | 'row'
  choices?: Choice[]
}

/** Finds which names are pictures of the folder: by the complete name (`whole`), or by the name without extension
 *  (`stem`). */
export type Pictures = (names: Iterable<string>) => (name: string) => 'whole' | 'stem' | undefined

/** A file that may hold a table, unpacked. */
export interface TableFile {
  /** The path as the user wrote it. */
  file: string
  bytes: Buffer
  /** The extension of its name, in lower case and without `.gz`: `.csv`. */
  ending: string
  /** Its bytes as text; throws where they are none. */
  text(): string
}

/** One format of tables: one entry of the list in `formats.ts`. */
export interface TableFormat {
  /** As messages call it. */
  name: string
  /** Endings of the names of its files, lower case, parted by blanks. */
  endings: string
  /** Whether a file holds such a table, by its content or its name. */
  recognises(file: TableFile): boolean
  read(file: TableFile, options: TableOptions): Parsed | Promise<Parsed>
}

/** What helps to tell names of columns from rows: which files the table is about, and which of them are there. */
export interface Naming {
  fileKind: FileKind
  pictures?: Pictures | undefined
}

/** How a table is read. */
export interface TableOptions extends Naming {
  /** Whether the first line has the names of the columns; found unless given. Without them, columns are called
   *  `column 1`, `column 2`. */
  header?: boolean | undefined
}

/** Rows that are not empty, each with the line on which it begins. */
export interface Records {
  records: string[][]
  lines: number[]
}
