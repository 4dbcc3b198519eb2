import { didYouMean } from '../../base/errors.ts'
import { dateWord } from '../../cells/dates.ts'
import type { TableFileCard } from '../../onnx/table-card.ts'
import { RunError, reasonOf } from '../errors.ts'
import { kindOf } from '../pixels.ts'
import type { TableRow } from '../types.ts'
import { type CellReader, cellReader, type ReadCell } from './cells.ts'

/** A row as the graph takes it. */
export interface ReadRow {
  /** In the order of the card's inputs. */
  cells: readonly ReadCell[]
  /** Columns whose word training did not have. */
  unknown: readonly string[]
  /** The places of texts among the cells, where the model takes some: what people write is not for a log. */
  texts?: readonly number[]
}

/** Reads rows for a model: each by itself, so that no other row changes what it means. */
export class RowReader {
  readonly #names: readonly string[]
  readonly #readers: readonly CellReader[]
  readonly #allowed: ReadonlySet<string>
  readonly #example: string
  readonly #texts: readonly number[]

  constructor(card: TableFileCard) {
    this.#names = card.inputs.map(({ name }) => name)
    this.#readers = card.inputs.map(input => cellReader(input, card.missing))
    this.#allowed = new Set([...this.#names, ...(card.unused ?? [])])
    this.#texts = card.inputs.flatMap(({ kind }, i) => (kind === 'text' ? [i] : []))
    this.#example = JSON.stringify(Object.fromEntries(Object.entries(usualRow(card)).slice(0, 3)))
  }

  /** Reads one row. Throws a RunError that names the row by `where`, and the column. */
  read(row: unknown, where: string): ReadRow {
    const refuse = (what: string) => new RunError('row', `${where}${what}`)
    if (typeof row !== 'object' || row === null || Array.isArray(row) || ArrayBuffer.isView(row))
      throw refuse(
        ` is ${row === null ? 'null' : Array.isArray(row) ? 'a list' : typeof row === 'object' ? kindOf(row) : `a ${typeof row}`}; expected an object with a value for each column, such as ${this.#example}.`,
      )
    const own = row as Readonly<Record<string, unknown>>
    const missing = this.#names.filter(name => !Object.hasOwn(own, name) || own[name] === undefined)
    const odd = Object.keys(own).filter(name => !this.#allowed.has(name))
    if (odd.length > 0) {
      const near = didYouMean(odd[0]!, missing.length > 0 ? missing : this.#names)
      throw refuse(` has ${columns(odd)}, which the model does not know.${near} It takes ${list(this.#names)}.`)
    }
    if (missing.length > 0)
      throw refuse(` lacks ${columns(missing)}, which the model takes; give null where a value is missing.`)
    const unknown: string[] = []
    const cells = this.#readers.map((reader, i) => {
      const name = this.#names[i]!
      try {
        const cell = reader.read(own[name])
        if (!reader.knows(cell)) unknown.push(name)
        return cell
      } catch (error) {
        throw new RunError('row', `${where}, "${name}": ${reasonOf(error)}.`, { cause: error })
      }
    })
    return { cells, unknown, ...(this.#texts.length > 0 && { texts: this.#texts }) }
  }
}

const most = 20
const list = (names: readonly string[]): string =>
  `${names
    .slice(0, most)
    .map(name => `"${name}"`)
    .join(', ')}${names.length > most ? ', …' : ''}`
const columns = (names: readonly string[]): string => `the column${names.length === 1 ? '' : 's'} ${list(names)}`

/** A row of usual values, each column by itself: an example, and no row of the table. */
export function usualRow({ inputs }: Pick<TableFileCard, 'inputs'>): TableRow {
  return Object.fromEntries(
    inputs.map(({ name, kind, usual = null }) => [
      name,
      kind === 'date' && typeof usual === 'number' ? dateWord(usual) : usual,
    ]),
  )
}
