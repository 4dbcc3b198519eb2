import type { MissingRule } from '../../cells/missing.ts'
import type { Choice } from '../../data/types.ts'
import { dateIn, numberIn } from './cells-of-bytes.ts'
import { mostWords, type RawColumn, tooManyWords } from './raw.ts'
import type { RowReader } from './row-reader.ts'
import { WordsOfBytes } from './words-of-bytes.ts'

/** A text file of the pass, and the column of each of its cells; -1 for cells that are not read. */
export interface PassFile {
  path: string
  delimiter: string
  quote: string
  /** The lines above the first row. */
  skip: number
  columns: readonly number[]
}

/** What a pass found. */
export interface PassResult {
  rows: number
  columns: RawColumn[]
  choices: Choice[]
}

const [blank, tab] = [0x20, 0x09]
/** The bytes that end a line. */
export const [lineFeed, carriageReturn] = [0x0a, 0x0d] as const

/** A column that changes within so many rows lets the pass begin anew. */
const firstRows = 65_536
/** Words for a missing value that the fast reader knows of each column. */
const mostKnown = 16
/** After rows that the fast reader does not take, at most so many are read without it. */
const mostSlow = 256

/** What a column is so far. `done`: an earlier pass has read it. `native/tables/reader.h` has the same numbers. */
const [skipped, open, number, date, words, done] = [0, 1, 2, 3, 4, 5]

/** The columns of a pass over text files in the making. */
export class Pass {
  readonly #names: readonly (string | undefined)[]
  readonly #missing: MissingRule
  readonly #kinds: Uint8Array
  /** Columns of words and of dates; the others that have values are numbers. */
  readonly #isWords: Uint8Array
  readonly #isDate: Uint8Array
  readonly #values: (Float64Array | undefined)[]
  readonly #codes: (Int32Array | undefined)[]
  readonly #words: (WordsOfBytes | undefined)[]
  readonly #missed: Map<string, number>[]
  /** Words for missing values that were seen in a column of numbers or dates, and how often the fast reader met each. */
  readonly #known: (KnownWords | undefined)[]
  /** Words for missing values in the row that is read. */
  #inRow: { column: number; word: string }[] = []
  readonly #change = new Set<number>()
  readonly #choices: Choice[] = []
  #room: number
  #scratch = Buffer.alloc(256)
  rows = 0
  readonly #fast: RowReader | undefined
  /** Rows that are read before the fast reader tries again, and how many those were the last time. */
  #wait = 0
  #waited = 0

  /** `fast` reads the rows that it takes; all others, and all without it, are read here, to the same columns. */
  constructor(
    names: readonly (string | undefined)[],
    { missing, room, fast }: { missing: MissingRule; room: number; fast?: RowReader | undefined },
  ) {
    this.#fast = fast
    this.#names = names
    this.#missing = missing
    this.#room = room
    this.#kinds = Uint8Array.from(names, name => (name === undefined ? skipped : open))
    this.#isWords = new Uint8Array(names.length)
    this.#isDate = new Uint8Array(names.length)
    this.#values = names.map(() => undefined)
    this.#codes = names.map(() => undefined)
    this.#words = names.map(() => undefined)
    this.#missed = names.map(() => new Map())
    this.#known = names.map(() => undefined)
  }

  begin(): void {
    this.rows = 0
  }

  /** A column changed in the first rows: all columns begin anew. */
  get startsAnew(): boolean {
    return this.#change.size > 0 && this.rows < firstRows
  }

