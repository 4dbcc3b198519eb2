import type { Report } from '../../base/progress.ts'
import type { MissingRule } from '../../cells/missing.ts'
import type { Choice } from '../../data/types.ts'
import { type Duck, name as named, type Value } from './duckdb.ts'
import { mostWhole, mostWords, type RawColumn, tooManyWords } from './raw.ts'

/** A table in the database: a relation whose columns are `c0`, `c1`, …, the names of its columns, and their types. */
export interface Relation {
  sql: string
  names: readonly string[]
  /** DuckDB's types; VARCHAR for every column of a CSV file. */
  types: readonly string[]
  choices: Choice[]
}

/** How a column is streamed. */
type Plan =
  | { as: 'number'; sql: string; view?: string; missing: Map<string, number> }
  | { as: 'date'; sql: string; view: string; missing: Map<string, number> }
  | { as: 'words'; sql: string; type?: string; words: string[] }

export interface RelationOptions {
  report: Report
  signal: AbortSignal | undefined
  /** Columns that are not read. */
  skip: ReadonlySet<string>
  missing: MissingRule
}

/** Reads a relation column by column in three passes: what its columns hold, their different words, their values. */
export async function readRelation(
  duck: Duck,
  relation: Relation,
  { report, signal, skip, missing }: RelationOptions,
): Promise<{ rows: number; columns: RawColumn[]; choices: Choice[] }> {
  const { rows, plans, choices } = await plansOf(duck, relation, { skip, missing })
  await findWords(duck, relation, { rows, plans, choices })
  const columns = await stream(duck, relation, { rows, plans, report, signal })
  return { rows, columns, choices }
}

interface Plans {
  rows: number
  plans: (Plan | undefined)[]
  choices: Choice[]
}

/** A column of texts: its SQL, and what its first rows look like. Words are not looked at further here: their vocabulary
 *  is, later. */
interface Texts {
  i: number
  t: string
  looks: 'words' | 'number' | 'DATE' | 'TIMESTAMPTZ'
}

async function plansOf(
  duck: Duck,
  { sql, types, names }: Relation,
  { skip, missing }: Pick<RelationOptions, 'skip' | 'missing'>,
): Promise<Plans> {
  const read = types.map((type, i) => !skip.has(names[i]!) && !isNested(type))
  const texts = await textsOf(duck, sql, types, read)
  const asked = types.map((type, i) => (read[i] ? profileSql(`c${i}`, type, texts[i]) : []))
  const [found = []] = await duck.rows(`SELECT ${['count(*)::DOUBLE', ...asked.flat()].join(',\n')} FROM (${sql})`)
  const own: (readonly Value[])[] = []
  let at = 1
  for (const parts of asked) own.push(found.slice(at, (at += parts.length)))
  const some = texts.filter(one => one !== undefined)
  const misfits = await misfitsOf(
    duck,
    sql,
    some.filter(one => hasMisfits(one, own[one.i]!)),
  )
  const long = await tooLong(
    duck,
    sql,
    some.filter(({ i, looks }) => looks === 'number' && Number(own[i]![3]) > mostSigns),
  )
  const choices: Choice[] = []
  const plans = types.map((type, i) => {
    if (skip.has(names[i]!)) return undefined
    const plan = planOf(
      type,
      { c: `c${i}`, texts: texts[i], found: own[i]!, misfits: misfits.get(i), long: long.has(i) },
      missing,
    )
    if (typeof plan === 'string') {
      choices.push({ what: 'column left out', value: names[i]!, reason: plan })
      return undefined
    }
    if (type === 'INTERVAL')
      choices.push({
        what: 'lengths of time',
        value: names[i]!,
        reason: 'numbers of seconds; a month has 30 days. For other units make a number with SQL',
      })
    return plan
  })
  return { rows: Number(found[0] ?? 0), plans, choices }
}

const isNumber = (type: string) => /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(type)
const isDate = (type: string) => /^(DATE|TIMESTAMP.*)$/.test(type)
/** Times of day and lengths of time: numbers of seconds. */
const isTime = (type: string) => /^(TIME( WITH TIME ZONE|_NS)?|INTERVAL)$/.test(type)
const isNested = (type: string) => /^(STRUCT|MAP|UNION|LIST|.*\[\d*\]$|BLOB|BIT|GEOMETRY|VARIANT)/.test(type)

