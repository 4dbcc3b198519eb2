import { DataError } from '../../base/errors.ts'
import type { Choice } from '../../data/types.ts'

/** A column as a file holds it, before its words are read. Numbers and dates are NaN where a value is missing. `missing`:
 *  words for a missing value and how many rows had them; they are NaN already. `plain`: read from
 *  texts with a point before fractions. */
export type RawColumn =
  | {
      name: string
      type: 'number' | 'date'
      values: Float64Array
      missing?: ReadonlyMap<string, number>
      plain?: boolean
    }
  | { name: string; type: 'words'; codes: Int32Array; words: string[] }

/** A value of a row of an object or of SQLite. */
export type Plain = string | number | bigint | boolean | Date | null | undefined | Uint8Array | object

/** The largest number up to which every whole number is a float64. */
export const mostWhole = 2 ** 53

/** More different texts than this are not read. */
export const mostWords = 3_000_000

/** A column with more texts than are read. `many`: how many it holds. */
export const tooManyWords = (name: string, many: string): Choice => ({
  what: 'column left out',
  value: name,
  reason: `it holds ${many} different texts, and at most ${mostWords.toLocaleString('en-US')} are read as words; take the part of them that matters with SQL`,
})

/** Collects one column from plain values. Numbers stay numbers while no text is among them; then all values are words. */
export class ColumnBuilder {
  readonly name: string
  #size = 0
  #numbers = new Float64Array(1024)
  #codes: Int32Array | undefined
  #words = new Map<string, number>()
  #dates = true
  #numbersOnly = true

  constructor(name: string) {
    this.name = name
  }

  /** Adds the value of the next row. Throws for a value that is no number, text, boolean or date. `where`: the row. */
  add(value: Plain, where: () => string): void {
    const row = this.#size++
    if (row >= this.#numbers.length) this.#grow()
    if (value === null || value === undefined) {
      this.#numbers[row] = Number.NaN
      if (this.#codes) this.#codes[row] = -1
    } else if (typeof value === 'number' && !this.#codes) {
      this.#dates = false
      this.#numbers[row] = value
    } else if (value instanceof Date && !this.#codes && this.#dates) {
      this.#numbersOnly = false
      this.#numbers[row] = value.getTime() / 1000
    } else this.#addWord(row, wordOf(value, this.name, where))
  }

  #addWord(row: number, word: string | undefined): void {
    this.#codes ??= this.#asWords(row)
    this.#codes[row] = word === undefined || word === '' ? -1 : this.#code(word)
  }

  /** The rows before this one as words. */
  #asWords(rows: number): Int32Array {
    const codes = new Int32Array(this.#numbers.length)
    const show = this.#numbersOnly ? String : (v: number) => new Date(v * 1000).toISOString()
    for (let i = 0; i < rows; i++) codes[i] = Number.isNaN(this.#numbers[i]) ? -1 : this.#code(show(this.#numbers[i]!))
    return codes
  }

  #code(word: string): number {
    const known = this.#words.get(word)
    if (known !== undefined) return known
    this.#words.set(word, this.#words.size)
    return this.#words.size - 1
  }

  #grow(): void {
    const numbers = new Float64Array(2 * this.#numbers.length)
    numbers.set(this.#numbers)
    this.#numbers = numbers
    if (!this.#codes) return
    const codes = new Int32Array(numbers.length)
    codes.set(this.#codes)
    this.#codes = codes
  }

  /** The column. A column without any value has no words. */
  done(): RawColumn {
    const { name } = this
    if (this.#codes)
      return { name, type: 'words', codes: this.#codes.slice(0, this.#size), words: [...this.#words.keys()] }
    const values = this.#numbers.slice(0, this.#size)
    if (values.every(Number.isNaN))
      return { name, type: 'words', codes: new Int32Array(this.#size).fill(-1), words: [] }
    return { name, type: this.#numbersOnly ? 'number' : 'date', values }
  }
}

function wordOf(value: NonNullable<Plain>, column: string, where: () => string): string | undefined {
  if (typeof value === 'string') return value.trim()
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
  if (typeof value !== 'object') return String(value)
  const kind = value instanceof Uint8Array ? 'bytes' : Array.isArray(value) ? 'a list' : 'an object'
  throw new DataError(
    `${where()}: "${column}" holds ${kind}; expected a number, a text, true or false, a date, or null. Leave this column out, or make one column of each part.`,
  )
}