  /** Whether some columns must be read again, as words. Then the next pass reads these alone. */
  again(): boolean {
    const anew = this.startsAnew
    for (const [column, kind] of this.#kinds.entries()) {
      if (!anew && this.#isOfWords(column)) this.#change.add(column)
      if (kind === skipped) continue
      this.#kinds[column] = done
      if (!anew) continue
      this.#kinds[column] = this.#isWords[column] ? words : open
      this.#forget(column)
      this.#values[column] = undefined
    }
    if (!anew) this.#room = this.rows
    for (const column of this.#change) {
      this.#kinds[column] = words
      this.#isWords[column] = 1
      this.#values[column] = undefined
      this.#forget(column)
    }
    for (const [column, kind] of this.#kinds.entries()) if (kind === words) this.#startWords(column)
    const again = this.#change.size > 0
    this.#change.clear()
    return again
  }

  #forget(column: number): void {
    this.#missed[column]!.clear()
    this.#known[column] = undefined
  }

  /** Whether all that is filled in a column are words: those for missing values, or mostly `inf`. */
  #isOfWords(column: number): boolean {
    const kind = this.#kinds[column]
    if (kind === open) return this.#missed[column]!.size > 0
    if (kind !== number) return false
    const values = this.#values[column]!
    let [finite, infinite] = [0, 0]
    for (let row = 0; row < this.rows; row++)
      if (Number.isFinite(values[row])) finite++
      else if (!Number.isNaN(values[row])) infinite++
    return infinite > finite
  }

