import { didYouMean, OptionError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { CodedWords, ColumnKind, ColumnUse, Frame, FrameColumn } from '../types.ts'
import { asSetting } from './as-setting.ts'

/** What the user says about columns. */
export interface ColumnOptions {
  as?: Readonly<Record<string, ColumnKind>> | undefined
  /** Columns that a model is not trained on. */
  drop?: readonly string[] | undefined
  /** The only columns that a model is trained on. */
  only?: readonly string[] | undefined
  /** Whether a net for texts is at hand. Without one, columns of texts are left out. */
  texts?: boolean | undefined
}

const kinds: readonly ColumnKind[] = ['number', 'category', 'boolean', 'date', 'text', 'id', 'constant']

/** A whole number with at most so many different values is a category (fastai's `max_card`). */
const mostNumberWords = 20
const mostWords = 10_000
/** Texts of more words than this, in the mean, are sentences. */
const sentence = 4
const idName =
  /^(id|index|key|uuid|guid|unnamed: ?\d+|column 1|row[ _-]?(id|no|num|number|index)?)$|[ _-](id|uuid|guid)$|^id[ _-]|[a-z](Id|ID)$/i

/** The kind of each column by its content, with the reason, and whether it is used. `targets`: columns that are
 *  predicted. Throws for a name that the table does not have, with the nearest name. */
export function kindsOf(
  frame: Frame,
  { as = {}, drop = [], only, texts = false }: ColumnOptions,
  targets: readonly string[],
): ColumnUse[] {
  const names = frame.columns.map(({ name }) => name)
  for (const [property, own] of [
    ['as', Object.keys(as)],
    ['drop', drop],
    ['only', only ?? []],
  ] as const)
    for (const name of own) checkName(name, names, property)
  for (const [name, kind] of Object.entries(as))
    if (!kinds.includes(kind))
      throw new OptionError(
        `${asSetting(name, kind)}: "${kind}" is not a kind of column.${didYouMean(kind, kinds)} Expected one of ${kinds.join(', ')}.`,
      )
  const [dropped, kept] = [new Set(drop), only && new Set(only)]
  const clash = only?.find(name => dropped.has(name))
  if (clash !== undefined)
    throw new OptionError(`${option('only')} and ${option('drop')} both name "${clash}". Name it in one of them.`)
  return frame.columns.map((column): ColumnUse => {
    const { name } = column
    const found = as[name] ? { kind: as[name], reason: asSetting(name, as[name]) } : kindOf(column)
    if (
      (found.kind === 'number' || found.kind === 'date') &&
      column.type !== found.kind &&
      column.type === 'words' &&
      column.values.words.length > 0
    )
      throw new OptionError(
        `${asSetting(name, found.kind)}: "${name}" holds words such as "${column.values.words[0]}". Read the table with this option, or take another kind.`,
      )
    const use = (used: boolean, reason: string) => ({ name, kind: found.kind, used, reason })
    if (targets.includes(name)) return use(false, 'it is predicted')
    if (dropped.has(name)) return use(false, setting('drop', name))
    if (kept && !kept.has(name)) return use(false, `it is not in ${setting('only', only)}`)
    const back = (kind: ColumnKind) => `${found.reason}; ${asSetting(name, kind)} uses it`
    if (found.kind === 'constant') return use(false, found.reason)
    if (found.kind === 'id') return use(false, back(column.type === 'words' ? 'category' : 'number'))
    if (found.kind === 'text' && column.type !== 'words')
      throw new OptionError(
        `${asSetting(name, 'text')}: "${name}" holds ${column.type}s; expected texts. Take another kind.`,
      )
    if (found.kind === 'text')
      return texts ? use(true, `${found.reason}; ${setting('drop', name)} leaves it out`) : use(false, back('category'))
    return use(true, found.reason)
  })
}

/** Throws for a column that the table does not have. */
export function checkName(name: string, names: readonly string[], property: string): void {
  if (names.includes(name)) return
  const listed = `${names.slice(0, 30).join(', ')}${names.length > 30 ? ', …' : ''}`
  throw new OptionError(
    `${setting(property, name)}: the table has no column "${name}".${didYouMean(name, names)} Its columns: ${listed}.`,
  )
}

interface Found {
  kind: ColumnKind
  reason: string
}

/** The kind of a column by its content. */
export function kindOf(column: FrameColumn): Found {
  if (column.type === 'words') return wordsKind(column.name, column.values)
  const { name, type, values } = column
  const seen = summary(values)
  if (seen.filled === 0) return { kind: 'constant', reason: 'it has no value' }
  if (seen.different === 1 && seen.filled === values.length)
    return { kind: 'constant', reason: `every row holds ${type === 'date' ? 'the same date' : seen.low}` }
  if (type === 'date') return { kind: 'date', reason: `dates from ${day(seen.low)} to ${day(seen.high)}` }
  if (seen.whole && isId(name, values, seen))
    return { kind: 'id', reason: `${plural(seen.filled, 'whole number')}, all different` }
  const two = seen.different === 2 && seen.low === 0 && seen.high === 1
  if (two) return { kind: 'boolean', reason: '0 and 1' }
  const years = seen.low >= 1900 && seen.high <= 2100
  if (seen.whole && seen.different <= mostNumberWords && !years)
    return {
      kind: 'category',
      reason: `whole numbers with ${plural(seen.different, 'value')}; ${asSetting(name, 'number')} keeps their order`,
    }
  return { kind: 'number', reason: `numbers from ${short(seen.low)} to ${short(seen.high)}` }
}

const short = (value: number) => String(Number(value.toPrecision(6)))
const day = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10)

