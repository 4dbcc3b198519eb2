import { DataError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { collectGarbage } from '../base/memory.ts'
import { setting } from '../base/options.ts'
import type { Choice } from '../data/types.ts'
import type { DateForm } from './columns/date-parts.ts'
import { type ColumnOptions, kindsOf } from './columns/kinds.ts'
import { encode, fitEncoding } from './encode.ts'
import { findLeaks, type Leak } from './leaks.ts'
import type { ReadOptions } from './read/options.ts'
import { readTable } from './read/read-table.ts'
import { type SplitOptions, splitTable, type TableSplit } from './split.ts'
import { type TableTarget, type TargetOptions, targetOf, targetsOf } from './target.ts'
import { mostComponents } from './texts/components.ts'
import { type Embedding, textColumns, textsOf, withVectors } from './texts/embedder.ts'
import { withAnswers } from './texts/linear.ts'
import type { ColumnUse, Encoding, Frame, LabelledRows, RowNumbers } from './types.ts'

/** How a table becomes training rows. */
export interface PrepareOptions
  extends Omit<ReadOptions, 'skip'>,
    ColumnOptions,
    SplitOptions,
    Omit<TargetOptions, 'missing'>,
    Embedding {
  /** The column, or the columns of numbers, that are predicted. */
  target: string | readonly string[]
  as?: ReadOptions['as']
  /** How dates become numbers. Default: `cycles`. */
  dates?: DateForm | undefined
}

/** A table that a model can be trained on. */
export interface PreparedTable {
  frame: Frame
  /** Each column: its kind, whether it is used, and why. */
  uses: readonly ColumnUse[]
  target: TableTarget
  split: TableSplit
  encoding: Encoding
  leaks: readonly Leak[]
  /** Each guess, its reason, and how to say otherwise. */
  choices: readonly Choice[]
}

/** Reads a table and prepares it: kinds of columns, target, parts, encoding (fitted on training rows), leaks. */
export async function prepareTable(source: string, options: PrepareOptions): Promise<PreparedTable> {
  const choices: Choice[] = []
  const tell = (choice: Choice) => {
    choices.push(choice)
    options.onChoice?.(choice)
  }
  const read = await readTable(source, { ...options, onChoice: tell })
  const frame = await withTexts(read, options, tell)
  const prepared = await prepareTexts(frame, options)
  if (frame.rows > manyRows) collectGarbage()
  for (const choice of prepared.choices) options.onChoice?.(choice)
  return { ...prepared, choices: [...choices, ...prepared.choices] }
}

/** The table with a vector for each text of the columns that are used, where there are some. */
async function withTexts(frame: Frame, options: PrepareOptions, tell: (choice: Choice) => void): Promise<Frame> {
  const targets = typeof options.target === 'string' ? [options.target] : options.target
  if (textColumns(usesOf(frame, options, targets)).length === 0) return frame
  const { uses } = splitFrame(frame, options) // what is wrong with target or split is said before texts are read
  const names = textColumns(uses)
  const done = await withVectors(frame, names, options)
  for (const column of done.columns)
    if (column.type === 'words' && column.vectors)
      tell({
        what: `texts of "${column.name}"`,
        value: `vectors of ${column.vectors.name}`,
        reason: `${plural(column.values.words.length, 'different text')}; models take the ${plural(mostComponents, 'direction')} in which they differ most`,
      })
  return done
}

const usesOf = (frame: Frame, options: PrepareOptions, targets: readonly string[]): ColumnUse[] =>
  kindsOf(frame, { ...options, texts: options.embedder !== undefined }, targets)

/** From so many rows on, memory is freed between the steps. */
const manyRows = 100_000

/** Prepares a table in memory, whose columns of texts have vectors. */
export async function prepareTexts(frame: Frame, options: PrepareOptions): Promise<PreparedTable> {
  const prepared = prepareFrame(frame, options)
  if (textsOf(prepared.encoding).length === 0) return prepared
  const choices = [...prepared.choices]
  const done = await withAnswers(prepared, {
    train: prepared.split.train,
    targets: { ...prepared.target.info, values: prepared.target.values },
    group: options.groupColumn,
    seed: options.seed ?? 42,
    tell: choice => choices.push(choice),
    signal: options.signal,
  })
  return { ...prepared, ...done, choices }
}

/** The same for a table in memory without columns of texts. */
export function prepareFrame(frame: Frame, options: PrepareOptions): PreparedTable {
  const { target, uses, split, choices } = splitFrame(frame, options)
  const encoding = fitEncoding(frame, uses, split.train, options)
  if (frame.rows > manyRows) collectGarbage()
  const leaks = findLeaks(frame, { uses, target, split, seed: options.seed ?? 42 })
  return { frame, uses, target, split, encoding, leaks, choices }
}

/** The columns, the target and the parts of a table. */
export function splitFrame(
  frame: Frame,
  options: PrepareOptions,
): Pick<PreparedTable, 'uses' | 'target' | 'split' | 'choices'> {
  const columns = typeof options.target === 'string' ? [options.target] : options.target
  const asked = columns.length === 1 ? options.as?.[columns[0]!] : undefined
  const task =
    options.task ??
    (asked === 'category' || asked === 'boolean' ? 'single' : asked === 'number' ? 'regression' : undefined)
  const target = targetOf(frame, columns, { ...options, task })
  const uses = usesOf(frame, options, columns).map(use =>
    use.name === options.splitColumn ? { ...use, used: false, reason: setting('splitColumn', use.name) } : use,
  )
  if (!uses.some(({ used }) => used))
    throw new DataError(
      `no column of ${frame.source} is left to train on: ${uses.map(({ name, reason }) => `"${name}" (${reason})`).join(', ')}.`,
    )
  const { split, choices } = splitTable(frame, { ...options, target, uses })
  return { target, uses, split, choices: [...target.choices, ...choices] }
}

/** The encoded rows of a part, or of any rows, with their targets. */
export function labelledRows(
  { frame, encoding, target }: Pick<PreparedTable, 'frame' | 'encoding' | 'target'>,
  rows: RowNumbers,
): LabelledRows {
  return { x: encode(frame, encoding, rows), y: targetsOf(target, rows) }
}
