import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { clockSeconds, dateColumn, dateOfNumber, dateWord } from '../../cells/dates.ts'
import type { MissingRule } from '../../cells/missing.ts'
import { type Decimal, numberColumn } from '../../cells/numbers.ts'
import { tidy } from '../../cells/tidy.ts'
import type { Choice } from '../../data/types.ts'
import type { RawColumn } from '../read/raw.ts'
import type { CellReading, ColumnKind, FrameColumn } from '../types.ts'
import { asSetting } from './as-setting.ts'

/** What the user or a trained model says about a column. */
export interface Reading extends Partial<CellReading> {
  kind?: ColumnKind | undefined
}

/** A column with its values read, and how. `missing`: words that were taken as missing values, with their rows. */
export interface Settled {
  column: FrameColumn
  choices: Choice[]
  missing: ReadonlyMap<string, number>
  /** Words that may mean a missing value and were taken as values. */
  kept: ReadonlyMap<string, number>
  /** The sign before the fraction of a number, if numbers show it. */
  certain?: Decimal
}

/** Two readings of a column fit. What other columns of the table show may decide. */
class TwoReadings extends DataError {
  readonly about: keyof CellReading
  constructor(about: keyof CellReading, message: string) {
    super(message)
    this.about = about
  }
}

/** Reads the columns of a table. Where two readings of one fit, the sign before fractions and the order of dates are
 *  those of the other columns, if these show one and agree. */
export function settleAll(
  raw: readonly RawColumn[],
  { readingOf, ...how }: { readingOf(name: string): Reading; missing: MissingRule; where(row: number): string },
): Settled[] {
  const open: { at: number; error: TwoReadings }[] = []
  const settled = raw.map((one, at) => {
    try {
      return settle(one, { ...how, reading: readingOf(one.name) })
    } catch (error) {
      if (!(error instanceof TwoReadings)) throw error
      open.push({ at, error })
      return undefined
    }
  })
  const known = settled.filter(one => one !== undefined)
  for (const { at, error } of open) {
    const shown = known.flatMap(one => shows(one, error.about))
    const values = new Set(shown.map(([, value]) => value))
    const words = raw[at] as Extract<RawColumn, { type: 'words' }>
    const dollars = error.about === 'decimal' && words.words.every(word => /[$£]|USD|GBP|^\D*$/.test(word))
    const value = values.size === 1 ? shown[0]![1] : values.size === 0 && dollars ? '.' : undefined
    if (value === undefined) throw error
    const one = settle(words, { ...how, reading: { ...readingOf(words.name), [error.about]: value } })
    const reason =
      values.size === 1 ? `"${shown[0]![0]}" shows it` : 'amounts in dollars and pounds have a comma between thousands'
    settled[at] = {
      ...one,
      choices: [
        ...one.choices.filter(({ what }) => what !== 'dates'),
        {
          what: error.about === 'decimal' ? 'sign before fractions' : 'order of dates',
          value: `${words.name}: ${value}`,
          reason: `${reason}; ${setting(error.about, otherOf[value]!)} reads it the other way`,
        },
      ],
    }
  }
  return settled as Settled[]
}

const otherOf: Record<string, string> = { '.': ',', ',': '.', dmy: 'mdy', mdy: 'dmy' }

/** What a column shows about the way numbers or dates are written in its table. */
function shows({ column, certain }: Settled, about: keyof CellReading): [string, string][] {
  if (about === 'dateOrder') return column.reading?.dateOrder ? [[column.name, column.reading.dateOrder]] : []
  return column.type === 'number' && certain ? [[column.name, certain]] : []
}

interface Words {
  name: string
  codes: Int32Array
  words: string[]
  counts: Float64Array
}

/** From this share of the rows on, a column with other words among its numbers or dates is asked about. */
const nearlyAll = 0.9
const enough = 20

/** Reads the words of a column: missing values, numbers with units and decimal commas, dates of any order. Throws where
 *  two readings fit, and for words among numbers. `where`: the place of a row. */
