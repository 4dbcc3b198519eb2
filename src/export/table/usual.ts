import type { TableCell } from '../../onnx/index.ts'
import type { ColumnEncoding, FrameColumn } from '../../tabular/types.ts'
import type { OpenTableModel } from './open.ts'
import type { CheckRows } from './rows.ts'

/** A text that nobody wrote: those of the table may be private. */
const exampleText = 'This is an example sentence.'

/** A usual value of a column, for examples and forms: the median of a number or a date (in whole seconds), a word of a category; of texts
 *  an example. From the rows of the validation part where they are at hand, else from what the model knows of the column. */
export function usualOf(
  column: string,
  { members }: OpenTableModel,
  { made, valid }: { made: CheckRows; valid?: CheckRows | undefined },
): TableCell {
  const encodings = members.flatMap(({ card }) => card.encoding.columns.filter(one => one.column === column))
  if (encodings[0]?.kind === 'text') return exampleText
  const seen = valid?.frame.columns.find(({ name }) => name === column)
  const found = seen && ofRows(seen, encodings)
  return found ?? ofModel(encodings[0]!, made.frame.columns.find(({ name }) => name === column)!)
}

function ofRows(column: FrameColumn, encodings: readonly ColumnEncoding[]): TableCell {
  if (column.type !== 'words') return medianOf(column.values, column.type)
  const { codes, words } = column.values
  const counts = new Float64Array(words.length)
  for (const code of codes) if (code >= 0) counts[code]!++
  const known = new Set(encodings.flatMap(one => (one.kind === 'category' ? one.words : [])))
  const order = [...words.keys()].filter(i => known.has(words[i]!)).sort((a, b) => counts[b]! - counts[a]!)
  return order.length > 0 ? words[order[0]!]! : null
}

function ofModel(encoding: ColumnEncoding, made: FrameColumn): TableCell {
  if (encoding.kind === 'category') return encoding.words[0] ?? null
  if (encoding.kind === 'date') return Math.floor(encoding.origin)
  return made.type === 'words' ? null : medianOf(made.values, made.type)
}

/** The lower one of two middle values, so that whole numbers stay whole. */
function medianOf(values: Float64Array, type: 'number' | 'date'): TableCell {
  const known = values.filter(Number.isFinite).sort()
  const middle = known[(known.length - 1) >> 1]
  return middle === undefined ? null : type === 'date' ? Math.floor(middle) : middle
}
