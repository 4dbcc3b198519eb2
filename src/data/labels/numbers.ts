import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { samples } from '../../base/samples.ts'
import { cellText } from '../../cells/cell.ts'
import { askDecimal, type Decimal, type NumberColumn, numberColumn } from '../../cells/numbers.ts'
import { isMissing, type MissingWords } from '../tables/missing.ts'
import { type Column, cellNumber } from '../tables/table.ts'
import type { Choice } from '../types.ts'
import type { AnswerSource, Read } from './types.ts'

/** How to read the numbers of a table. */
export interface NumberOptions {
  missing: MissingWords
  decimal?: Decimal | undefined
}

/** How the numbers of a column are written, from its training and validation rows. */
function numbersOf(column: Column, { rows, test }: AnswerSource, { missing, decimal }: NumberOptions): NumberColumn {
  const texts = new Set<string>()
  for (let i = 0; i < rows.length; i++) {
    const cell = column.cells[rows[i]!]
    if (typeof cell !== 'number' && !test(rows[i]!) && !isMissing(cell, missing)) texts.add(cellText(cell))
  }
  return numberColumn(texts, { name: column.name, decimal })
}

/** The first row with this text. */
const rowOf = ({ rows }: AnswerSource, column: Column, text: string): number =>
  Array.from(rows).find(row => cellText(column.cells[row]) === text)!

/** The setting that leaves out rows with a word, in addition to the present missing words. Empty if the word has a
 *  comma, because a list can't contain it. */
function orLeaveOut(text: string, column: Column, { rows }: AnswerSource, missing: MissingWords): string {
  if (text.includes(',')) return ''
  const words = new Set<string>()
  for (let i = 0; i < rows.length; i++) {
    const cell = column.cells[rows[i]!]
    if (isMissing(cell, missing) && cellText(cell) !== '') words.add(cellText(cell))
  }
  return `, or leave such rows out (${setting('missing', [...words, text])})`
}

/** Whether the name of a column means classes: `label`, `class_id`, `trueLabel`, but not `stage` or `voltage`. */
const namesClasses = (name: string): boolean =>
  name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .some(word =>
      /^((class|label|categor|species|breed|diagnos|klasse|classe|clase|etiquet|kategori).*|.*(label|class)|tags?|targets?|y|gt|truth)$/.test(
        word,
      ),
    )

/** What the numbers in a column mean. */
export interface NumberReading {
  /** Why they are amounts, for a regression. Undefined if they are classes or not numbers. */
  amounts?: string | undefined
  /** Every cell is a number. If `amounts` is undefined, the numbers are names of classes. */
  classes?: boolean
  /** They have decimal commas or blanks between thousands, at which labels must not be cut. */
  signs?: boolean
}

/** Whether a column holds amounts rather than names of classes. Amounts are fractions with more than 20 values, more
 *  than 5 numbers that hardly repeat, or more than 20 whole numbers. Whole numbers in a column called label or class
 *  are classes. Throws if both readings fit, and if a few cells among amounts are not numbers. */
