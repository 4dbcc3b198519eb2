import { ModelError } from '../../base/errors.ts'
import type { Graph } from '../../onnx/index.ts'
import { datePartsWriter } from '../../tabular/columns/date-parts.ts'

/** The value of a date that is missing: the least int64. */
export const missingDate = -(2n ** 63n)

const daySeconds = 86_400

/** A date of a graph: seconds since 1970 int64 [N, 1], 0 where it is missing, and what follows from it. */
class GraphDate {
  readonly #graph: Graph
  readonly #seconds: string
  readonly #made = new Map<string, string>()

  constructor(graph: Graph, seconds: string) {
    this.#graph = graph
    this.#seconds = seconds
  }

  #once(name: string, make: () => string): string {
    const made = this.#made.get(name) ?? make()
    this.#made.set(name, made)
    return made
  }
  #int = (value: number) => this.#once(String(value), () => this.#graph.ints(`dates/${value}`, [value], []))
  #op = (op: string, a: string, b: string | number) =>
    this.#graph.add(op, [a, typeof b === 'number' ? this.#int(b) : b])
  #mod = (a: string, b: number) => this.#op('Mod', a, b)
  /** The quotient rounded down; ONNX rounds to zero. */
  #floor = (a: string, b: number) => this.#op('Div', this.#op('Sub', a, this.#mod(a, b)), b)

  get secondOfDay(): string {
    return this.#once('second of day', () => this.#mod(this.#seconds, daySeconds))
  }
  get #days(): string {
    return this.#once('days', () => this.#floor(this.#seconds, daySeconds))
  }

  /** Monday is 0. The first of January 1970 was a Thursday. */
  get weekday(): string {
    return this.#once('weekday', () => this.#mod(this.#op('Add', this.#days, 3), 7))
  }

  /** The year in the Gregorian calendar: years begin in March within eras of 400 years (Hinnant, `civil_from_days`). */
  get year(): string {
    return this.#once('year', () => {
      const fromMarch = this.#op('Add', this.#days, 719_468)
      const dayOfEra = this.#mod(fromMarch, 146_097)
      const less = this.#op('Sub', dayOfEra, this.#floor(dayOfEra, 1460))
      const more = this.#op('Add', less, this.#floor(dayOfEra, 36_524))
      const yearOfEra = this.#floor(this.#op('Sub', more, this.#floor(dayOfEra, 146_096)), 365)
      const leaps = this.#op('Sub', this.#floor(yearOfEra, 4), this.#floor(yearOfEra, 100))
      const day = this.#op('Sub', dayOfEra, this.#op('Add', this.#op('Mul', yearOfEra, 365), leaps))
      const inNext = this.#graph.add('Cast', [this.#op('GreaterOrEqual', day, 306)], { to: 7 })
      const year = this.#op('Add', yearOfEra, this.#op('Mul', this.#floor(fromMarch, 146_097), 400))
      return this.#op('Add', year, inNext)
    })
  }

  /** The number of days from 1970 to the first of January of a year. */
  #newYear(year: string): string {
    const last = this.#op('Sub', year, 1)
    const leaps = this.#op('Sub', this.#floor(last, 4), this.#floor(last, 100))
    const all = this.#op('Add', this.#op('Add', leaps, this.#floor(last, 400)), -477)
    return this.#op('Add', this.#op('Mul', this.#op('Sub', year, 1970), 365), all)
  }

  /** The day of the year, counted from 0, and 366 more in a leap year. */
  get dayOfYear(): string {
    return this.#once('day of year', () => {
      const first = this.#newYear(this.year)
      const length = this.#op('Sub', this.#newYear(this.#op('Add', this.year, 1)), first)
      const leap = this.#op('Mul', this.#op('Sub', length, 365), 366)
      return this.#op('Add', this.#op('Sub', this.#days, first), leap)
    })
  }

  /** Days since `origin`, float [N, 1]. */
  elapsed(origin: number): string {
    const seconds = this.#graph.add('Cast', [this.#seconds], { to: 11 })
    const since = this.#graph.add('Sub', [seconds, this.#graph.doubles('dates/origin', [origin], [])])
    const days = this.#graph.add('Div', [since, this.#graph.doubles('dates/day', [daySeconds], [])])
    return this.#graph.add('Cast', [days], { to: 1 })
  }
}