/** The text of a cell. JSON's own texts come without quotes. */
const textOf = (c: string, type: string) =>
  type === 'JSON' ? `(${c}->>'$')` : type === 'VARCHAR' ? c : `${c}::VARCHAR`

/** The columns of texts. Whether they may be dates is seen from the first rows. */
async function textsOf(
  duck: Duck,
  sql: string,
  types: readonly string[],
  read: readonly boolean[],
): Promise<(Texts | undefined)[]> {
  const texts = types.map((type, i): Texts | undefined =>
    read[i] && !isNumber(type) && !isDate(type) && !isTime(type)
      ? { i, t: textOf(`c${i}`, type), looks: 'words' }
      : undefined,
  )
  const own = texts.filter(one => one !== undefined)
  if (own.length === 0) return texts
  const rows = await duck.rows(`SELECT ${own.map(({ t }) => t).join(', ')} FROM (${sql}) LIMIT 300`)
  own.forEach((one, j) => {
    const cells = rows.flatMap(row => (typeof row[j] === 'string' && row[j].trim() !== '' ? [row[j]] : []))
    if (cells.some(cell => cell !== cell.trim())) one.t = `trim(${one.t})`
    const words = cells.map(cell => cell.trim())
    const share = (is: (word: string) => boolean) => words.filter(is).length / words.length
    const iso = words.filter(word => /^\d{4}[-/]\d/.test(word))
    if (words.length === 0) one.looks = 'number'
    else if (iso.length > words.length / 2) one.looks = iso.every(word => word.length <= 10) ? 'DATE' : 'TIMESTAMPTZ'
    else if (share(word => Number.isFinite(Number(word))) > 0.3) one.looks = 'number'
  })
  return texts
}

/** What a first pass over all rows finds of a column that looks like numbers or dates: how many texts are filled, how
 *  many are such, the longest, and how many are numbers in form and names in truth (a zero in front, an underscore). */
function profileSql(c: string, type: string, texts: Texts | undefined): string[] {
  if (!texts) return isNumber(type) && !exact.test(type) ? [`max(abs(${c}::DOUBLE))`] : []
  const { t, looks } = texts
  const nested = type === 'JSON' ? `count_if(json_type(${c}) IN ('OBJECT', 'ARRAY'))::DOUBLE` : '0::DOUBLE'
  if (looks === 'words') return type === 'JSON' ? [nested] : []
  const odd = looks === 'number' ? `count_if((${t} >= '00' AND ${t} < '0:') OR contains(${t}, '_'))` : '0'
  return [
    nested,
    `count_if(${t} <> '')::DOUBLE`,
    `count(${parsedOf(texts)})::DOUBLE`,
    `max(strlen(${t}))::DOUBLE`,
    `${odd}::DOUBLE`,
  ]
}

/** The number or date of a text, NULL where it is none. */
const parsedOf = ({ t, looks }: Texts) => (looks === 'number' ? `try_cast(${t} AS DOUBLE)` : dateOf(t, looks as 'DATE'))

/** Numbers of at most so many signs are exact. */
const mostSigns = 15

/** Of columns with longer numbers, those with a whole number of more digits than a float64 holds: these are names. */
async function tooLong(duck: Duck, sql: string, texts: readonly Texts[]): Promise<Set<number>> {
  if (texts.length === 0) return new Set()
  const asked = texts.map(({ t }) => `coalesce(bool_or(regexp_full_match(${t}, '[+-]?[0-9]{16,}')), false)`)
  const [found = []] = await duck.rows(`SELECT ${asked.join(', ')} FROM (${sql})`)
  return new Set(texts.filter((_, j) => found[j] === true).map(({ i }) => i))
}