export function readingOfNumbers(source: AnswerSource, options: NumberOptions): NumberReading {
  const column = source.columns[0]!
  const { rows, test, where } = source
  if (Array.from(rows).some(row => Array.isArray(column.cells[row]))) return {}
  const numbers = numbersOf(column, source, options)
  const [seen, typed] = [new Set<number>(), new Set<number>()]
  let [count, fractions, odd] = [0, 0, undefined as number | undefined]
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    const cell = column.cells[row]
    if (test(row) || isMissing(cell, options.missing)) continue
    if (typeof cell === 'number') typed.add(cell)
    const { ask } = numbers
    const value = ask && ask.text === cell ? ask.values[','] : numbers.read(cell)
    if (Number.isFinite(value)) {
      seen.add(value)
      count++
      if (!Number.isInteger(value)) fractions++
    } else odd ??= row
  }
  const alike = numbers.numbers + typed.size
  const share = alike / (alike + numbers.others)
  if (alike === 0 || share < 0.8) return {}
  if (numbers.ask) throw askDecimal(where(rowOf(source, column, numbers.ask.text), column), column.name, numbers.ask)
  const amounts = whyAmounts(seen, { count, fractions, column, where: () => where(rows[0]!, column) })
  if (amounts !== undefined && odd !== undefined) {
    const cell = column.cells[odd]
    throw new DataError(
      `${where(odd, column)}: "${cellText(cell)}" is not a number, but ${plural(count, 'other row')} of "${column.name}" ${count === 1 ? 'holds one' : 'hold one'} (${amounts}). ${numbers.why(cell)}${orLeaveOut(cellText(cell), column, source, options.missing)}; ${setting('task', 'single')} takes every cell as a class.`,
    )
  }
  const signs = odd === undefined && [...cellsOf(column, source)].some(text => /\d[,' _\u00a0\u202f]\d/.test(text))
  return { amounts, classes: odd === undefined, signs }
}

const cellsOf = (column: Column, { rows, test }: AnswerSource): Set<string> =>
  new Set(Array.from(rows).flatMap(row => (test(row) ? [] : [cellText(column.cells[row])])))

function whyAmounts(
  seen: ReadonlySet<number>,
  { count, fractions, column, where }: { count: number; fractions: number; column: Column; where(): string },
): string | undefined {
  const repeats = count / seen.size
  const many = `${plural(seen.size, 'different number')} in ${plural(count, 'row')} of "${column.name}"`
  const otherwise = `; ${setting('task', 'single')} takes each number as a class`
  if (seen.size > 20 && fractions > 0) return `${many}, with fractions${otherwise}`
  if (fractions > 0) return seen.size > 5 && repeats < 2 ? `${many}, which hardly repeat${otherwise}` : undefined
  if (!namesClasses(column.name)) {
    if (seen.size > 5 && repeats < 2) return `${many}, which hardly repeat${otherwise}`
    return seen.size > 20 ? `${many}${otherwise}` : undefined
  }
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of seen) [least, greatest] = [Math.min(least, value), Math.max(greatest, value)]
  // Class numbers go from 0 or 1 on, with few gaps.
  const numbered = (least === 0 || least === 1) && greatest - least < 1.5 * seen.size
  const rare = numbered ? seen.size > 20 && repeats < 1.2 : seen.size > 5 && repeats < 1.5
  if (!rare) return undefined
  throw new DataError(
    `${where()}: ${many}, whole numbers from ${least} to ${greatest}, may be classes or amounts: the name of the column means classes, but the numbers hardly repeat. ${setting('task', 'single')} takes each number as a class, ${setting('task', 'regression')} predicts them as numbers.`,
  )
}

/** Reads rows of numbers. A row without numbers has no answer. */
export function readNumbers(source: AnswerSource, options: NumberOptions): { read: Read; choices: Choice[] } {
  const { columns, rows, where } = source
  const { missing } = options
  const readers = columns.map(column => numbersOf(column, source, options))
  for (const [i, { ask }] of readers.entries())
    if (ask) throw askDecimal(where(rowOf(source, columns[i]!, ask.text), columns[i]), columns[i]!.name, ask)
  const words = new Map<number, string>()
  const values = Array.from(rows, (row, at) => {
    const cells = columns.map(column => column.cells[row])
    if (columns.length === 1 && Array.isArray(cells[0]))
      return cells[0].map(value => checked(cellNumber(value), row, 0))
    if (cells.every(cell => isMissing(cell, missing))) {
      words.set(at, cellText(cells[0]))
      return undefined
    }
    return cells.map((cell, i) => checked(isMissing(cell, missing) ? Number.NaN : readers[i]!.read(cell), row, i))
  })
  function checked(value: number, row: number, i: number): number {
    if (Number.isFinite(value)) return value
    const column = columns[i]!
    const cell = column.cells[row]
    const text = cellText(cell)
    const empty = isMissing(cell, missing)
    const what = text === '' ? 'it is empty' : empty ? `"${text}" is a missing value` : `"${text}" is not a number`
    const instead = empty
      ? `Fill in all targets of a ${samples.one}, or leave all of them empty.`
      : `${readers[i]!.why(cell)}${orLeaveOut(text, column, source, missing)}.`
    throw new DataError(`${where(row, column)}: ${what}; expected a number, such as 1.5. ${instead}`)
  }
  const width = values.find(Boolean)?.length ?? columns.length
  values.forEach((value, i) => {
    if (value && value.length !== width)
      throw new DataError(
        `${where(rows[i]!)}: ${plural(value.length, 'number')}, but ${plural(width, 'number')} in the rows before; expected the same number in each row.`,
      )
  })
  const name = columns[0]!.name
  const targets =
    columns.length === width ? columns.map(c => c.name) : Array.from({ length: width }, (_, i) => `${name} ${i + 1}`)
  const read: Read = { task: 'regression', labels: values.map(() => []), values, targets, missing: words }
  return { read, choices: readers.flatMap(reader => reader.choices) }
}