export function settle(
  raw: RawColumn,
  { reading = {}, missing, where }: { reading?: Reading; missing: MissingRule; where(row: number): string },
): Settled {
  if (raw.type !== 'words') return asAsked(plain(raw, missing), reading.kind, where)
  const words = joined(raw)
  const rest = (is: (word: string) => boolean) =>
    words.words.filter((word, code) => words.counts[code]! > 0 && !is(word))
  const { kind } = reading
  const found = rest(missing.inNumbers)
  const other = kind !== undefined && kind !== 'number' && kind !== 'date' && kind !== 'constant'
  if (found.length > 0 && !other) {
    const times = reading.clock ? asClock(words, found, missing) : undefined // as the column of training was
    if (times) return times
    const read = kind === 'date' ? undefined : asNumbers(words, found, { reading, where, missing })
    const done =
      read ??
      (kind === 'number'
        ? undefined
        : (asDates(words, found, { reading, where, missing }) ?? asClock(words, found, missing)))
    if (done) return done
  }
  return asWords(words, missing)
}

/** A column of numbers or dates, as the kind that the user asks for: dates as words, numbers such as 20240131 as dates. */
function asAsked(settled: Settled, kind: ColumnKind | undefined, where: (row: number) => string): Settled {
  const { column } = settled
  if (column.type === 'date' && (kind === 'category' || kind === 'boolean' || kind === 'text' || kind === 'id'))
    return { ...settled, column: dateWords(column.name, column.values) }
  if (column.type === 'number' && kind === 'date')
    return { ...settled, column: numberDates(column.name, column.values, where) }
  if (column.type === 'date' && kind === 'number')
    throw new DataError(
      `"${column.name}" holds dates, and ${asSetting(column.name, 'number')} asks for numbers. Leave it as a date: a model gets its elapsed days, or make a number of it with SQL.`,
    )
  return settled
}

function dateWords(name: string, dates: Float64Array): FrameColumn {
  const seen = new Map<number, number>()
  const codes = Int32Array.from(dates, date => {
    if (Number.isNaN(date)) return -1
    const code = seen.get(date) ?? seen.size
    seen.set(date, code)
    return code
  })
  const words = Array.from(seen.keys(), dateWord)
  return { name, type: 'words', values: { codes, words } }
}

/** Dates of whole numbers: 20240131, or years. */
function numberDates(name: string, values: Float64Array, where: (row: number) => string): FrameColumn {
  const dates = values.map((value, row) => {
    if (Number.isNaN(value)) return value
    const date = dateOfNumber(value)
    if (Number.isNaN(date))
      throw new DataError(
        `${where(row)}: ${value} in "${name}" is not a date, and ${asSetting(name, 'date')} reads "${name}" as dates. Expected numbers such as 20240131 or 2024, or texts.`,
      )
    return date
  })
  return { name, type: 'date', values: dates }
}

/** A column that the reader has read already. Infinite numbers become missing values. */
function plain(raw: Exclude<RawColumn, { type: 'words' }>, rule: MissingRule): Settled {
  const { name, type, values } = raw
  const missing = new Map(raw.missing)
  if (rule.numbers.size > 0 && type === 'number')
    for (let i = 0; i < values.length; i++)
      if (rule.numbers.has(values[i]!)) {
        missing.set(String(values[i]), (missing.get(String(values[i])) ?? 0) + 1)
        values[i] = Number.NaN
      }
  let infinite = 0
  for (let i = 0; i < values.length; i++)
    if (values[i] === Number.POSITIVE_INFINITY || values[i] === Number.NEGATIVE_INFINITY) {
      values[i] = Number.NaN
      infinite++
    }
  const choices: Choice[] =
    infinite > 0
      ? [
          {
            what: 'missing values',
            value: `${plural(infinite, 'row')} of ${name}`,
            reason: 'the number is infinite there; models take finite numbers',
          },
        ]
      : []
  const fraction = type === 'number' && values.some(value => value % 1 !== 0 && !Number.isNaN(value))
  return {
    column: { name, type, values },
    choices,
    missing,
    kept: new Map(),
    ...(fraction && raw.plain ? { certain: '.' as const } : {}),
  }
}

/** Words that read the same become one. Empty ones are missing. */
function joined({ name, codes, words }: Extract<RawColumn, { type: 'words' }>): Words {
  const numbers = new Map<string, number>()
  const to = Int32Array.from(words, word => {
    const text = tidy(word)
    if (text === '') return -1
    const known = numbers.get(text) ?? numbers.size
    numbers.set(text, known)
    return known
  })
  const counts = new Float64Array(numbers.size)
  const same = numbers.size === words.length && words.every((word, i) => to[i] === i && tidy(word) === word)
  const own = same ? codes : codes.map(code => (code < 0 ? -1 : to[code]!))
  for (let i = 0; i < own.length; i++) if (own[i]! >= 0) counts[own[i]!]!++
  return { name, codes: own, words: same ? words : [...numbers.keys()], counts }
}

