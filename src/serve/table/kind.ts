import { quoted } from '../../base/format.ts'
import { RunError } from '../../runtime/errors.ts'
import { type ReadRow, RowReader, usualRow } from '../../runtime/table/rows.ts'
import type { TableRow } from '../../runtime/types.ts'
import type { ServedTable } from '../model.ts'
import { Refused } from '../refused.ts'
import { type Reading, type Row, type ServedKind, settled } from '../served-kind.ts'
import { rowsOf, ways } from './bodies.ts'
import { page } from './page.ts'
import { columnInputs, rowSchema } from './schema.ts'
import { rowTensors } from './tensors.ts'

const readers = new WeakMap<object, RowReader>()
/** The reader of a model's rows. */
function readerOf({ card }: ServedTable): RowReader {
  const reader = readers.get(card) ?? new RowReader(card)
  readers.set(card, reader)
  return reader
}

/** Reads a row for a model. Throws `Refused`. */
function read(model: ServedTable, row: unknown, where: string): ReadRow {
  try {
    return readerOf(model).read(row, where)
  } catch (error) {
    if (error instanceof RunError) throw new Refused(422, 'row', error.message)
    throw error
  }
}

/** Reads a row of a request for the queue. */
function queued(row: unknown, where: string, { model, waited }: Reading): Row {
  const readFor = model as ServedTable
  return { key: 'row', pixels: 1, row: row as TableRow, where, read: read(readFor, row, where), readFor, ...waited }
}

/** Rows of a table: objects with a value for each column, read as in training. */
export const table: ServedKind = {
  noun: 'row',
  sample: (model: ServedTable) => read(model, usualRow(model.card), 'a row of usual values'),
  compared({ card: a }: ServedTable, { card: b }: ServedTable) {
    const columns = ({ inputs }: ServedTable['card']) => inputs.map(({ name, kind }) => `${name} (${kind})`).join(', ')
    return [
      ['task', a.task, b.task],
      ['columns', columns(a), columns(b)],
    ]
  },
  async ready(sample: Row, model: ServedTable) {
    if (sample.readFor === model) return sample.read
    try {
      return read(model, sample.row, sample.where) // another version took over meanwhile
    } catch (error) {
      return error as Error
    }
  },
  key: () => 'row',
  predict: (model: ServedTable, rows: readonly ReadRow[]) => model.predictRead(rows),
  said: ({ cells, texts = [] }: ReadRow) => {
    const shown = cells.map((cell, i) => (texts.includes(i) ? `text of ${String(cell).length} characters` : cell))
    return `row ${JSON.stringify(shown).slice(0, 200)}`
  },
  async given(contentType, body, reading) {
    const { card } = reading.model as ServedTable
    const { rows, many } = await rowsOf(contentType, body, { card, maxRows: reading.limits.maxRows })
    return {
      samples: settled(rows, ({ row, where }) => queued(row, where, reading)),
      many,
      about: rows.map(() => ({})),
    }
  },
  inputs: ({ card }: ServedTable) => columnInputs(card),
  async tensors(inputs, binary, reading) {
    const { card } = reading.model as ServedTable
    const rows = rowTensors(inputs, binary, { card, maxRows: reading.limits.maxRows })
    return rows.map((row, i) => queued(row, `row ${i + 1}`, reading))
  },
  bodies({ card }: ServedTable, limits) {
    const [row, list] = [rowSchema(card), { type: 'array', maxItems: limits.maxRows }]
    const rows = { type: 'object', required: ['rows'], properties: { rows: { ...list, items: row } } }
    return {
      ways,
      content: {
        'application/json': { schema: { oneOf: [row, rows] }, example: usualRow(card) },
        'text/csv': {
          schema: {
            type: 'string',
            description: 'The names of the columns in the first line, a row in each further one.',
          },
        },
      },
    }
  },
  page,
  example: ({ card }: ServedTable, address, more) =>
    `curl -d ${quoted(JSON.stringify(usualRow(card)))}${more} ${quoted(`${address}/predict`)}`,
}
