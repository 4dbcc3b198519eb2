import { clockSeconds, dateColumn, dateOfNumber, dateWord } from '../../cells/dates.ts'
import { type MissingRule, missingRule } from '../../cells/missing.ts'
import { numberColumn } from '../../cells/numbers.ts'
import { tidy } from '../../cells/tidy.ts'
import { canonical, wordCodes, wordOfNumber } from '../../cells/words.ts'
import type { TableCardInput } from '../../onnx/table-card.ts'
import { RunError } from '../errors.ts'
import { kindOf } from '../pixels.ts'

/** A value as the model takes it: a number, NaN where missing (a date: whole seconds since 1970); a word or a text, empty where missing. */
export type ReadCell = number | string

/** Reads the values of one column, as training read them. */
export interface CellReader {
  /** Throws a RunError whose message is the reason alone. */
  read(value: unknown): ReadCell
  /** Whether training had a word; true for numbers, dates and texts. */
  knows(cell: ReadCell): boolean
}

/** The reader of a column. `missing`: the words for a missing value that the run was given. */
export function cellReader(input: TableCardInput, missing: readonly string[] | undefined): CellReader {
  const rule = missingRule(missing)
  if (input.kind === 'category' || input.kind === 'text') return wordReader(input, rule)
  const read = input.kind === 'number' ? numberOf(input, rule) : dateOf(input, rule)
  return { read, knows: () => true }
}

const refuse = (reason: string) => new RunError('row', reason)

/** A value in a message. */
const shown = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value !== 'object' || value === null) return String(value)
  return kindOf(value) === 'Date' ? 'a Date' : Array.isArray(value) ? 'a list' : 'an object'
}

/** The largest number of 32 bits, which is what the graph takes. */
const largest = 3.4028234663852886e38

/** A number of the graph. Throws for one that is infinite there. */
function fitting(own: number, value: unknown): number {
  if (Math.abs(own) > largest && Number.isFinite(own))
    throw refuse(`${shown(value)} is beyond the numbers that the model takes, which go up to 3.4e38`)
  return own
}

const isDate = (value: unknown): value is Date => kindOf(value) === 'Date'

/** Seconds of a `Date`. An invalid one is a fault of the program, not a missing value. */
function secondsOf(date: Date): number {
  const seconds = date.getTime() / 1000
  if (Number.isNaN(seconds)) throw refuse('an invalid Date; give null where the value is missing')
  return seconds
}

function numberOf({ reading }: TableCardInput, rule: MissingRule): CellReader['read'] {
  const how = { name: '', decimal: reading?.decimal ?? '.', unit: reading?.unit ?? '' } as const
  return value => {
    if (value === null) return Number.NaN
    if (typeof value === 'number' || typeof value === 'bigint') {
      const own = Number(value)
      return Number.isFinite(own) && !rule.numbers.has(own) ? fitting(own, value) : Number.NaN
    }
    if (typeof value !== 'string')
      throw refuse(`${shown(value)} is not a number; give a number, or null where it is missing`)
    const text = tidy(value)
    if (text === '' || rule.inNumbers(text)) return Number.NaN
    const seconds = reading?.clock ? clockSeconds(text) : Number.NaN
    if (Number.isFinite(seconds)) return seconds
    const numbers = numberColumn([text], how)
    const own = numbers.read(text)
    if (Number.isFinite(own)) return fitting(own, value)
    const other = numberColumn([text], { name: '', decimal: how.decimal })
    if (Number.isFinite(other.read(text)))
      throw refuse(
        `${shown(value)} is in ${JSON.stringify(other.unit)}, and training had ${how.unit ? `numbers in ${JSON.stringify(how.unit)}` : 'plain numbers'}; give the number in that unit`,
      )
    const comma = how.decimal === ',' ? ', with a comma before the fraction as in training' : ''
    throw refuse(`${shown(value)} is not a number; give a number${comma}, or null where it is missing`)
  }
}

function dateOf({ reading }: TableCardInput, rule: MissingRule): CellReader['read'] {
  const order = reading?.dateOrder
  const expected = 'give a text such as "2024-07-01" or "2024-07-01T18:30:00Z", or null where it is missing'
  return value => {
    if (value === null || (typeof value === 'number' && Number.isNaN(value))) return Number.NaN
    if (isDate(value)) return Math.floor(secondsOf(value))
    if (!['string', 'number', 'bigint'].includes(typeof value))
      throw refuse(`${shown(value)} is not a date; ${expected}`)
    const text = tidy(String(value))
    if (text === '' || rule.inNumbers(text)) return Number.NaN
    const dates = dateColumn([text], order)
    if (dates.ask) {
      const { dmy, mdy } = dates.ask.readings
      throw refuse(
        `${shown(text)} may be ${dmy} or ${mdy}, and training had no such dates; write the year first: 2024-07-01`,
      )
    }
    const whole = /^\d+$/.test(text)
    const seconds = whole ? dateOfNumber(text) : dates.read(text)
    if (Number.isFinite(seconds)) return Math.floor(seconds)
    const more = whole ? ' (of numbers, years and dates such as 20240701 are read; seconds since 1970 are not)' : ''
    throw refuse(`${shown(value)} is not a date${more}; ${expected}`)
  }
}

function wordReader({ kind, vocabulary }: TableCardInput, rule: MissingRule): CellReader {
  const noun = kind === 'text' ? 'text' : 'word'
  const words = vocabulary ?? []
  const known = wordCodes(words)
  const wordOf = (value: unknown): string => {
    if (value === null) return ''
    if (typeof value === 'string') return tidy(value)
    if (typeof value === 'number') return Number.isFinite(value) ? wordOfNumber(value) : ''
    if (typeof value === 'bigint') return String(value)
    if (isDate(value)) return dateWord(secondsOf(value))
    if (typeof value !== 'boolean')
      throw refuse(`${shown(value)} is not a ${noun}; give a text or a number, or null where it is missing`)
    const text = String(value)
    if (vocabulary && !known.has(text))
      throw refuse(`${text} is none of its words; give one of ${listed(words)}, or null where it is missing`)
    return text
  }
  return {
    read(value) {
      const text = wordOf(value)
      if (text === '' || known.has(text)) return text
      if (rule.inWords(text, words)) return ''
      return known.has(canonical(text)) ? canonical(text) : text
    },
    knows: cell => vocabulary === undefined || cell === '' || known.has(cell as string),
  }
}

const listed = (words: readonly string[]): string =>
  `${words.slice(0, 6).map(shown).join(', ')}${words.length > 6 ? ', …' : ''}`