interface How {
  reading: Reading
  missing: MissingRule
  where(row: number): string
}

function asNumbers(words: Words, found: readonly string[], { reading, missing, where }: How): Settled | undefined {
  const { name } = words
  if (reading.kind !== 'number' && found.some(word => /^[+-]?(0\d|\d{16,}$)/.test(word))) return undefined
  const numbers = numberColumn(found, { name, decimal: reading.decimal, unit: reading.unit })
  if (numbers.numbers === 0 && reading.kind !== 'number') return undefined
  const bad = found.filter(word => !Number.isFinite(numbers.read(word)))
  const { ask } = numbers
  if (ask && numbers.others === 0)
    throw new TwoReadings(
      'decimal',
      `${at(words, ask.text, where)}: "${ask.text}" may be ${ask.values[',']} (a decimal comma) or ${ask.values['.']} (a comma between thousands), and no other number of "${name}" shows which. ${setting('decimal', ',')} reads it as ${ask.values[',']}, ${setting('decimal', '.')} as ${ask.values['.']}.`,
    )
  if (bad.length > 0) {
    if (reading.kind !== 'number' && !mostly(words, found, bad)) return undefined
    throw refused(words, bad, { kind: 'number', why: numbers.why(bad[0]), where, asked: reading.kind === 'number' })
  }
  const { values, missed } = valuesOf(words, word => (missing.inNumbers(word) ? undefined : numbers.read(word)))
  const unit = numbers.unit === '' ? {} : { unit: numbers.unit }
  const read = numbers.decimal === 'ask' ? {} : { reading: { decimal: numbers.decimal, ...unit } }
  return {
    column: { name, type: 'number', values, ...read },
    choices: numbers.choices,
    missing: missed,
    kept: new Map(),
  }
}

function asDates(words: Words, found: readonly string[], { reading, missing, where }: How): Settled | undefined {
  const { name } = words
  const dates = dateColumn(found, reading.dateOrder)
  if (dates.dates === 0 && reading.kind !== 'date') return undefined
  if (dates.ask) {
    const { word, readings } = dates.ask
    throw new TwoReadings(
      'dateOrder',
      `${at(words, word, where)}: "${word}" may be ${readings.dmy} or ${readings.mdy}, and no other date of "${name}" shows which. ${setting('dateOrder', 'dmy')} reads it as ${readings.dmy}, ${setting('dateOrder', 'mdy')} as ${readings.mdy}.`,
    )
  }
  const bad = found.filter(word => Number.isNaN(dates.read(word)))
  if (bad.length > 0) {
    if (reading.kind !== 'date' && !mostly(words, found, bad)) return undefined
    throw refused(words, bad, { kind: 'date', why: 'Correct the cell', where, asked: reading.kind === 'date' })
  }
  const { values, missed } = valuesOf(words, word => (missing.inNumbers(word) ? undefined : dates.read(word)))
  const otherwise = dates.order === 'dmy' ? 'mdy' : 'dmy'
  const shown = { dmy: 'day, month, year', mdy: 'month, day, year', ymd: 'year, month, day' }
  const choices: Choice[] = dates.order
    ? [
        {
          what: 'dates',
          value: `${name}: ${shown[dates.order]}`,
          reason: `${dates.reason}; ${setting('dateOrder', otherwise)} reads them as ${shown[otherwise]}`,
        },
      ]
    : []
  const read = dates.order ? { reading: { dateOrder: dates.order } } : {}
  return { column: { name, type: 'date', values, ...read }, choices, missing: missed, kept: new Map() }
}

/** Times of day become seconds, if all words are such. */
function asClock(words: Words, found: readonly string[], missing: MissingRule): Settled | undefined {
  if (found.some(word => Number.isNaN(clockSeconds(word)))) return undefined
  const { name } = words
  const { values, missed } = valuesOf(words, word => (missing.inNumbers(word) ? undefined : clockSeconds(word)))
  const reason = `"${found[0]}" is ${clockSeconds(found[0]!)} seconds; ${asSetting(name, 'category')} takes the times as words`
  return {
    column: { name, type: 'number', values, reading: { clock: true } },
    choices: [{ what: 'times', value: `${name}: in seconds`, reason }],
    missing: missed,
    kept: new Map(),
  }
}

