import type { Choice } from '../types.ts'

/** The content of one cell. Text formats without types always give a string. */
export type Cell = string | number | boolean | null | readonly (string | number | boolean | null)[]

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

/** Rows that are not empty, each with the line on which it begins. */
export interface Records {
  records: string[][]
  lines: number[]
}