interface Summary {
  filled: number
  low: number
  high: number
  whole: boolean
  /** Different values; counting ends one above the limit for categories. */
  different: number
}

function summary(values: Float64Array): Summary {
  const seen = new Set<number>()
  let [filled, low, high, whole] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, true]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (Number.isNaN(value)) continue
    filled++
    if (value < low) low = value
    if (value > high) high = value
    if (whole && !Number.isInteger(value)) whole = false
    if (seen.size <= mostNumberWords) seen.add(value)
  }
  return { filled, low, high, whole, different: seen.size }
}

/** Whole numbers without a repetition: a row counter, or a column whose name says that it is an id. */
function isId(name: string, values: Float64Array, { filled, low, high }: Summary): boolean {
  if (filled < 10 || filled < values.length) return false
  const counter = high - low + 1 === filled
  if (!counter && !idName.test(name)) return false
  const sorted = Float64Array.from(values).sort()
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) return false
  return true
}

const truths = [
  ['true', 'false'],
  ['yes', 'no'],
  ['t', 'f'],
  ['y', 'n'],
  ['on', 'off'],
]

function wordsKind(name: string, { codes, words }: CodedWords): Found {
  if (words.length === 0) return { kind: 'constant', reason: 'it has no value' }
  let filled = 0
  for (let i = 0; i < codes.length; i++) if (codes[i]! >= 0) filled++
  if (words.length === 1 && filled === codes.length)
    return { kind: 'constant', reason: `every row holds "${words[0]}"` }
  const lower = words.map(word => word.toLowerCase())
  if (words.length === 2 && truths.some(two => two.every(word => lower.includes(word))))
    return { kind: 'boolean', reason: `${words[0]} and ${words[1]}` }
  const many = words.length > Math.min(mostWords, filled / 2)
  const mean = many ? meanWords(words) : 0
  if (many && mean > sentence) return { kind: 'text', reason: `texts of ${mean.toFixed(1)} words in the mean` }
  if (filled >= 10 && words.length === filled) return { kind: 'id', reason: `${plural(filled, 'text')}, all different` }
  if (many && repeated(codes, words.length) < 0.1 * filled)
    return { kind: 'id', reason: `${plural(words.length, 'different text')} in ${plural(filled, 'row')}` }
  if (idName.test(name) && words.length > filled / 2)
    return { kind: 'id', reason: `${plural(words.length, 'different text')} in ${plural(filled, 'row')}, and its name` }
  return {
    kind: 'category',
    reason: `${plural(words.length, 'word')}: ${words.slice(0, 3).join(', ')}${words.length > 3 ? ', …' : ''}`,
  }
}

function meanWords(words: readonly string[]): number {
  const step = Math.max(1, Math.floor(words.length / 2000))
  let [sum, n] = [0, 0]
  for (let i = 0; i < words.length; i += step, n++) sum += words[i]!.split(/\s+/).length
  return sum / n
}

/** How many rows hold a word that three or more rows hold. */
function repeated(codes: Int32Array, words: number): number {
  const counts = new Uint32Array(words)
  for (const code of codes) if (code >= 0) counts[code]!++
  return counts.reduce((sum, n) => sum + (n > 2 ? n : 0), 0)
}
