import type { Report } from '../../base/progress.ts'
import type { Choice } from '../../data/types.ts'
import type { MissingRule } from '../columns/missing.ts'
import { type Duck, name as named, type Value } from './duckdb.ts'
import { mostWhole, type RawColumn } from './raw.ts'

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
  | { as: 'number'; sql: string; missing: Map<string, number> }
  | { as: 'date'; sql: string; view: string; missing: Map<string, number> }
  | { as: 'words'; sql: string; type?: string; words: string[] }

/** Texts of cells without blanks around them. */
const trimmed = (c: string) => `trim(${c}, ' \t\r\n\f\v\u00a0\ufeff')`

/** More different texts than this are not read. */
const mostWords = 3_000_000

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
  await findWords(duck, relation, plans)
  const columns = await stream(duck, relation, { rows, plans, report, signal })
  return { rows, columns, choices }
}

async function plansOf(
  duck: Duck,
  { sql, types, names }: Relation,
  { skip, missing }: Pick<RelationOptions, 'skip' | 'missing'>,
): Promise<{ rows: number; plans: (Plan | undefined)[]; choices: Choice[] }> {
  const asked = types.map((type, i) => (skip.has(names[i]!) ? [] : profileSql(`c${i}`, type, missing)))
  const parts = ['count(*)::DOUBLE', ...asked.flat()]
  const [found = []] = await duck.rows(`SELECT ${parts.join(',\n')} FROM (${sql})`)
  const choices: Choice[] = []
  let at = 1
  const plans = types.map((type, i) => {
    const own = found.slice(at, (at += asked[i]!.length))
    if (skip.has(names[i]!)) return undefined
    const plan = planOf(`c${i}`, type, own)
    if (typeof plan !== 'string') return plan
    choices.push({ what: 'column left out', value: names[i]!, reason: plan })
    return undefined
  })
  return { rows: Number(found[0] ?? 0), plans, choices }
}

const isNumber = (type: string) => /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(type)
const isDate = (type: string) => /^(DATE|TIMESTAMP.*)$/.test(type)
const isTime = (type: string) => /^TIME( WITH TIME ZONE|_NS)?$/.test(type)
const isNested = (type: string) => /^(STRUCT|MAP|UNION|LIST|.*\[\d*\]$|BLOB|BIT|GEOMETRY|VARIANT)/.test(type)

/** The text of a cell. JSON's own texts come without quotes. */
const textOf = (c: string, type: string) =>
  trimmed(type === 'JSON' ? `(${c}->>'$')` : type === 'VARCHAR' ? c : `${c}::VARCHAR`)

function profileSql(c: string, type: string, missing: MissingRule): string[] {
  if (isNested(type)) return []
  if (isNumber(type)) return [`max(abs(${c}::DOUBLE))`]
  if (isDate(type) || isTime(type)) return []
  const t = textOf(c, type)
  const word = missing.sql(t)
  return [
    `count_if(${t} <> '')::DOUBLE`,
    `histogram(CASE WHEN ${word} THEN ${t} END)`,
    `count_if(NOT ${word} AND try_cast(${t} AS DOUBLE) IS NOT NULL)::DOUBLE`,
    `count_if(NOT ${word} AND ${looksIso(t)} AND try_cast(${t} AS TIMESTAMPTZ) IS NOT NULL)::DOUBLE`,
    `count_if(${t} LIKE '0_%' AND ${t}[2] BETWEEN '0' AND '9' OR contains(${t}, '_') OR ${tooLong(t)})::DOUBLE`,
    `approx_count_distinct(${t})::DOUBLE`,
    ...(type === 'JSON' ? [`count_if(json_type(${c}) IN ('OBJECT', 'ARRAY'))::DOUBLE`] : []),
  ]
}

/** A whole number of more digits than a float64 holds: a name, not an amount. */
const tooLong = (t: string) => `(length(${t}) > 15 AND regexp_full_match(${t}, '[+-]?[0-9]{16,}'))`

/** Years of four digits, then a dash or a slash. DuckDB would read words such as `epoch` as a date, too. */
const looksIso = (t: string) => `(${t} LIKE '____-_%' OR ${t} LIKE '____/_%')`

function planOf(c: string, type: string, found: readonly Value[]): Plan | string {
  if (isNested(type))
    return `it holds values of the type ${type}, not one value per row; make columns of its parts with SQL`
  if (isNumber(type)) {
    const exact = Number(found[0] ?? 0) <= mostWhole || /FLOAT|DOUBLE|DECIMAL/.test(type)
    if (exact) return { as: 'number', sql: `${c}::DOUBLE`, missing: new Map() }
    return { as: 'words', sql: `${c}::VARCHAR`, words: [] }
  }
  if (isTime(type)) return { as: 'number', sql: `epoch(${c})::DOUBLE`, missing: new Map() }
  if (isDate(type))
    return { as: 'date', sql: `(CASE WHEN isfinite(${c}) THEN epoch(${c}) END)::DOUBLE`, view: c, missing: new Map() }
  const t = textOf(c, type)
  const [filled, missing, numbers, dates, odd, different, nested] = found as [number, Value, ...number[]]
  if (nested! > 0)
    return `${nested!.toLocaleString('en-US')} of its values are objects or lists; make columns of their parts with SQL`
  const words = countsOf(missing)
  const left = filled - [...words.values()].reduce((sum, n) => sum + n, 0)
  if (left > 0 && odd === 0 && numbers === left)
    return { as: 'number', sql: `try_cast(${t} AS DOUBLE)`, missing: words }
  if (left > 0 && dates === left) {
    const date = `(CASE WHEN ${looksIso(t)} THEN try_cast(${t} AS TIMESTAMPTZ) END)`
    return { as: 'date', sql: `epoch(${date})::DOUBLE`, view: `${date}::TIMESTAMP`, missing: words }
  }
  if (different! > mostWords)
    return `it holds about ${Math.round(different!).toLocaleString('en-US')} different texts, and at most ${mostWords.toLocaleString('en-US')} are read as words; take the part of them that matters with SQL`
  return { as: 'words', sql: t, words: [] }
}

/** DuckDB's map of words and counts. */
function countsOf(value: Value | undefined): Map<string, number> {
  const entries = (value as unknown as { key: string; value: bigint }[] | null) ?? []
  return new Map(entries.map(({ key, value }) => [key, Number(value)]))
}

/** Finds the different words of each column of words, and makes a type of them, so that the database sends codes. */
async function findWords(duck: Duck, { sql }: Relation, plans: readonly (Plan | undefined)[]): Promise<void> {
  const own = plans.flatMap((plan, i) => (plan?.as === 'words' ? [{ plan, i }] : []))
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
        copy(chunk.getColumnVector(j) as unknown as Vector, targets[i]!, {
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
    const value = !plan
      ? `c${i}`
      : plan.as === 'date'
        ? plan.view
        : plan.as === 'words'
          ? `nullif(${plan.sql}, '')`
          : plan.sql
    let alias = own
    for (let n = 2; taken.has(alias.toLowerCase()); n++) alias = `${own} (${n})`
    taken.add(alias.toLowerCase())
    return `${value} AS ${named(alias)}`
  })
  return `SELECT ${parts.join(', ')} FROM (${relation.sql})`
}