  /** Reads the rows of these bytes up to `end`, which is behind a line end. Returns where the first row begins that does
   *  not end before it, or -1 for bytes that are not plain. */
  rowsIn(bytes: Buffer, end: number, file: PassFile): number {
    let at = 0
    while (at < end) {
      if (this.rows >= this.#room) this.#grow()
      if (this.#fast && this.#wait-- <= 0) {
        const next = this.#readFast(this.#fast, bytes, { at, end, file })
        this.#waited = next > at ? 0 : Math.min(mostSlow, 2 * this.#waited + 1)
        this.#wait = this.#waited
        at = next
        if (at >= end || this.rows >= this.#room) continue
      }
      const next = this.#rowIn(bytes, at, { end, file })
      if (next <= at) return next < 0 ? -1 : at
      at = next
    }
    return at
  }

  #readFast(read: RowReader, bytes: Buffer, { at, end, file }: { at: number; end: number; file: PassFile }): number {
    const kinds = Uint8Array.from(file.columns, column => (column < 0 ? skipped : this.#kinds[column]!))
    const arrays = file.columns.flatMap((column, cell) => {
      const kind = kinds[cell]!
      if (kind === words) return [this.#codes[column], ...this.#words[column]!.arrays, undefined]
      if (kind !== number && kind !== date) return none(7)
      const known = this.#known[column]
      return [this.#values[column], ...(known?.words.arrays ?? none(5)), known?.counts]
    })
    const [delimiter, quote] = [file.delimiter.charCodeAt(0), file.quote.charCodeAt(0)]
    const into = { bytes, end, at, row: this.rows, room: this.#room, delimiter, quote, mostWords, kinds, arrays }
    const [next, row] = read(into)
    this.rows = row
    return next
  }

  /** Reads one row. Returns where the next one begins; where it begins itself if it does not end before `end`; or -1 for bytes
   *  that are not plain. */
  #rowIn(bytes: Buffer, start: number, { end, file }: { end: number; file: PassFile }): number {
    const { columns } = file
    const [cut, mark] = [file.delimiter.charCodeAt(0), file.quote.charCodeAt(0)]
    const width = columns.length
    const [kinds, values] = [this.#kinds, this.#values]
    let at = start
    for (let cell = 0; ; cell++) {
      let from = at
      let to = at
      let [source, ends] = [bytes, at]
      if (bytes[at] === mark) {
        const closed = this.#quoted(bytes, at, { end, mark })
        if (closed < 0) return this.#backTo(start)
        ends = closed + 1
        const doubled = this.#doubled
        source = doubled > 0 ? this.#scratch : bytes
        from = doubled > 0 ? 0 : at + 1
        to = doubled > 0 ? doubled : closed
      } else {
        let byte = bytes[ends]!
        while (byte !== cut && byte !== lineFeed && byte !== carriageReturn) {
          if (byte === mark) return -1
          byte = bytes[++ends]!
        }
        to = ends
      }
      const byte = bytes[ends]!
      if (byte !== cut && byte !== lineFeed && byte !== carriageReturn) return -1
      // A line without a sign is no row, unless its one column is empty.
      if (byte !== cut && cell === 0 && ends === start)
        return width === 1 ? -1 : ends + (byte === carriageReturn && bytes[ends + 1] === lineFeed ? 2 : 1)
      if (cell >= width) return -1
      const column = columns[cell]!
      if (column >= 0 && kinds[column] !== done) {
        const value = kinds[column] === number ? numberIn(source, from, to) : undefined
        if (value === undefined) this.#put(column, source, { from, to })
        else values[column]![this.rows] = value
      }
      at = ends + 1
      if (byte === cut) continue
      if (byte === carriageReturn && bytes[at] === lineFeed) at++
      if (cell !== width - 1) return -1
      this.#rowDone()
      return at
    }
  }

  /** How many bytes the last quoted cell has in `#scratch`, or 0 where it has no doubled quotes. */
  #doubled = 0

  /** Where the quote stands that closes a cell, or -1 where none does before the end. */
  #quoted(bytes: Buffer, at: number, { end, mark }: { end: number; mark: number }): number {
    this.#doubled = 0
    let from = at + 1
    for (let i = from; i < end; i++) {
      if (bytes[i] !== mark) continue
      if (bytes[i + 1] !== mark || i + 1 >= end) {
        if (this.#doubled > 0) this.#keep(bytes, from, i)
        return i
      }
      this.#keep(bytes, from, ++i)
      from = i + 1
    }
    return -1
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const needed = this.#doubled + to - from
    if (needed > this.#scratch.length) this.#scratch = Buffer.concat([this.#scratch, Buffer.alloc(needed)])
    bytes.copy(this.#scratch, this.#doubled, from, to)
    this.#doubled = needed
  }

  #backTo(start: number): number {
    this.#inRow = []
    return start
  }

  #rowDone(): void {
    this.rows++
    for (const { column, word } of this.#inRow)
      this.#missed[column]!.set(word, (this.#missed[column]!.get(word) ?? 0) + 1)
    if (this.#inRow.length > 0) this.#inRow = []
  }

  #put(column: number, bytes: Buffer, { from, to }: { from: number; to: number }): void {
    const kind = this.#kinds[column]!
    if (kind === skipped) return
    while (from < to && (bytes[from] === blank || bytes[from] === tab)) from++
    while (from < to && (bytes[to - 1] === blank || bytes[to - 1] === tab)) to--
    if (kind === words) {
      const own = this.#words[column]!
      this.#codes[column]![this.rows] = from === to ? -1 : own.code(bytes, from, to)
      if (own.size > mostWords) this.#leaveOut(column)
      return
    }
    if (from === to) {
      if (kind !== open) this.#values[column]![this.rows] = Number.NaN
      return
    }
    if (kind === open) this.#begin(column, bytes, { from, to })
    else this.#putValue(column, bytes, { from, to, kind })
  }

  #putValue(column: number, bytes: Buffer, { from, to, kind }: { from: number; to: number; kind: number }): void {
    const value = kind === number ? numberIn(bytes, from, to) : dateIn(bytes, from, to)
    if (value !== undefined) this.#values[column]![this.rows] = value
    else if (this.#isMissing(column, bytes.toString('utf8', from, to))) {
      this.#values[column]![this.rows] = Number.NaN
      if (!this.#fast) return
      const known = (this.#known[column] ??= { words: new WordsOfBytes(), counts: new Int32Array(mostKnown) })
      if (known.words.size < mostKnown) known.words.code(bytes, from, to)
    } else this.#becomeWords(column)
  }

  /** The first cell of a column that is filled says what the column is. */
  #begin(column: number, bytes: Buffer, { from, to }: { from: number; to: number }): void {
    const kind = numberIn(bytes, from, to) !== undefined ? number : dateIn(bytes, from, to) !== undefined ? date : words
    if (kind === words && this.#isMissing(column, bytes.toString('utf8', from, to))) return
    if (kind === words && this.#missed[column]!.size > 0) {
      this.#becomeWords(column)
      return
    }
    this.#kinds[column] = kind
    this.#isDate[column] = Number(kind === date)
    if (kind === words) {
      this.#isWords[column] = 1
      this.#startWords(column)
      this.#codes[column]![this.rows] = this.#words[column]!.code(bytes, from, to)
    } else {
      this.#values[column] = new Float64Array(this.#room).fill(Number.NaN, 0, this.rows)
      this.#putValue(column, bytes, { from, to, kind })
    }
  }

  #startWords(column: number): void {
    this.#codes[column] = new Int32Array(this.#room).fill(-1, 0, this.rows)
    this.#words[column] = new WordsOfBytes()
  }

  #isMissing(column: number, word: string): boolean {
    if (!this.#missing.inNumbers(word)) return false
    this.#inRow.push({ column, word })
    return true
  }

  /** A word stands among numbers or dates: the next pass reads the column as words. */
  #becomeWords(column: number): void {
    this.#change.add(column)
    this.#kinds[column] = done
  }

  #leaveOut(column: number): void {
    this.#kinds[column] = skipped
    this.#codes[column] = undefined
    this.#words[column] = undefined
    this.#choices.push(tooManyWords(this.#names[column]!, `more than ${mostWords.toLocaleString('en-US')}`))
  }

  #grow(): void {
    this.#room = Math.ceil(1.3 * this.#room) + 1024
    for (const [column, kind] of this.#kinds.entries()) {
      if (kind === done || kind === skipped) continue
      const [values, codes] = [this.#values[column], this.#codes[column]]
      if (values) (this.#values[column] = new Float64Array(this.#room)).set(values)
      if (codes) (this.#codes[column] = new Int32Array(this.#room)).set(codes)
    }
  }

  /** The columns; undefined where a word is not UTF-8. */
  result(): PassResult | undefined {
    const columns: RawColumn[] = []
    for (const [column, name] of this.#names.entries()) {
      if (name === undefined || this.#kinds[column] === skipped) continue
      const [values, codes, own] = [this.#values[column], this.#codes[column], this.#words[column]]
      if (values) {
        const type = this.#isDate[column] ? 'date' : 'number'
        const missing = together(this.#missed[column]!, this.#known[column])
        columns.push({ name, type, values: fitted(values, this.rows), missing, plain: true })
        continue
      }
      const texts = own ? own.texts() : []
      if (!texts) return undefined
      const all = codes ? fitted(codes, this.rows) : new Int32Array(this.rows).fill(-1)
      columns.push({ name, type: 'words', ...inOrder(all, texts) })
    }
    return { rows: this.rows, columns, choices: this.#choices }
  }
}

const none = (count: number): undefined[] => Array(count).fill(undefined)

interface KnownWords {
  words: WordsOfBytes
  counts: Int32Array
}

/** How often each word for a missing value was there, by both readers. */
function together(missed: ReadonlyMap<string, number>, known: KnownWords | undefined): ReadonlyMap<string, number> {
  const all = new Map(missed)
  for (const [i, word] of (known?.words.texts() ?? []).entries())
    if (known!.counts[i]! > 0) all.set(word, (all.get(word) ?? 0) + known!.counts[i]!)
  return all
}

/** The first values; a copy where much more room was made than is needed. */
function fitted<T extends Float64Array | Int32Array>(values: T, rows: number): T {
  return (values.length > 1.5 * rows + 1024 ? values.slice(0, rows) : values.subarray(0, rows)) as T
}

/** More words than this stay in the order in which they occur. */
const mostSorted = 50_000

/** Words in their order, and the codes for it. */
function inOrder(codes: Int32Array, found: string[]): { codes: Int32Array; words: string[] } {
  if (found.length > mostSorted) return { codes, words: found }
  const order = Array.from(found.keys()).sort((a, b) => (found[a]! < found[b]! ? -1 : 1))
  const to = new Int32Array(found.length)
  for (const [i, word] of order.entries()) to[word] = i
  for (let row = 0; row < codes.length; row++) if (codes[row]! >= 0) codes[row] = to[codes[row]!]!
  return { codes, words: order.map(word => found[word]!) }
}