/** Types whose every value is a float64, or nearly. */
const exact = /^(U?(TINY|SMALL)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/

/** A date of a text, NULL where it is none. DuckDB alone would read words such as `epoch` as a date, too, and the date of
 *  a text with a wrong time. */
const dateOf = (t: string, date: 'DATE' | 'TIMESTAMPTZ') =>
  `CASE WHEN (${t} LIKE '____-_%' OR ${t} LIKE '____/_%')${date === 'DATE' ? ` AND strlen(${t}) <= 10` : ''} THEN try_cast(${t} AS ${date}) END`

/** Whether most texts are numbers, or dates, and some are not. */
const hasMisfits = ({ looks }: Texts, [, filled, fit]: readonly Value[]): boolean =>
  looks !== 'words' && Number(fit) >= Number(filled) / 2 && Number(fit) < Number(filled)

/** The texts that are not as the others in their columns, and how many rows have them. */
async function misfitsOf(duck: Duck, sql: string, texts: readonly Texts[]): Promise<Map<number, Map<string, number>>> {
  if (texts.length === 0) return new Map()
  const asked = texts.map(one => `histogram(CASE WHEN ${one.t} <> '' AND (${parsedOf(one)}) IS NULL THEN ${one.t} END)`)
  const [maps = []] = await duck.rows(`SELECT ${asked.join(',\n')} FROM (${sql})`)
  return new Map(texts.map(({ i }, j) => [i, countsOf(maps[j])]))
}

function planOf(
  type: string,
  {
    c,
    texts,
    found,
    misfits = new Map(),
    long,
  }: {
    c: string
    texts: Texts | undefined
    found: readonly Value[]
    misfits: Map<string, number> | undefined
    long: boolean
  },
  missing: MissingRule,
): Plan | string {
  if (isNested(type))
    return `it holds values of the type ${type}, not one value per row; make columns of its parts with SQL`
  if (isNumber(type)) {
    if (exact.test(type) || Number(found[0] ?? 0) <= mostWhole)
      return { as: 'number', sql: `${c}::DOUBLE`, missing: new Map() }
    return { as: 'words', sql: `${c}::VARCHAR`, words: [] }
  }
  if (isTime(type))
    return {
      as: 'number',
      sql: `epoch(${c})::DOUBLE`,
      ...(type === 'INTERVAL' ? { view: c } : {}),
      missing: new Map(),
    }
  if (isDate(type))
    return { as: 'date', sql: `(CASE WHEN isfinite(${c}) THEN epoch(${c}) END)::DOUBLE`, view: c, missing: new Map() }
  const { t, looks } = texts!
  const [nested = 0, filled = 0, fit = 0, , odd = 0] = found as number[]
  if (nested > 0)
    return `${nested.toLocaleString('en-US')} of its values are objects or lists; make columns of their parts with SQL`
  if (looks === 'words' || odd > 0 || long || fit === 0) return { as: 'words', sql: t, words: [] }
  const left = [...misfits].map(([word, n]) => [word.trim(), n] as const)
  const others = left.reduce((sum, [, n]) => sum + n, 0)
  if (fit !== filled - others || left.some(([word]) => word !== '' && !missing.inNumbers(word)))
    return { as: 'words', sql: t, words: [] }
  const words = new Map(left.filter(([word]) => word !== ''))
  const value = parsedOf(texts!)
  if (looks === 'number') return { as: 'number', sql: value, missing: words }
  return { as: 'date', sql: `epoch(${value})::DOUBLE`, view: `(${value})::TIMESTAMP`, missing: words }
}

/** DuckDB's map of words and counts. */
function countsOf(value: Value | undefined): Map<string, number> {
  const entries = (value as unknown as { key: string; value: bigint }[] | null) ?? []
  return new Map(entries.map(({ key, value }) => [key, Number(value)]))
}

/** Columns with more different texts than are read, and about how many. */
async function tooMany(
  duck: Duck,
  sql: string,
  own: readonly { plan: Plan; i: number }[],
): Promise<Map<number, number>> {
  const asked = own.map(({ plan }) => `approx_count_distinct(${plan.sql})::DOUBLE`)
  const [counts = []] = await duck.rows(`SELECT ${asked.join(', ')} FROM (${sql})`)
  return new Map(own.flatMap(({ i }, j) => (Number(counts[j]) > mostWords ? [[i, Number(counts[j])] as const] : [])))
}

/** Finds the different words of each column of words, and makes a type of them, so that the database sends codes. */
async function findWords(duck: Duck, { sql, names }: Relation, { rows, plans, choices }: Plans): Promise<void> {
  let own = plans.flatMap((plan, i) => (plan?.as === 'words' ? [{ plan, i }] : []))
  if (own.length === 0) return
  const left = rows > mostWords ? await tooMany(duck, sql, own) : new Map<number, number>()
  for (const { i } of own)
    if (left.has(i)) {
      plans[i] = undefined
      choices.push(tooManyWords(names[i]!, `about ${Math.round(left.get(i)!).toLocaleString('en-US')}`))
    }
  own = own.filter(({ i }) => !left.has(i))
  if (own.length === 0) return
  const lists = own.map(({ plan, i }) => `list(DISTINCT ${plan.sql}) AS w${i}`)
  await duck.run(`CREATE OR REPLACE TEMP TABLE anneal_words AS SELECT ${lists.join(', ')} FROM (${sql})`)
  for (const { plan, i } of own) {
    const words = `SELECT w FROM (SELECT unnest(w${i}) AS w FROM temp.anneal_words) WHERE w <> '' ORDER BY w`
    plan.words = (await duck.rows(words)).map(([word]) => word as string)
    if (plan.words.length === 0) continue
    plan.type = `memory.main.anneal_enum_${i}`
    await duck.run(`CREATE TYPE ${plan.type} AS ENUM (${words})`)
  }
  await duck.run('DROP TABLE temp.anneal_words')
}

async function stream(
  duck: Duck,
  { sql, names, types }: Relation,
  {
    rows,
    plans,
    report,
    signal,
  }: { rows: number; plans: readonly (Plan | undefined)[]; report: Report; signal: AbortSignal | undefined },
): Promise<RawColumn[]> {
  const read = plans.flatMap((plan, i) => (plan && !(plan.as === 'words' && !plan.type) ? [{ plan, i }] : []))
  const targets = plans.map(plan =>
    plan?.as === 'words' ? new Int32Array(rows).fill(plan.type ? 0 : -1) : new Float64Array(plan ? rows : 0),
  )
  if (read.length > 0 && rows > 0) {
    const parts = read.map(({ plan, i }) => {
      const value = plan.as === 'words' ? `nullif(${plan.sql}, '')::${plan.type}` : plan.sql
      return `${value} AS ${named(`v${i}`)}`
    })
    const result = await duck.stream(`SELECT ${parts.join(', ')} FROM (${sql})`)
    let at = 0
    for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
      signal?.throwIfAborted()
      for (const [j, { plan, i }] of read.entries())
        copy(chunk.getColumnVector(j) as Vector, targets[i]!, {
          at,
          n: chunk.rowCount,
          missing: plan.as === 'words' ? -1 : Number.NaN,
        })
      at += chunk.rowCount
      if ((at >> 11) % 64 === 0)
        report({ what: 'reading rows', done: 8 * at * read.length, total: 8 * rows * read.length })
    }
  }
  return plans.flatMap((plan, i): RawColumn[] => {
    if (!plan) return []
    const name = names[i]!
    if (plan.as === 'words') return [{ name, type: 'words', codes: targets[i] as Int32Array, words: plan.words }]
    return [
      { name, type: plan.as, values: targets[i] as Float64Array, missing: plan.missing, plain: types[i] === 'VARCHAR' },
    ]
  })
}

