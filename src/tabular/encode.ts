import { DataError, didYouMean } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { dateColumn } from '../cells/dates.ts'
import { missingRule } from '../cells/missing.ts'
import { numberColumn } from '../cells/numbers.ts'
import { canonical, wordCodes, wordOfNumber } from '../cells/words.ts'
import { type DateForm, datePartsWriter, partsOf } from './columns/date-parts.ts'
import { type EncodedNames, LaterEncoded, type RowsEncoder } from './encoded.ts'
import { gather } from './gather.ts'
import { fitComponents, textNames, textNumbers } from './texts/components.ts'
import type {
  CellReading,
  CodedWords,
  ColumnEncoding,
  ColumnKind,
  ColumnUse,
  Encoded,
  Encoding,
  Frame,
  FrameColumn,
  RowNumbers,
} from './types.ts'

/** A vocabulary of at most so many words keeps rare words. */
const fewWords = 50

/** How many rows must hold a word of a large vocabulary. Rarer words share the code of unknown words, which is trained
 *  by them. */
const rareBelow = (rows: number): number => (rows < 10_000 ? 2 : rows < 100_000 ? 3 : 5)

/** Finds how the used columns become features, from the training rows alone: the words of each category, the origin and
 *  parts of each date. */
export function fitEncoding(
  frame: Frame,
  uses: readonly ColumnUse[],
  trainRows: RowNumbers,
  { dates }: { dates?: DateForm | undefined } = {},
): Encoding {
  const columns = uses.flatMap(({ name, kind, used }): ColumnEncoding[] => {
    if (!used) return []
    const column = columnOf(frame, name)
    const reading = column.reading ? { reading: column.reading } : {}
    if (kind === 'number') return [{ column: name, kind, ...reading }]
    if (kind === 'date' && column.type === 'date') {
      const { values } = column
      return [{ column: name, kind, ...partsOf(gather(values, trainRows), dates), ...reading }]
    }
    if (kind === 'text' && column.type === 'words') {
      const found = fitComponents(column, trainRows)
      return found ? [found] : []
    }
    return [{ column: name, kind: 'category', words: vocabulary(column, trainRows) }]
  })
  return { columns }
}

/** The words of a column that enough training rows hold, in their natural order. */
function vocabulary(column: FrameColumn, rows: RowNumbers): string[] {
  const counts = new Map<string, number>()
  if (column.type === 'words') {
    const { codes, words } = column.values
    const byCode = new Uint32Array(words.length)
    for (const row of rows) if (codes[row]! >= 0) byCode[codes[row]!]!++
    words.forEach((word, code) => {
      if (byCode[code]! > 0) counts.set(word, byCode[code]!)
    })
  } else
    for (const row of rows) {
      const value = column.values[row]!
      if (!Number.isNaN(value)) counts.set(wordOfNumber(value), (counts.get(wordOfNumber(value)) ?? 0) + 1)
    }
  const least = counts.size > fewWords ? rareBelow(rows.length) : 1
  const kept = [...counts].filter(([, n]) => n >= least).map(([word]) => word)
  const collator = new Intl.Collator('en', { numeric: true })
  return kept.sort((a, b) => collator.compare(a, b) || (a < b ? -1 : 1))
}

const columnOf = (frame: Frame, name: string): FrameColumn => {
  const found = frame.columns.find(column => column.name === name)
  if (found) return found
  const names = frame.columns.map(column => column.name)
  throw new DataError(
    `${frame.source} has no column "${name}", which the model takes.${didYouMean(name, names)} Its columns: ${names.slice(0, 30).join(', ')}${names.length > 30 ? ', …' : ''}.`,
  )
}

/** What a table must be read as, so that a model can take it: for `readTable`. */
export function readingOf({ columns }: Encoding): {
  as: Record<string, ColumnKind>
  readings: Record<string, CellReading>
} {
  const as: Record<string, ColumnKind> = {}
  const readings: Record<string, CellReading> = {}
  for (const one of columns) {
    as[one.column] = one.kind
    if (one.kind === 'number') readings[one.column] = { decimal: '.', unit: '', ...one.reading }
    else if (one.kind === 'date' && one.reading) readings[one.column] = one.reading
  }
  return { as, readings }
}

