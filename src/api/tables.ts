import { checkTable, type OptionTable } from '../base/option-table.ts'
import { onFirst } from '../recipes/run/over-ranks.ts'
import type { RunResult } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { type TableOptions, type TableReadOptions, tableCalls } from '../tabular/options.ts'
import type { EvaluatedTable } from '../tabular/run/evaluate.ts'
import type { PredictedTable, PredictTableOptions, RowPrediction, RowPredictor } from '../tabular/run/predict.ts'
import type { ReadingHooks } from '../tabular/run/read-for.ts'
import type { TableHooks } from '../tabular/run/types.ts'
import type { OpenEmbedder, TextEmbedder } from '../tabular/texts/embedder.ts'
import { calls } from './options.ts'

/** Names that the calls take beside their options. */
const also = ['report', 'onChoice', 'signal', 'embedder']

function check(call: keyof typeof tableCalls, given: object, more: readonly string[] = also): void {
  const { [call]: table, ...others } = tableCalls
  const all: Readonly<Record<string, OptionTable>> = { ...calls, ...others }
  checkTable(table, given, { who: call, also: more, others: all })
}

/** The net that reads columns of texts: the one of the texts' domain, opened once, when it is needed. */
export function embedderOf({
  embedder,
  report,
  signal,
}: Pick<ReadingHooks, 'embedder' | 'report' | 'signal'>): OpenEmbedder {
  let opened: Promise<TextEmbedder> | undefined
  const open = embedder ?? (async () => (await import('../text/run/embed.ts')).embeddingNet({ report, signal }))
  return () => {
    opened ??= open()
    return opened
  }
}

/** Trains a model on the rows of a table, and writes the run into a folder. `source`: a CSV, TSV, JSON lines, Parquet,
 *  SQLite or DuckDB file, or a pattern of files. `options.target` names the column to predict. Of several ranks the first one
 *  trains; the others wait, and return its result. */
export async function trainTable(source: string, options: TableOptions, hooks: TableHooks = {}): Promise<RunResult> {
  check('trainTable', options, [])
  await setUpOnce(hooks.report)
  const { report, signal } = hooks
  const settings = { 'the kind of data': 'tables', ...options }
  return onFirst({ says: 'training on a table', settings, report, signal }, async signal => {
    const run = await import('../tabular/run/train.ts')
    const own = { ...hooks, ...(signal ? { signal } : {}) }
    return run.trainTable(source, options, { ...own, embedder: embedderOf(own) })
  })
}

/** Evaluates a run on the rows of a table that have a target, with its saved encoding, temperature and threshold. */
export async function evaluateTable(
  run: string,
  source: string,
  options: TableReadOptions & ReadingHooks = {},
): Promise<EvaluatedTable> {
  check('evaluateTable', options)
  await setUpOnce(options.report)
  const { report, signal } = options
  return onFirst({ says: 'evaluating a table', settings: {}, report, signal }, async signal => {
    const own = { ...options, ...(signal ? { signal } : {}) }
    return (await import('../tabular/run/evaluate.ts')).evaluateTable(run, source, {
      ...own,
      embedder: embedderOf(own),
    })
  })
}

/** Predicts every row of a table; `out` names a file for the scores, .csv or .parquet, or a database (.duckdb, .sqlite,
 *  .db), into whose table `outTable` they go. */
export async function predictTable(
  run: string,
  source: string,
  options: PredictTableOptions = {},
): Promise<PredictedTable> {
  check('predictTable', options, [...also, 'out', 'outTable', 'replace', 'keep'])
  await setUpOnce(options.report)
  return (await import('../tabular/run/predict.ts')).predictTable(run, source, {
    ...options,
    embedder: embedderOf(options),
  })
}

/** Makes a function that predicts single rows, each an object with the columns of the table. The model is read once. */
export async function rowPredictor(run: string): Promise<RowPredictor> {
  await setUpOnce()
  return (await import('../tabular/run/predict.ts')).rowPredictor(run, { embedder: embedderOf({}) })
}

/** Predicts some rows, each an object with the columns of the table. A column that is missing in a row has no value there;
 *  one that is missing in all rows is an error. */
export async function predictRows(run: string, rows: Parameters<RowPredictor>[0]): Promise<RowPrediction[]> {
  return (await rowPredictor(run))(rows)
}
