import { ModelError, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { version } from '../../base/version.ts'
import {
  findTableCard,
  type TableCardTexts,
  type TableCell,
  type TableCheck,
  type TableFileCard,
} from '../../onnx/index.ts'
import type { OpenEmbedder } from '../../tabular/texts/embedder.ts'
import { checkProbe, type ProbeDifference } from '../check-file.ts'
import { fileToWrite, readFile, writeExport } from '../files.ts'
import type { CommonExportOptions } from '../options.ts'
import { type RuntimeName, runtimeNames, type Value } from '../runtimes.ts'
import { checkTable, refuseTable } from './check.ts'
import { largestDifference, tableTolerance } from './compare-rows.ts'
import { missingDate } from './dates.ts'
import { tableGraph } from './model-graph.ts'
import { homeOf, type OpenTableModel, openTableModel } from './open.ts'
import { probeOf } from './probe.ts'
import { type CheckRows, madeRows } from './rows.ts'
import { answersOf } from './run-rows.ts'
import { tableFileCard, tableMetadata } from './table-card.ts'
import { validationRows } from './validation-rows.ts'

/** How a model of a table is exported. */
export interface ExportTableOptions extends CommonExportOptions {
  /** The most validation rows of the check; of long texts fewer. Default: 1000. */
  rows?: number | undefined
  /** Of a model that reads texts: how the weights of its net for texts are stored. All else stays as it is. Default: float32. */
  weights?: TableCardTexts['weights'] | undefined
  /** Of a model that reads texts: opens the net that it was trained with. Default: the one that Anneal trains with. */
  embedder?: OpenEmbedder | undefined
}

/** An exported file of a model of a table. */
export interface ExportedTable {
  file: string
  bytes: number
  card: TableFileCard
  /** Why the check has no validation rows, if it has none. */
  note?: string
}

/** Writes a trained model of a table as one ONNX file that takes raw rows, one input for each column, with a card before its
 *  graph. The file is compared with the trained model first, row by row in each runtime; if they differ, no file is written.
 *  run: a run folder (its best model), or the path of a saved model's card. */
export const exportTable = (run: string, options: ExportTableOptions = {}): Promise<ExportedTable> =>
  exportTableTo(() => {}, run, options)

/** The same for a place that does not take all models. refuse: throws for one that is too large for it, before the check. */
export async function exportTableTo(
  refuse: (made: { card: TableFileCard; bytes: number }) => void,
  run: string,
  options: ExportTableOptions,
): Promise<ExportedTable> {
  const { check = true, data, rows: most = 1000, runtimes = runtimeNames, progress, signal } = options
  const { embedder, weights = 'float32' } = options
  const model = await openTableModel(run, { embedder, progress, signal })
  refuseWeights(weights, model)
  const file = fileToWrite(options.out, homeOf(model))
  const { graph, ...made } = tableGraph(model, { weights })
  const found = check ? await validationRows(model, made.inputs, { data, rows: most, signal }) : {}
  const rows = { made: madeRows(model, made.inputs), valid: found.rows }
  const encoded = (facts: Pick<TableFileCard, 'checks' | 'probe'>) => {
    const card = tableFileCard(model, made, { ...facts, rows, weights })
    return { card, file: graph.encode({ producer: 'anneal', version: version(), metadata: tableMetadata(card) }) }
  }
  const unchecked = encoded({})
  refuse({ card: unchecked.card, bytes: unchecked.file.length })
  const checks = check ? await checkTable(model, unchecked, rows, { runtimes, signal, progress }) : undefined
  if (checks) refuseTable(checks, `${file} is not written`, weights)
  const probe = await probeOf(model, rows.made, {
    weights,
    exported: check ? { ...unchecked, runtime: runtimes[0]! } : undefined,
    signal,
  })
  const { card, file: bytes } = encoded({ ...(checks ? { checks } : {}), ...(probe ? { probe } : {}) })
  await writeExport(file, bytes, signal)
  return { file, bytes: bytes.length, card, ...(found.note === undefined ? {} : { note: found.note }) }
}

/** Throws for weights in fewer bits where there is no net for texts. */
function refuseWeights(weights: TableCardTexts['weights'], { textNet }: OpenTableModel): void {
  if (weights === 'float32' || textNet) return
  throw new OptionError(
    `${setting('weights', weights)}: makes files of nets smaller that have millions of weights. This model reads no texts, so it is small, and its trees need their thresholds exactly: a row on the other side of one gets another answer. Leave it out.`,
  )
}

/** The result of a check of a file that was exported before. */
export interface TableFileCheck {
  card: TableFileCard
  /** Against the trained model, if its run was given. */
  checks: TableCheck[]
  /** By runtime: how far the answers to the rows of the card are from those that the card gives. */
  probes: ProbeDifference[]
}

/** Checks an exported model of a table on this machine: the rows of its card in each runtime, and with a run many rows against
 *  the trained model. Throws if the file is no exported model of a table, or answers differently. */
export async function checkTableFile(
  file: string,
  {
    run,
    data,
    rows = 1000,
    runtimes = runtimeNames,
    embedder,
    progress,
    signal,
  }: { run?: string | undefined } & Omit<ExportTableOptions, 'out' | 'check' | 'weights'> = {},
): Promise<TableFileCheck> {
  const bytes = readFile(file)
  const card = findTableCard(bytes, file)
  if (!card) throw new ModelError(`${file}: is no exported model of a table. Export one: npx anneal export RUN.`)
  const probes = await probed({ file, bytes, card }, runtimes, signal)
  if (run === undefined) return { card, checks: [], probes }
  const model = await openTableModel(run, { embedder, progress, signal })
  const { target } = model.card
  const { inputs } = tableGraph(model)
  if (
    target.task !== card.task ||
    String(target.classes) !== String(card.classes) ||
    String(inputs.map(i => [i.name, i.kind])) !== String(card.inputs.map(i => [i.name, i.kind]))
  )
    throw new ModelError(
      `${file}: is another model than ${run}: it answers ${card.task} with ${card.classes.slice(0, 5).join(', ')} from ${card.inputs.length} columns, the run ${target.task} with ${target.classes.slice(0, 5).join(', ')} from ${inputs.length}.`,
    )
  const valid = (await validationRows(model, inputs, { data, rows, signal })).rows
  const parts = { made: madeRows(model, inputs), valid }
  const checks = await checkTable(model, { file: bytes, card }, parts, { runtimes, signal, progress })
  refuseTable(checks, `${file}: is not the model of ${run}`, card.texts?.weights)
  return { card, checks, probes }
}

function probed(
  { file, bytes, card }: { file: string; bytes: Uint8Array; card: TableFileCard },
  runtimes: readonly RuntimeName[],
  signal: AbortSignal | undefined,
): Promise<ProbeDifference[]> {
  const { probe } = card
  if (!probe) return Promise.resolve([])
  const rows = { frame: { source: file, rows: probe.rows.length, columns: [] }, feeds: feedsOf(card, probe.rows) }
  const differs = 'its answers to the rows of its card differ'
  return checkProbe({ file, bytes }, runtimes, { accepted: tableTolerance, differs, signal }, async loaded => {
    const { numbers } = await answersOf(loaded, card, rows, { signal })
    return largestDifference(probe.outputs, numbers, card)
  })
}

/** Rows of JSON as the graph takes them. */
function feedsOf({ inputs }: TableFileCard, rows: readonly Readonly<Record<string, TableCell>>[]): CheckRows['feeds'] {
  return Object.fromEntries(
    inputs.map(({ name, kind }): [string, Value] => {
      const cells = rows.map(row => row[name] ?? null)
      const dims = [rows.length, 1]
      if (kind === 'category' || kind === 'text') return [name, { data: cells.map(cell => String(cell ?? '')), dims }]
      if (kind === 'number')
        return [name, { data: Float32Array.from(cells, cell => (cell === null ? Number.NaN : Number(cell))), dims }]
      return [name, { data: BigInt64Array.from(cells, cell => (cell === null ? missingDate : BigInt(cell))), dims }]
    }),
  )
}
