import { encodedPart } from '../encoded.ts'
import { gather, gatherCodes } from '../gather.ts'
import type { Encoded, Encoding, Frame } from '../types.ts'

/** Applies an encoding to the rows of a frame. */
export type Encode = (frame: Frame, encoding: Encoding, rows?: Int32Array) => Encoded

/** The features that one column of the table became: their places in a row of numbers and in a row of categories. */
export interface ColumnFeatures {
  column: string
  numbers: number[]
  categories: number[]
}

/** The rows of a frame by their numbers. Words are shared, codes are copied. */
export const framePart = (frame: Frame, rows: ArrayLike<number>): Frame => ({
  source: frame.source,
  rows: rows.length,
  columns: frame.columns.map(column => {
    if (column.type !== 'words') return { ...column, values: gather(column.values, rows) }
    const { codes, words } = column.values
    const part = { ...column, values: { words, codes: gatherCodes(codes, rows) } }
    return column.told ? { ...part, told: rowsOf(column.told, frame.rows, rows) } : part
  }),
})

/** Keeps these rows of a frame alone, also for all who hold it: the memory of the others is freed. */
export function keepRows(frame: Frame, rows: ArrayLike<number>): void {
  for (const [i, part] of framePart(frame, rows).columns.entries()) Object.assign(frame.columns[i]!, part)
  frame.rows = rows.length
}

function rowsOf(table: Float32Array, count: number, rows: ArrayLike<number>): Float32Array {
  const width = table.length / count
  const out = new Float32Array(rows.length * width)
  for (let i = 0; i < rows.length; i++) out.set(table.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width)
  return out
}

/** Which features each column became: each column is encoded alone, and the whole encoding has them one after another. */
export function featuresOf(frame: Frame, encoding: Encoding, encode: Encode): ColumnFeatures[] {
  const none = framePart(frame, [])
  let [numbers, categories] = [0, 0]
  return encoding.columns.map(column => {
    const alone = encode(none, { ...encoding, columns: [column] })
    const places = (from: number, names: readonly string[]) => names.map((_, i) => from + i)
    const found = {
      column: column.column,
      numbers: places(numbers, alone.numberNames),
      categories: places(categories, alone.categoryNames),
    }
    numbers += found.numbers.length
    categories += found.categories.length
    return found
  })
}

/** Evenly spread row numbers, at most `most` of `rows`. */
export const spread = (rows: number, most: number): Int32Array =>
  rows <= most
    ? Int32Array.from({ length: rows }, (_, i) => i)
    : Int32Array.from({ length: most }, (_, i) => Math.floor((i * rows) / most))

/** A writable copy of encoded rows, repeated so many times one after another. */
export function repeated(x: Encoded, times: number): Encoded {
  const rows = Int32Array.from({ length: x.rows * times }, (_, i) => i % x.rows)
  return encodedPart(x, rows)
}
