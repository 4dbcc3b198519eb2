import { wordOfNumber } from '../../cells/words.ts'
import type { ColumnEncoding, ColumnFigures, Encoding, Frame, FrameColumn, RowNumbers } from '../types.ts'
import { spread } from './rows.ts'

/** Usual values are taken from so many rows, evenly spread; ranges from all. */
const most = 100_000

/** What the training rows hold in the columns that a model takes: the usual value of each, and the range of numbers and dates.
 *  Nothing of columns of texts. By the name of the column. */
export function figuresOf(frame: Frame, { columns }: Encoding, rows: RowNumbers): Record<string, ColumnFigures> {
  const some = spread(rows.length, most).map(i => rows[i]!)
  return Object.fromEntries(
    columns.flatMap((one): [string, ColumnFigures][] => {
      const column = frame.columns.find(({ name }) => name === one.column)
      if (!column || one.kind === 'text') return []
      const figures = one.kind === 'category' ? ofWords(column, one, some) : ofValues(column, { rows, some })
      return figures ? [[one.column, figures]] : []
    }),
  )
}

/** The most frequent of the words that the model knows; of equally frequent ones the first. */
function ofWords(
  column: FrameColumn,
  { words }: Extract<ColumnEncoding, { kind: 'category' }>,
  rows: RowNumbers,
): ColumnFigures | undefined {
  const counts = new Map(words.map(word => [word, 0]))
  for (const row of rows) {
    const word = wordAt(column, row)
    const count = word === undefined ? undefined : counts.get(word)
    if (count !== undefined) counts.set(word!, count + 1)
  }
  let usual: string | undefined
  for (const [word, count] of counts) if (usual === undefined || count > counts.get(usual)!) usual = word
  return usual === undefined ? undefined : { usual }
}

function wordAt({ type, values }: FrameColumn, row: number): string | undefined {
  if (type === 'words') return values.words[values.codes[row]!]
  return Number.isNaN(values[row]!) ? undefined : wordOfNumber(values[row]!)
}

/** The median, of an even number of values the lower middle one, so that whole numbers stay whole; and the range. */
function ofValues(
  column: FrameColumn,
  { rows, some }: { rows: RowNumbers; some: RowNumbers },
): ColumnFigures | undefined {
  if (column.type === 'words') return undefined
  const { values } = column
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const row of rows) {
    const value = values[row]!
    if (value < least) least = value
    if (value > largest) largest = value
  }
  const known = Float64Array.from(some, row => values[row]!)
    .filter(Number.isFinite)
    .sort()
  if (known.length === 0 || !Number.isFinite(largest - least)) return undefined
  return { usual: known[(known.length - 1) >> 1]!, least, most: largest }
}
