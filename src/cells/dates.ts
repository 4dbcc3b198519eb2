import { setting } from '../base/options.ts'

/** The order of day, month and year in a date of numbers. */
export type DateOrder = 'dmy' | 'mdy' | 'ymd'

/** Dates of a column. */
export interface DateColumn {
  /** Seconds since 1970 in UTC, NaN for a word that is no date. */
  read(word: string): number
  /** How many of the words are dates, and how many are not. */
  dates: number
  others: number
  /** A date with two possible readings, if no other date shows which one is right. */
  ask: { word: string; readings: Partial<Record<DateOrder, string>> } | undefined
  order: DateOrder | undefined
  /** Why the numbers are read in this order. */
  reason: string
}

const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const clock =
  '(?:(?:T|,?\\s+)(?<hour>\\d{1,2}):(?<minute>\\d{2})(?::(?<second>\\d{2}(?:[.,]\\d+)?))?\\s*(?<half>[ap]\\.?m\\.?)?\\s*(?<zone>Z|UTC|GMT|[+-]\\d{2}:?(?:\\d{2})?)?)?$'
const first = new RegExp(`^(?<year>\\d{4})(?<sign>[-/.])(?<month>\\d{1,2})\\k<sign>(?<day>\\d{1,2})${clock}`, 'i')
const numeric = new RegExp(`^(?<a>\\d{1,2})(?<sign>[-/.])(?<b>\\d{1,2})\\k<sign>(?<year>\\d{4}|\\d{2})${clock}`, 'i')
const dayName = new RegExp(
  `^(?:[a-z]{3,9},?\\s+)?(?<day>\\d{1,2})(?:st|nd|rd|th)?[\\s./-]+(?<name>[a-z]{3,9})\\.?,?[\\s./-]+(?<year>\\d{4}|\\d{2})${clock}`,
  'i',
)
const nameDay = new RegExp(
  `^(?:[a-z]{3,9},?\\s+)?(?<name>[a-z]{3,9})\\.?\\s+(?<day>\\d{1,2})(?:st|nd|rd|th)?,?\\s+(?<year>\\d{4})${clock}`,
  'i',
)

type Groups = Record<string, string | undefined>

/** Finds how the dates of a column are written: year first, day first, month first, or with the name of the month.
 *  `words`: all of them, each once, without missing words. `order`: of day, month and year, given by the user. */
export function dateColumn(words: Iterable<string>, order?: DateOrder): DateColumn {
  const open: { word: string; a: number; b: number; sign: string }[] = []
  let [dates, others] = [0, 0]
  for (const word of words) {
    const numbers = numeric.exec(word)?.groups
    if (numbers) open.push({ word, a: Number(numbers.a), b: Number(numbers.b), sign: numbers.sign! })
    else if (Number.isNaN(withYear(word))) others++
    else dates++
  }
  const { found, reason } = orderOf(open, order)
  const read = (word: string): number => {
    const groups = numeric.exec(word)?.groups
    if (!groups) return withYear(word)
    const dayFirst = (found ?? 'dmy') === 'dmy'
    return seconds({ ...groups, day: dayFirst ? groups.a : groups.b, month: dayFirst ? groups.b : groups.a })
  }
  for (const { word } of open)
    if (Number.isNaN(read(word))) others++
    else dates++
  const differs = open.find(({ a, b }) => a !== b)
  const ask =
    found === undefined && differs && others === 0
      ? { word: differs.word, readings: { dmy: shownDate(differs.a, differs.b), mdy: shownDate(differs.b, differs.a) } }
      : undefined
  return { read, dates, others, ask, order: open.length > 0 ? found : undefined, reason }
}

const shownDate = (day: number, month: number) => `day ${day} of month ${month}`