/** Makes features of rows (default: all rows). Columns are found by name, in any order; further columns are not used.
 *  Throws for a column that is missing, with its name. A word that the training rows did not hold gets the code of
 *  unknown words. */
export function encode(frame: Frame, encoding: Encoding, rows?: RowNumbers): Encoded {
  return new Encoder(frame, encoding).of(rows ?? Int32Array.from({ length: frame.rows }, (_, row) => row))
}

/** The same for rows that are many: they are encoded when they are asked for, in blocks or as a whole. */
export const encodeLater = (frame: Frame, encoding: Encoding, rows: RowNumbers): Encoded =>
  new LaterEncoded(new Encoder(frame, encoding), rows)

/** Writes the features of one column for rows, into rows of features; `at`: the place of its first feature in the first
 *  row. */
type ColumnWriter = (into: Float32Array | Int32Array, at: number, rows: RowNumbers) => void

/** Makes features of the rows of one frame. */
class Encoder implements RowsEncoder {
  readonly shared: EncodedNames
  readonly #source: string
  readonly #numbers: { at: number; write: ColumnWriter }[] = []
  readonly #categories: { at: number; write: ColumnWriter }[] = []

  constructor(frame: Frame, encoding: Encoding) {
    const has = new Set(frame.columns.map(({ name }) => name))
    const lacking = encoding.columns.filter(({ column }) => !has.has(column))
    if (lacking.length > 1)
      throw new DataError(
        `${frame.source} lacks ${plural(lacking.length, 'column')} that the model takes: ${lacking.map(({ column }) => `"${column}"`).join(', ')}. Its columns: ${[
          ...has,
        ]
          .slice(0, 30)
          .join(', ')}.`,
      )
    this.#source = frame.source
    const numberNames = encoding.columns.flatMap(namesOf)
    const categoryNames = encoding.columns.flatMap(one => (one.kind === 'category' ? [one.column] : []))
    const cardinalities = encoding.columns.flatMap(one => (one.kind === 'category' ? [one.words.length + 2] : []))
    this.shared = { numberNames, categoryNames, cardinalities }
    let at = 0
    for (const one of encoding.columns) {
      const column = columnOf(frame, one.column)
      if (one.kind === 'category') {
        const write = categoryWriter(column, one.words, categoryNames.length)
        this.#categories.push({ at: this.#categories.length, write })
        continue
      }
      const width = numberNames.length
      if (one.kind === 'text') {
        this.#numbers.push({ at, write: textWriter(frame, column, one, width) })
        at += textNames(one).length
        continue
      }
      const values = valuesOf(frame, column, one)
      this.#numbers.push({
        at,
        write: one.kind === 'number' ? numberWriter(values, width) : dateWriter(values, one, width),
      })
      at += one.kind === 'number' ? 1 : one.parts.length
    }
  }

  of(rows: RowNumbers): Encoded {
    const { numberNames, categoryNames } = this.shared
    const numbers = new Float32Array(rows.length * numberNames.length)
    const categories = new Int32Array(rows.length * categoryNames.length)
    this.write(rows, numbers, categories)
    return { rows: rows.length, ...this.shared, numbers, categories }
  }

  /** Writes block by block, so that the rows of features that are written stay in the cache. */
  write(rows: RowNumbers, numbers: Float32Array, categories: Int32Array): void {
    const [a, b] = [this.shared.numberNames.length, this.shared.categoryNames.length]
    for (let from = 0; from < rows.length; from += rowsAtOnce) {
      const block = rows.subarray(from, from + rowsAtOnce)
      for (const { at, write } of this.#numbers) write(numbers, from * a + at, block)
      for (const { at, write } of this.#categories) write(categories, from * b + at, block)
    }
    for (let i = 0; i < rows.length * a; i++) {
      const value = numbers[i]!
      if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) this.#refuse(rows, i)
    }
  }

  #refuse(rows: RowNumbers, i: number): never {
    const { numberNames } = this.shared
    throw new DataError(
      `${this.#source}, row ${rows[Math.floor(i / numberNames.length)]! + 1}: the number of "${numberNames[i % numberNames.length]}" is too large for a model, which takes numbers up to 3.4e38. Correct it, or leave its column out with ${setting('drop', numberNames[i % numberNames.length]!)}.`,
    )
  }
}

