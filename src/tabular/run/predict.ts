import { didYouMean, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { readingOf } from '../encode.ts'
import type { TableReadOptions } from '../options.ts'
import { frameOfRows } from '../read/rows.ts'
import { textsOf, withVectors } from '../texts/embedder.ts'
import type { Frame, FrameColumn } from '../types.ts'
import { type LoadedTable, loadTable } from './load.ts'
import { type Decision, decide } from './metrics.ts'
import { type ReadingHooks, readFor } from './read-for.ts'
import { checkScoresFile, writeScores } from './write-scores.ts'

/** The prediction for one row: the decided class with all probabilities, or the value of each target. */
export type RowPrediction =
  | { task: 'single'; label: string; probability: number; probabilities: Record<string, number> }
  | { task: 'regression'; values: Record<string, number> }

/** A value of a row: a number, a text, true or false, a date; null or undefined where it is missing. */
export type RowValue = string | number | bigint | boolean | Date | null | undefined

/** Predicts rows: objects with the columns of the table. */
export type RowPredictor = (rows: readonly Readonly<Record<string, RowValue>>[]) => Promise<RowPrediction[]>

/** Options of predicting a table. */
export interface PredictTableOptions extends TableReadOptions, ReadingHooks {
  /** The file of the scores: .csv or .parquet, or a database: .duckdb, .sqlite, .db. */
  out?: string | undefined
  /** The table of the scores in a database. Default: `predictions`. */
  outTable?: string | undefined
  /** Replaces a table of this name that the database holds already. Default: that is an error. */
  replace?: boolean | undefined
  /** Columns of the table that stand beside the scores; `['*']`: all. Default: the identifiers. */
  keep?: readonly string[] | undefined
}

/** The scores of a table, row by row in its order. */
export interface PredictedTable {
  rows: number
  classes: readonly string[]
  /** The columns that are kept, then `predicted`, then a probability of each class. */
  scores: Frame
  predictions(): Generator<RowPrediction>
}

/** Predicts every row of a table, and writes the scores where `out` names a file. */
export async function predictTable(
  run: string,
  source: string,
  { out, outTable, replace, keep, ...options }: PredictTableOptions = {},
): Promise<PredictedTable> {
  checkScoresFile(out, { table: outTable, replace })
  const model = await loadTable(run)
  const frame = await readFor(source, model.card, options)
  const kept = keptColumns(frame, model, keep)
  const outputs = await model.predict(frame, options)
  const scores: Frame = { source, rows: frame.rows, columns: [...kept, ...scoreColumns(model, outputs, kept)] }
  if (out !== undefined) await writeScores(out, scores, { table: outTable, replace, signal: options.signal })
  return {
    rows: frame.rows,
    classes: model.card.target.classes,
    scores,
    *predictions() {
      for (let row = 0; row < frame.rows; row++) yield rowPrediction(model, outputs, row)
    },
  }
}

/** Makes a function that predicts single rows, each an object with the columns of the table. A column that is missing in a
 *  row has no value there; one that is missing in all rows is an error. */
export async function rowPredictor(
  run: string,
  { embedder }: Pick<ReadingHooks, 'embedder'> = {},
): Promise<RowPredictor> {
  const model = await loadTable(run)
  const { as, readings } = readingOf(model.card.encoding)
  const texts = textsOf(model.card.encoding)
  const missing = model.card.reading.missing as readonly string[] | undefined
  return async rows => {
    if (rows.length === 0) return []
    const frame = frameOfRows(rows, { as, readings, missing, only: Object.keys(as) })
    const outputs = await model.predict(await withVectors(frame, texts, { embedder }))
    return rows.map((_, row) => rowPrediction(model, outputs, row))
  }
}

function rowPrediction({ card, decision }: LoadedTable, outputs: Float64Array, row: number): RowPrediction {
  const { task, classes } = card.target
  const own = outputs.subarray(row * classes.length, (row + 1) * classes.length)
  const each = Object.fromEntries(classes.map((name, i) => [name, own[i]!]))
  if (task === 'regression') return { task, values: each }
  const decided = decide(own, classes.length, decision)[0]!
  return { task, label: classes[decided]!, probability: own[decided]!, probabilities: each }
}

function keptColumns(frame: Frame, { card }: LoadedTable, keep: readonly string[] | undefined): FrameColumn[] {
  const names = frame.columns.map(({ name }) => name)
  const ids = new Set(card.columns.filter(({ kind }) => kind === 'id').map(({ name }) => name))
  if (keep === undefined) return frame.columns.filter(({ name }) => ids.has(name))
  if (keep.length === 1 && keep[0] === '*') return [...frame.columns]
  return keep.map(wanted => {
    const found = frame.columns.find(({ name }) => name === wanted)
    if (found) return found
    throw new OptionError(
      `${setting('keep', wanted)}: ${frame.source} has no column "${wanted}".${didYouMean(wanted, names)} Its columns: ${names.join(', ')}.`,
    )
  })
}

/** `predicted` and a probability of each class, or the value of each target. A name that the table has already gets a
 *  number. */
function scoreColumns(
  { card, decision }: Pick<LoadedTable, 'card'> & { decision: Decision },
  outputs: Float64Array,
  kept: readonly FrameColumn[],
): FrameColumn[] {
  const { task, classes, columns } = card.target
  const used = new Set(kept.map(({ name }) => name))
  const free = (name: string) => {
    let own = name
    for (let n = 2; used.has(own); n++) own = `${name}_${n}`
    used.add(own)
    return own
  }
  const width = classes.length
  const column = (c: number) =>
    Float64Array.from({ length: outputs.length / width }, (_, row) => outputs[row * width + c]!)
  if (task === 'regression')
    return columns.map((name, c) => ({
      name: free(width === 1 ? 'predicted' : `predicted_${name}`),
      type: 'number',
      values: column(c),
    }))
  const decided = decide(outputs, width, decision)
  return [
    { name: free('predicted'), type: 'words', values: { codes: decided, words: classes } },
    ...classes.map((name, c): FrameColumn => ({ name: free(`p_${name}`), type: 'number', values: column(c) })),
  ]
}