/** Which of two numbers is the day: one that is larger than 12 somewhere. Points stand between day, month and year. */
function orderOf(
  open: readonly { word: string; a: number; b: number; sign: string }[],
  given: DateOrder | undefined,
): { found: DateOrder | undefined; reason: string } {
  if (given === 'dmy' || given === 'mdy') return { found: given, reason: setting('dateOrder', given) }
  const dayFirst = open.find(({ a }) => a > 12)
  const monthFirst = open.find(({ b }) => b > 12)
  if (dayFirst && !monthFirst) return { found: 'dmy', reason: `"${dayFirst.word}" has no month ${dayFirst.a}` }
  if (monthFirst && !dayFirst) return { found: 'mdy', reason: `"${monthFirst.word}" has no month ${monthFirst.b}` }
  if (!dayFirst && open.length > 0 && open.every(({ sign }) => sign === '.'))
    return { found: 'dmy', reason: `points stand between the parts of "${open[0]!.word}"` }
  if (dayFirst && monthFirst) return { found: 'dmy', reason: '' }
  return open.every(({ a, b }) => a === b)
    ? { found: 'dmy', reason: 'day and month are equal' }
    : { found: undefined, reason: '' }
}

/** A date whose year, month and day are told apart by their form. */
function withYear(word: string): number {
  const groups: Groups | undefined =
    first.exec(word)?.groups ?? dayName.exec(word)?.groups ?? nameDay.exec(word)?.groups
  if (!groups) return Number.NaN
  if (groups.month !== undefined) return seconds(groups)
  const name = groups.name!.toLowerCase()
  const month = months.findIndex(short => name.startsWith(short) && fullMonth(short).startsWith(name))
  return month < 0 && name !== 'sept' ? Number.NaN : seconds({ ...groups, month: String((month < 0 ? 8 : month) + 1) })
}

const longMonths = 'january february march april may june july august september october november december'.split(' ')
const fullMonth = (short: string) => longMonths[months.indexOf(short)]!

/** Seconds since 1970 in UTC. Years of two digits are 1969 to 2068, as POSIX reads them. NaN for a day that is not in
 *  the calendar. */
function seconds({ year = '', month, day, hour, minute, second = '0', half, zone }: Groups): number {
  const y = year.length === 2 ? Number(year) + (Number(year) < 69 ? 2000 : 1900) : Number(year)
  const [m, d] = [Number(month), Number(day)]
  const date = new Date(0)
  date.setUTCFullYear(y, m - 1, d)
  if (date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d) return Number.NaN
  if (hour === undefined) return date.getTime() / 1000
  const afternoon = /^p/i.test(half ?? '')
  const h = half ? (Number(hour) % 12) + (afternoon ? 12 : 0) : Number(hour)
  const s = Number(second.replace(',', '.'))
  if (h > 23 || Number(minute) > 59 || s >= 61 || (half && (Number(hour) < 1 || Number(hour) > 12))) return Number.NaN
  return date.getTime() / 1000 + 3600 * h + 60 * Number(minute) + s - offset(zone)
}

/** Seconds east of Greenwich. */
function offset(zone: string | undefined): number {
  const found = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '')
  if (!found) return 0
  return (found[1] === '-' ? -1 : 1) * (3600 * Number(found[2]) + 60 * Number(found[3] ?? 0))
}

/** A date that is written as a whole number: 20240131, or a year. Seconds since 1970 in UTC, NaN for other numbers. */
export function dateOfNumber(value: number | string): number {
  const [, year, month = '01', day = '01'] = /^(\d{4})(?:(\d{2})(\d{2}))?$/.exec(String(value)) ?? []
  return year === undefined ? Number.NaN : withYear(`${year}-${month}-${day}`)
}

/** A date as a word of a category: `2024-01-31`, or with its time. date: seconds since 1970. */
export const dateWord = (date: number): string => new Date(date * 1000).toISOString().replace(/(T00:00:00)?\.000Z$/, '')

/** A time of day in seconds, NaN for a word that is none: `7:05`, `18:30:15`. */
export function clockSeconds(word: string): number {
  const [, hours, minutes, seconds = 0] = /^(\d{1,2}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$/.exec(word) ?? []
  return hours === undefined ? Number.NaN : 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds)
}
