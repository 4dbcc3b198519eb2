import type { TableCardInput, TableCell } from '../../onnx/index.ts'
import type { ColumnEncoding, FrameColumn } from '../../tabular/types.ts'
import type { OpenTableModel } from './open.ts'
import type { CheckRows } from './rows.ts'

/** A text that nobody wrote: those of the table may be private. */
const exampleText = 'This is an example sentence.'

/** A usual value of a column, for examples and forms, and its range: of the training rows, as the trained model's card has them. A
 *  column of texts has an example. Models that were saved before cards had figures have a usual value of the validation rows, where
 *  these are at hand, else what the model knows of the column, and no range. */
export function figuresOf(
  column: string,
  { card, members }: OpenTableModel,
  { made, valid }: { made: CheckRows; valid?: CheckRows | undefined },
): Pick<TableCardInput, 'usual' | 'range'> {
  const encodings = members.flatMap(member => member.card.encoding.columns.filter(one => one.column === column))
  const [{ kind }] = encodings as [ColumnEncoding]
  if (kind === 'text') return { usual: exampleText }
  const figures = card.figures && Object.hasOwn(card.figures, column) ? card.figures[column] : undefined
  if (!figures) {
    const seen = valid?.frame.columns.find(({ name }) => name === column)
    const found = seen && ofRows(seen, encodings)
    return { usual: found ?? ofModel(encodings[0]!, made.frame.columns.find(({ name }) => name === column)!) }
  }
  const { usual, least, most } = figures
  const whole = (value: number) => (kind === 'date' ? Math.floor(value) : value)
  return {
    usual: typeof usual === 'number' ? whole(usual) : usual,
    ...(least === undefined || most === undefined ? {} : { range: [whole(least), whole(most)] }),
  }
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