/** The part of DuckDB's vectors that is read. */
interface Vector {
  items: Float64Array | Uint8Array | Uint16Array | Uint32Array
  validity: { data: BigUint64Array | null; itemValid(i: number): boolean }
}

const allValid = 2n ** 64n - 1n

function copy(
  { items, validity }: Vector,
  into: Float64Array | Int32Array,
  { at, n, missing }: { at: number; n: number; missing: number },
): void {
  into.set(items.length === n ? items : items.subarray(0, n), at)
  const whole = !validity.data || validity.data.every(bits => bits === allValid)
  if (!whole) for (let i = 0; i < n; i++) if (!validity.itemValid(i)) into[at + i] = missing
}

/** A view of a relation for a user's SQL: its names, with numbers and dates where whole columns are such. */
export async function typedView(duck: Duck, relation: Relation, missing: MissingRule): Promise<string> {
  const { plans } = await plansOf(duck, relation, { skip: new Set(), missing })
  const taken = new Set<string>()
  const parts = relation.names.map((own, i) => {
    const plan = plans[i]
    const value = !plan ? `c${i}` : plan.as === 'words' ? `nullif(${plan.sql}, '')` : (plan.view ?? plan.sql)
    let alias = own
    for (let n = 2; taken.has(alias.toLowerCase()); n++) alias = `${own} (${n})`
    taken.add(alias.toLowerCase())
    return `${value} AS ${named(alias)}`
  })
  return `SELECT ${parts.join(', ')} FROM (${relation.sql})`
}