/** Parts that follow from the second of the day, from the weekday, or from the day of the year and whether the year is a leap
 *  year. */
const ofSecond: ReadonlySet<string> = new Set(['hour', 'hour sin', 'hour cos'])
const ofWeekday: ReadonlySet<string> = new Set(['weekday', 'weekday sin', 'weekday cos'])
const ofDay: ReadonlySet<string> = new Set([
  'day',
  'month',
  'day of year',
  'day sin',
  'day cos',
  'month start',
  'month end',
  'month sin',
  'month cos',
  'day of year sin',
  'day of year cos',
  'quarter start',
  'quarter end',
  'year start',
  'year end',
])

/** Adds the parts of a date: seconds int64 [N, 1] → float [N, parts], NaN for a missing one. What is periodic is
 *  looked up in tables that training's own code makes, since trees need the same bits: at noon the sine is 1.2e-16, and runtimes
 *  differ there. */
export function addDateParts(
  graph: Graph,
  seconds: string,
  { origin, parts }: { origin: number; parts: readonly string[] },
): string {
  const missing = graph.add('Equal', [
    seconds,
    graph.constant('dates/missing', { type: 'int64', shape: [], data: leastInt64 }),
  ])
  const date = new GraphDate(graph, graph.add('Where', [missing, graph.ints('dates/zero', [0], []), seconds]))
  const made = runsOf(parts).map(({ kind, names }) => {
    if (kind === 'second') return lookedUp(graph, date.secondOfDay, tableOf(names, secondsOfDay))
    if (kind === 'weekday') return lookedUp(graph, date.weekday, tableOf(names, mondays))
    if (kind === 'day') return lookedUp(graph, date.dayOfYear, tableOf(names, twoYears))
    const [name] = names
    if (name === 'elapsed days') return date.elapsed(origin)
    if (name === 'year') return graph.add('Cast', [date.year], { to: 1 })
    throw new ModelError(
      `the part "${name}" of a date is not known to this version of Anneal; update Anneal, or train again`,
    )
  })
  const all = made.length === 1 ? made[0]! : graph.add('Concat', made, { axis: 1 })
  return graph.add('Where', [missing, graph.floats('dates/nan', [Number.NaN], []), all])
}

const leastInt64 = new Uint8Array(BigInt64Array.of(missingDate).buffer)

/** Parts in their order; neighbours of one table together. */
function runsOf(parts: readonly string[]): { kind: string; names: string[] }[] {
  const runs: { kind: string; names: string[] }[] = []
  for (const name of parts) {
    const kind = ofSecond.has(name) ? 'second' : ofWeekday.has(name) ? 'weekday' : ofDay.has(name) ? 'day' : name
    if (runs.at(-1)?.kind === kind) runs.at(-1)!.names.push(name)
    else runs.push({ kind, names: [name] })
  }
  return runs
}

/** The seconds of a day. */
const secondsOfDay = Array.from({ length: daySeconds }, (_, second) => second)
/** A Monday and the six days after it, in seconds since 1970. */
const mondays = Array.from({ length: 7 }, (_, i) => (4 + i) * daySeconds)
/** The days of a year of 365 days (the last one twice), and of a leap year. */
const twoYears = [2001, 2000].flatMap(year =>
  Array.from({ length: 366 }, (_, day) => Date.UTC(year, 0, Math.min(day + 1, year === 2000 ? 366 : 365)) / 1000),
)

/** A table of parts of dates. */
interface DateTable {
  name: string
  values: Float32Array
  width: number
}

function tableOf(parts: readonly string[], dates: readonly number[]): DateTable {
  const values = new Float32Array(dates.length * parts.length)
  const write = datePartsWriter(0, parts)
  for (const [i, seconds] of dates.entries()) write(values, i * parts.length, seconds)
  return { name: `dates/${parts.join(', ')}`, values, width: parts.length }
}

/** Several columns of dates share a table. */
function lookedUp(graph: Graph, index: string, { name, values, width }: DateTable): string {
  const table = graph.constants.has(name) ? name : graph.floats(name, values, [values.length / width, width])
  const found = graph.add('Gather', [table, index], { axis: 0 })
  return graph.add('Reshape', [found, graph.ints('dates/shape', [-1, width])])
}
