import { smallAddon } from '../../setup/index.ts'

/** Where a reader of rows stands, and what it fills. */
export interface RowsInto {
  /** Bytes up to `end`, which is behind a line end. */
  bytes: Uint8Array
  end: number
  /** The byte and the row to begin with. */
  at: number
  row: number
  /** Rows that the columns have room for. */
  room: number
  /** Single bytes. */
  delimiter: number
  quote: number
  /** Different words that a column may have. */
  mostWords: number
  /** What the column of each cell of a row is so far, as `pass-columns.ts` numbers it. */
  kinds: Uint8Array
  /** Seven for each cell: the column (float64; int32 for words), the five of `WordsOfBytes`, and an int32 count for each of its
   *  words where they mean a missing value. */
  arrays: (ArrayBufferView | undefined)[]
}

/** Reads whole rows of a text file into columns, and returns the byte and the row that come next. It stops at a row that it does
 *  not take: one with a new kind of cell, a doubled quote, a word for which there is no room, or without an end. */
export type RowReader = (into: RowsInto) => readonly [at: number, row: number]

/** The reader of rows in the addon without libtorch; undefined where there is none. */
export function rowReader(): RowReader | undefined {
  const addon = smallAddon()
  if (!addon?.readRows) return undefined
  const read = addon.readRows
  return ({ bytes, end, at, row, room, delimiter, quote, mostWords, kinds, arrays }) => {
    const place = Float64Array.of(at, row)
    read(bytes, place, end, delimiter, quote, room, mostWords, kinds, arrays)
    return [place[0]!, place[1]!]
  }
}
