import { didYouMean } from '../../base/errors.ts'
import { cellReader } from '../../runtime/table/cells.ts'
import { csvRows, delimiters, headOf } from '../csv.ts'
import { dateText } from '../date-text.ts'
import type { RowAnswers } from './setup.ts'

/** A row that was pasted: values by column, and what the reader should know of it. */
interface Pasted {
  values: ReadonlyMap<string, unknown>
  notes: string[]
}

/** Reads a row that was pasted: JSON (an object, a list of them, or `{"rows": […]}`), or CSV with the names of the columns; without
 *  them, where it has a value for each field. Throws an error whose message is for the reader. */
export function pastedRow(text: string, setup: RowAnswers): Pasted {
  const own = text.trim()
  if (own === '') throw new Error('Nothing is pasted. Paste a row as JSON or CSV into the field.')
  return /^[[{]/.test(own) ? fromJson(own, setup) : fromCsv(own, setup)
}

const example = 'expected an object with a value for each column, such as {"column": 1}'

function fromJson(text: string, setup: RowAnswers): Pasted {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`The text begins as JSON, and is none: ${(error as Error).message}.`)
  }
  const names = setup.inputs.map(({ name }) => name)
  const inside = value as { rows?: unknown }
  const isList = !Array.isArray(value) && Array.isArray(inside.rows) && !names.includes('rows')
  const rows: unknown[] = Array.isArray(value) ? value : isList ? (inside.rows as unknown[]) : [value]
  const [row] = rows
  if (typeof row !== 'object' || row === null || Array.isArray(row))
    throw new Error(`The JSON has no row: got ${JSON.stringify(row)?.slice(0, 60) ?? 'an empty list'}; ${example}.`)
  return checked(Object.entries(row), setup, rows.length)
}

function fromCsv(text: string, setup: RowAnswers): Pasted {
  const names = setup.inputs.map(({ name }) => name)
  let found: ReturnType<typeof csvRows>
  try {
    found = csvRows(text, names, 1_000_000)
  } catch (error) {
    throw new Error(`The CSV can not be read: ${(error as Error).message}.`)
  }
  const { head, known, rows } = found
  if (known === 0) return byOrder(text, setup)
  const twice = head.find((name, i) => head.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`The CSV names the column "${twice}" twice.`)
  const [first] = rows
  if (!first) throw new Error('The CSV has the names of columns, and no row below them. Paste the row, too.')
  if (first.cells.length !== head.length)
    throw new Error(`The row has ${first.cells.length} cells, and the line of names has ${head.length}.`)
  return checked(
    head.map((name, i) => [name, first.cells[i]]),
    setup,
    rows.length,
  )
}

/** A row without names: it has a value for each field. */
function byOrder(text: string, setup: RowAnswers): Pasted {
  const { inputs } = setup
  const [line, ...others] = text.split(/\r?\n/)
  const cells = delimiters.map(delimiter => headOf(line!, delimiter)).find(({ length }) => length === inputs.length)
  if (!cells || others.length > 0)
    throw new Error(
      `The first line names no column of the model. Write the names in it (${inputs
        .slice(0, 4)
        .map(({ name }) => name)
        .join(
          ', ',
        )}${inputs.length > 4 ? ', …' : ''}), or paste one line with ${inputs.length} values, in the order of the fields.`,
    )
  const row = checked(
    inputs.map(({ name }, i) => [name, cells[i]]),
    setup,
    1,
  )
  return { ...row, notes: ['The row has no names of columns: it is read in the order of the fields.'] }
}

/** Refuses columns that the model does not know, and names those that are missing. */
function checked(entries: readonly [string, unknown][], { inputs, unused }: RowAnswers, rows: number): Pasted {
  const names = inputs.map(({ name }) => name)
  const odd = entries.find(([name]) => !names.includes(name) && !unused.includes(name))
  if (odd)
    throw new Error(
      `The row has the column "${odd[0]}", which the model does not know.${didYouMean(odd[0], names)} Leave it out.`,
    )
  const values = new Map(entries.filter(([name]) => names.includes(name)))
  const missing = names.filter(name => !values.has(name))
  if (values.size === 0) throw new Error('The row has none of the columns that the model takes.')
  const some = `${missing.slice(0, 12).join(', ')}${missing.length > 12 ? ', …' : ''}`
  return {
    values,
    notes: [
      ...(rows > 1 ? [`The text has ${rows.toLocaleString('en-US')} rows; the first one is in the form.`] : []),
      ...(missing.length > 0 ? [`The row lacks ${some}: taken as missing.`] : []),
    ],
  }
}

/** A value as the field of its column takes it, read as in training; empty where it is missing. Throws an error that names the
 *  column. */
export function fieldText(
  field: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement,
  { inputs, missing }: RowAnswers,
  values: ReadonlyMap<string, unknown>,
): string {
  const input = inputs[Number(field.dataset.column)]!
  const value = values.get(input.name) ?? null
  const words =
    field instanceof HTMLSelectElement
      ? [...field.options].map(option => option.value).filter(word => word !== '')
      : undefined
  const { read } = cellReader({ ...input, ...(words && { vocabulary: words }) }, missing)
  let cell: number | string
  try {
    cell = read(value)
  } catch (error) {
    throw new Error(`"${input.name}": ${(error as Error).message}.`)
  }
  if (typeof cell === 'string') return cell
  if (Number.isNaN(cell)) return ''
  // A number stays as it was written: with its unit and its sign before fractions.
  return input.kind === 'date' ? dateText(cell, input) : String(value).trim()
}