/** The names of the numbers that a column becomes. */
function namesOf(one: ColumnEncoding): string[] {
  if (one.kind === 'number') return [one.column]
  if (one.kind === 'date') return one.parts.map(part => `${one.column} ${part}`)
  return one.kind === 'text' ? textNames(one) : []
}

const rowsAtOnce = 2048

const numberWriter =
  (values: Float64Array, width: number): ColumnWriter =>
  (into, at, rows) => {
    for (let i = 0; i < rows.length; i++, at += width) into[at] = values[rows[i]!]!
  }

function dateWriter(
  values: Float64Array,
  { origin, parts }: Extract<ColumnEncoding, { kind: 'date' }>,
  width: number,
): ColumnWriter {
  const write = datePartsWriter(origin, parts)
  return (into, at, rows) => {
    for (let i = 0; i < rows.length; i++, at += width) write(into as Float32Array, at, values[rows[i]!]!)
  }
}

function textWriter(
  frame: Frame,
  column: FrameColumn,
  one: Extract<ColumnEncoding, { kind: 'text' }>,
  width: number,
): ColumnWriter {
  if (column.type !== 'words' || !column.vectors)
    throw new DataError(
      `${frame.source}: the texts of "${column.name}" were not read by ${one.net.name}, which the model takes them from.`,
    )
  const { digest, name } = column.vectors
  if (digest !== one.net.digest)
    throw new DataError(
      `${frame.source}: the texts of "${column.name}" were read by ${name} (${digest.slice(0, 12)}), and the model was trained with ${one.net.name} (${one.net.digest.slice(0, 12)}). Train again, or take the version of Anneal that it was trained by.`,
    )
  const of = textNumbers(column, one)
  return (into, at, rows) => {
    for (let i = 0; i < rows.length; i++, at += width) into.set(of(rows[i]!), at)
  }
}

function categoryWriter(column: FrameColumn, words: readonly string[], width: number): ColumnWriter {
  const codeOf = codesOf(column, words)
  return (into, at, rows) => {
    for (let i = 0; i < rows.length; i++, at += width) into[at] = codeOf(rows[i]!)
  }
}

/** The code of a row: 0 missing, 1 unknown, then the words. */
function codesOf(column: FrameColumn, words: readonly string[]): (row: number) => number {
  const known = wordCodes(words)
  if (column.type !== 'words')
    return row => (Number.isNaN(column.values[row]) ? 0 : (known.get(wordOfNumber(column.values[row]!)) ?? 1))
  const own = column.values as CodedWords
  const to = Int32Array.from(own.words, word => known.get(word) ?? known.get(canonical(word)) ?? 1)
  return row => (own.codes[row]! < 0 ? 0 : to[own.codes[row]!]!)
}

const anyMissing = missingRule(undefined).inNumbers

/** The numbers or dates of a column. Words are read as the training table's were; a column without a value has none. */
function valuesOf(
  frame: Frame,
  column: FrameColumn,
  { kind, reading }: Extract<ColumnEncoding, { kind: 'number' | 'date' }>,
): Float64Array {
  if (column.type === kind) return column.values
  if (column.type !== 'words')
    throw new DataError(
      `${frame.source}: "${column.name}" holds ${column.type}s; the model takes ${kind}s there. Read it with { as: { ${JSON.stringify(column.name)}: "${kind}" } }.`,
    )
  const { codes, words } = column.values
  const filled = words.filter(word => !anyMissing(word))
  const read =
    kind === 'number'
      ? numberColumn(filled, { name: column.name, decimal: reading?.decimal, unit: reading?.unit ?? '' }).read
      : dateColumn(filled, reading?.dateOrder).read
  const bad = filled.find(word => Number.isNaN(read(word)))
  if (bad !== undefined)
    throw new DataError(
      `${frame.source}, row ${codes.indexOf(words.indexOf(bad)) + 1}: "${bad}" in "${column.name}" is not a ${kind}, which the model takes there. Correct the cell, or leave it empty.`,
    )
  const byCode = Float64Array.from(words, word => (anyMissing(word) ? Number.NaN : read(word)))
  return Float64Array.from(codes, code => (code < 0 ? Number.NaN : byCode[code]!))
}
