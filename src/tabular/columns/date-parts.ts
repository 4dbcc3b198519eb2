/** A feature of a date: its name, and its value for seconds since 1970 in UTC. */
interface Part {
  name: string
  of(date: Date, days: number): number
}

const turn = (value: number, length: number) => (2 * Math.PI * value) / length
const daySeconds = 86_400

const lastDay = (date: Date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
const dayOfYear = (date: Date) =>
  (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
  86_400_000
/** Monday is 0. */
const weekday = (date: Date) => (date.getUTCDay() + 6) % 7
const hours = (date: Date) => date.getUTCHours() + date.getUTCMinutes() / 60 + date.getUTCSeconds() / 3600

/** The sine and cosine of a place in a cycle, so that its end is near its begin. */
const cycle = (name: string, place: (date: Date) => number): Part[] => [
  { name: `${name} sin`, of: date => Math.sin(place(date)) },
  { name: `${name} cos`, of: date => Math.cos(place(date)) },
]
const flag = (name: string, is: (date: Date) => boolean): Part => ({ name, of: date => Number(is(date)) })

/** The parts that a span of dates is worth: those of a day, a week, a month and a year. */
interface Spans {
  day: readonly Part[]
  week: readonly Part[]
  month: readonly Part[]
  year: readonly Part[]
}
const theYear: Part = { name: 'year', of: date => date.getUTCFullYear() }
const monthEnd = flag('month end', date => date.getUTCDate() === lastDay(date))

const cycles: Spans = {
  day: cycle('hour', date => turn(hours(date), 24)),
  week: cycle('weekday', date => turn(weekday(date), 7)),
  month: [
    ...cycle('day', date => turn(date.getUTCDate() - 1, lastDay(date))),
    flag('month start', date => date.getUTCDate() === 1),
    monthEnd,
  ],
  year: [
    theYear,
    ...cycle('month', date => turn(date.getUTCMonth(), 12)),
    ...cycle('day of year', date => turn(dayOfYear(date), 365.25)),
    flag('quarter start', date => date.getUTCDate() === 1 && date.getUTCMonth() % 3 === 0),
    flag('quarter end', date => date.getUTCDate() === lastDay(date) && date.getUTCMonth() % 3 === 2),
    flag('year start', date => date.getUTCDate() === 1 && date.getUTCMonth() === 0),
    flag('year end', date => date.getUTCDate() === 31 && date.getUTCMonth() === 11),
  ],
}

/** A tree finds the other flags by splits of these: the first day of a month has the day 1. */
const places: Spans = {
  day: [{ name: 'hour', of: hours }],
  week: [{ name: 'weekday', of: weekday }],
  month: [{ name: 'day', of: date => date.getUTCDate() }, monthEnd],
  year: [
    theYear,
    { name: 'month', of: date => date.getUTCMonth() + 1 },
    { name: 'day of year', of: date => dayOfYear(date) + 1 },
  ],
}

/** How a date's place in a cycle becomes numbers. `cycles`: as sine and cosine, so that a net sees that Sunday is near
 *  Monday. `places`: as one number, such as the hour or the weekday, with Monday as 0; trees split it anywhere, and half
 *  as many features take them less time. */
export type DateForm = keyof typeof forms
const forms = { cycles, places }

/** Days since the origin: float32 would be off by seconds for seconds since 1970. */
const elapsed: Part = { name: 'elapsed days', of: (_, days) => days }

const ofSpans = ({ day, week, month, year }: Spans): Part[] => [...day, ...week, ...month, ...year]
const all: ReadonlyMap<string, Part> = new Map(
  [elapsed, ...ofSpans(cycles), ...ofSpans(places)].map(part => [part.name, part]),
)

/** The parts that are worth a feature (fastai's `add_datepart` and `add_cyclic_datepart`): the elapsed days, and those of
 *  a cycle that the dates span more than once. The hour needs times of day. */
export function partsOf(dates: Iterable<number>, form: DateForm = 'cycles'): { origin: number; parts: string[] } {
  const own = Float64Array.from(dates)
    .filter(date => !Number.isNaN(date))
    .sort()
  if (own.length === 0) return { origin: 0, parts: [elapsed.name] }
  const days = (own[own.length - 1]! - own[0]!) / daySeconds
  const timed = own.some(date => date % daySeconds !== 0)
  const { day, week, month, year } = forms[form]
  const parts = [
    elapsed,
    ...(timed && days > 1 ? day : []),
    ...(days > 7 ? week : []),
    ...(days > 31 ? month : []),
    ...(days > 366 ? year : []),
  ]
  return { origin: own[own.length >> 1]!, parts: parts.map(({ name }) => name) }
}

/** Parts that depend on the time of day; the others but the elapsed days depend on the day alone. */
const ofTime: ReadonlySet<string> = new Set([...cycles.day, ...places.day].map(({ name }) => name))

/** Makes a function that writes the values of the parts of dates, NaN for a missing one: into an array, from a place on,
 *  for seconds since 1970. */
export function datePartsWriter(
  origin: number,
  parts: readonly string[],
): (into: Float32Array, at: number, seconds: number) => void {
  const own = parts.map(name => all.get(name)!)
  const daily = own.map(({ name }) => name !== elapsed.name && !ofTime.has(name))
  const places = (is: (name: string, i: number) => boolean) => Array.from(own.keys()).filter(i => is(own[i]!.name, i))
  const days = places((_, i) => daily[i]!)
  const times = places(name => ofTime.has(name))
  const sinceOrigin = places(name => name === elapsed.name)
  const known = new Map<number, Float32Array>()
  const ofDay = (day: number): Float32Array => {
    const found = known.get(day)
    if (found) return found
    const date = new Date(1000 * daySeconds * day)
    const values = Float32Array.from(own, (part, i) => (daily[i] ? part.of(date, 0) : 0))
    if (known.size >= mostDays) known.clear()
    known.set(day, values)
    return values
  }
  const ofSecond = times.length > 0 ? partsOfSecond(times.map(i => own[i]!)) : undefined
  return (into, at, seconds) => {
    if (Number.isNaN(seconds)) {
      into.fill(Number.NaN, at, at + own.length)
      return
    }
    // Where a date has parts of a second, Date cuts them off towards 1970.
    const milliseconds = Math.trunc(1000 * seconds)
    const day = Math.floor(milliseconds / (1000 * daySeconds))
    const values = ofDay(day)
    for (const i of days) into[at + i] = values[i]!
    for (const i of sinceOrigin) into[at + i] = (seconds - origin) / daySeconds
    if (!ofSecond) return
    const { table, from } = ofSecond(Math.floor(milliseconds / 1000) - daySeconds * day)
    for (let k = 0; k < times.length; k++) into[at + times[k]!] = table[from + k]!
  }
}

/** The values of parts that depend on the time of day alone, [seconds of a day × parts], each computed at its first use. */
function partsOfSecond(parts: readonly Part[]): (second: number) => { table: Float32Array; from: number } {
  const table = new Float32Array(daySeconds * parts.length).fill(Number.NaN)
  return second => {
    const from = second * parts.length
    if (Number.isNaN(table[from])) {
      const date = new Date(1000 * second)
      for (const [k, part] of parts.entries()) table[from + k] = part.of(date, 0)
    }
    return { table, from }
  }
}

/** So many days are remembered: a table seldom has more. */
const mostDays = 100_000
