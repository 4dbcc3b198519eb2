import type { TableFileCard } from '../../onnx/table-card.ts'
import { notOnGpu, type Parts, PlainModel, partsOf } from '../plain-model.ts'
import { startOrt } from '../session.ts'
import type { Host, LoadOptions, Ort, OrtTensor, Signal, TablePrediction, TableRow } from '../types.ts'
import { checkTableCard, checkTableSession } from './card.ts'
import type { ReadCell } from './cells.ts'
import { type ReadRow, RowReader, usualRow } from './rows.ts'
import { type RowTexts, rowBatches, rowTexts, tokenInputs } from './texts.ts'

/** How many rows without texts go through the model together. */
const together = 512
/** A date that is missing: the least int64. */
const missingDate = -(2n ** 63n)

interface TableModelParts extends Parts<TableFileCard> {
  texts: RowTexts | undefined
}

/** A model that predicts rows of a table. Predictions run one after another, in the order of their calls. */
export class TableModel extends PlainModel<TableFileCard> {
  readonly kind = 'table'
  readonly #parts: TableModelParts
  readonly #reader: RowReader

  constructor(parts: TableModelParts) {
    super(parts)
    this.#parts = parts
    this.#reader = new RowReader(parts.card)
  }

  /** A row of usual values, to try the model with. It is no row of the training table. */
  get example(): TableRow {
    return usualRow(this.card)
  }

  /** Predicts a row, or each of a list: objects with a value for each column, null where it is missing. Errors name row and
   *  column. */
  predict(row: TableRow, options?: { signal?: Signal }): Promise<TablePrediction>
  predict(rows: readonly TableRow[], options?: { signal?: Signal }): Promise<TablePrediction[]>
  async predict(
    rows: TableRow | readonly TableRow[],
    options: { signal?: Signal } = {},
  ): Promise<TablePrediction | TablePrediction[]> {
    const many = Array.isArray(rows)
    const all = many ? (rows as readonly TableRow[]) : [rows as TableRow]
    const read = all.map((row, i) => this.#reader.read(row, many ? `row ${i + 1}` : 'the row'))
    const found = await this.predictRead(read, options)
    return many ? found : found[0]!
  }

  /** Reads a row as `predict` does, for `predictRead`. `where`: what errors call it. */
  read(row: TableRow, where = 'the row'): ReadRow {
    return this.#reader.read(row, where)
  }

  /** Predicts rows that were read. */
  async predictRead(rows: readonly ReadRow[], { signal }: { signal?: Signal } = {}): Promise<TablePrediction[]> {
    const { turns, texts, card } = this.#parts
    const found = new Array<TablePrediction>(rows.length)
    const columns = card.inputs.flatMap(({ kind }, i) => (kind === 'text' ? [i] : []))
    const tokens = texts && rows.map(({ cells }) => columns.map(i => texts.tokens(cells[i] as string)))
    for (const places of tokens ? rowBatches(tokens) : inOrder(rows.length)) {
      const some = places.map(row => rows[row]!)
      const own = tokens && columns.map((_, c) => places.map(row => tokens[row]![c]))
      const answers = await turns.run(() => this.#run(some, own ?? []), signal)
      for (const [at, row] of places.entries()) found[row] = answers[at]!
    }
    return found
  }

  /** tokens: of each column of texts, those of each row. */
  async #run(
    rows: readonly ReadRow[],
    tokens: readonly (readonly (Int32Array | undefined)[])[],
  ): Promise<TablePrediction[]> {
    const { session, ort, card } = this.#parts
    const { classes, outputs } = card
    const feeds: Record<string, OrtTensor> = {}
    let text = 0
    for (const [i, { name, kind, tokens: names }] of card.inputs.entries()) {
      if (!names) {
        const cells = rows.map(row => row.cells[i]!)
        feeds[name] = tensorOf(ort, kind, cells)
        continue
      }
      const { ids, mask, dims } = tokenInputs(tokens[text++]!, card.texts!)
      feeds[names.ids] = new ort.Tensor('int64', ids, dims)
      feeds[names.mask] = new ort.Tensor('int64', mask, dims)
    }
    const names = [outputs.probabilities ?? outputs.values!, ...(outputs.label === undefined ? [] : [outputs.label])]
    const found = await session.run(feeds, names)
    const numbers = Float32Array.from(found[names[0]!]!.data as Float32Array)
    const labels = names[1] === undefined ? [] : [...(found[names[1]]!.data as readonly string[])]
    for (const tensor of [...Object.values(feeds), ...names.map(name => found[name]!)]) tensor.dispose?.()
    return rows.map(({ unknown }, row) => {
      const scores = numbers.slice(row * classes.length, (row + 1) * classes.length)
      // Entries, not assignments, since a class may be named __proto__.
      const named = Object.fromEntries(classes.map((name, c) => [name, scores[c]!]))
      const more = { scores, unknown: [...unknown] }
      if (card.task === 'regression') return { task: 'regression', values: named, ...more }
      const label = labels[row]!
      return { task: 'single', label, probability: scores[classes.indexOf(label)]!, probabilities: named, ...more }
    })
  }
}

/** The places of rows without texts, some at a time. */
const inOrder = (rows: number): number[][] =>
  Array.from({ length: Math.ceil(rows / together) }, (_, part) =>
    Array.from({ length: Math.min(together, rows - part * together) }, (_, i) => part * together + i),
  )

function tensorOf(ort: Ort, kind: TableFileCard['inputs'][number]['kind'], cells: readonly ReadCell[]): OrtTensor {
  const shape = [cells.length, 1]
  if (kind === 'category') return new ort.Tensor('string', cells as readonly string[], shape)
  if (kind === 'number') return new ort.Tensor('float32', Float32Array.from(cells as readonly number[]), shape)
  const dates = BigInt64Array.from(cells as readonly number[], date =>
    Number.isNaN(date) ? missingDate : BigInt(date),
  )
  return new ort.Tensor('int64', dates, shape)
}

/** Makes a model of a table of the bytes of a file with its card. `name`: what errors call it. */
export async function openTable(
  card: TableFileCard,
  bytes: Uint8Array,
  name: string,
  host: Host<never>,
  options: LoadOptions,
): Promise<TableModel> {
  if (options.device === 'webgpu') throw notOnGpu(name, 'a model of a table', 'words and trees')
  checkTableCard(card, name)
  const texts = await rowTexts(card, name)
  const sessions = await startOrt(bytes, name, host, options)
  const parts = await partsOf(sessions, { card, name, check: checkTableSession }, host, options)
  return new TableModel({ ...parts, texts })
}
