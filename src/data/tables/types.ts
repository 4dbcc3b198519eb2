import type { Choice } from '../types.ts'

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

/** Which of some names are pictures of the folder, by their whole name or without its ending. */
export type Pictures = (names: Iterable<string>) => (name: string) => 'whole' | 'stem' | undefined

/** Rows that hold something, each with the line on which it begins. */
export interface Records {
  records: string[][]
  lines: number[]
}