/** Whether nearly all rows and enough different words are of one kind, so that the others may be slips. */
function mostly({ words, counts }: Words, found: readonly string[], bad: readonly string[]): boolean {
  const wrong = new Set(bad)
  const fits = new Set(found.filter(word => !wrong.has(word)))
  let [good, all] = [0, 0]
  words.forEach((word, code) => {
    if (fits.has(word)) good += counts[code]!
    if (fits.has(word) || wrong.has(word)) all += counts[code]!
  })
  return fits.size >= enough && good >= nearlyAll * all
}

function refused(
  words: Words,
  bad: readonly string[],
  { kind, why, where, asked }: { kind: 'number' | 'date'; why: string; where(row: number): string; asked: boolean },
): DataError {
  const { name } = words
  const word = bad[0]!
  const rows = bad.reduce((sum, one) => sum + words.counts[words.words.indexOf(one)]!, 0)
  const more =
    bad.length > 1
      ? ` (${plural(rows, 'row')} of the column hold ${plural(bad.length, 'such word')}: ${bad
          .slice(0, 4)
          .map(one => `"${one}"`)
          .join(', ')}${bad.length > 4 ? ', …' : ''})`
      : ''
  const is = asked
    ? `${asSetting(name, kind)} reads "${name}" as ${kind}s`
    : `nearly all values of "${name}" are ${kind}s`
  const otherwise = asked ? '' : `, ${asSetting(name, 'category')} takes all values of the column as words`
  return new DataError(
    `${at(words, word, where)}: "${word}" is not a ${kind}, and ${is}${more}. ${why}. Or ${setting('missing', bad.slice(0, 4))} takes ${bad.length > 1 ? 'these words' : 'it'} as a missing value${otherwise}.`,
  )
}

/** The place of the first row that holds a word. */
function at({ words, codes }: Words, word: string, where: (row: number) => string): string {
  return where(codes.indexOf(words.indexOf(word)))
}

/** The value of each row, NaN where `read` gives none. */
function valuesOf(
  { words, codes, counts }: Words,
  read: (word: string) => number | undefined,
): { values: Float64Array; missed: Map<string, number> } {
  const missed = new Map<string, number>()
  const byCode = Float64Array.from(words, (word, code) => {
    const value = counts[code] === 0 ? undefined : read(word)
    if (value === undefined && counts[code]! > 0) missed.set(word, counts[code]!)
    return value ?? Number.NaN
  })
  return { values: Float64Array.from(codes, code => (code < 0 ? Number.NaN : byCode[code]!)), missed }
}

/** A column of words. Words that no row holds are left out. */
function asWords({ name, codes, words, counts }: Words, missing: MissingRule): Settled {
  const missed = new Map<string, number>()
  const kept = new Map<string, number>()
  const own: string[] = []
  const to = Int32Array.from(words, (word, code) => {
    if (counts[code] === 0) return -1
    if (missing.inWords(word, words)) {
      missed.set(word, counts[code]!)
      return -1
    }
    if (missing.unsure(word)) kept.set(word, counts[code]!)
    return own.push(word) - 1
  })
  const same = own.length === words.length
  const column: FrameColumn = {
    name,
    type: 'words',
    values: { codes: same ? codes : codes.map(code => (code < 0 ? -1 : to[code]!)), words: own },
  }
  return { column, choices: [], missing: missed, kept }
}

/** What all columns of a table took as missing values, one line for each word. */
export function missingLines(settled: readonly Settled[]): Choice[] {
  const lines = (of: (one: Settled) => ReadonlyMap<string, number>) => {
    const byWord = new Map<string, string[]>()
    for (const one of settled)
      for (const [word, rows] of of(one))
        byWord.set(word, [...(byWord.get(word) ?? []), `${one.column.name} (${plural(rows, 'row')})`])
    return [...byWord]
  }
  const listed = (columns: readonly string[]) =>
    `${columns.slice(0, 5).join(', ')}${columns.length > 5 ? ` and ${columns.length - 5} more` : ''}`
  const missing = lines(one => one.missing).map(
    ([word, columns]): Choice => ({
      what: 'missing values',
      value: `"${word}" in ${listed(columns)}`,
      reason: `programs write this word for a missing value; ${setting('missing', [])} takes every word as a value`,
    }),
  )
  const kept = lines(one => one.kept).map(
    ([word, columns]): Choice => ({
      what: 'a value, not missing',
      value: `"${word}" in ${listed(columns)}`,
      reason: `the other values are words, so it is one of them; ${setting('missing', [word])} takes it as a missing value`,
    }),
  )
  return [...missing, ...kept]
}
