import { DataError } from '../../base/errors.ts'
import { type Random, rng, shuffle } from '../../base/random.ts'
import { wordOfNumber } from '../../cells/words.ts'
import { Both } from '../../tabular/models/both.ts'
import { categorical, type Forest } from '../../tabular/models/forest.ts'
import { Mlp } from '../../tabular/models/mlp/model.ts'
import { Realmlp } from '../../tabular/models/realmlp/model.ts'
import { Tabm } from '../../tabular/models/tabm/model.ts'
import { Trees } from '../../tabular/models/trees.ts'
import { framePart } from '../../tabular/run/rows.ts'
import type { Encoding, Frame, FrameColumn, TableModel } from '../../tabular/types.ts'
import type { Value } from '../runtimes.ts'
import { inputType, type TableInput } from './columns.ts'
import { missingDate } from './dates.ts'
import type { OpenTableModel } from './open.ts'
import { missingTexts, textCodes } from './words.ts'

/** Rows for a check: as training reads them, and as the graph takes them. */
export interface CheckRows {
  frame: Frame
  /** By name of the column, [rows, 1]. Texts are texts here: `runRows` makes tokens of them. */
  feeds: Record<string, Value>
}

/** Made rows: at least, and at most unless a vocabulary has more words. */
const [fewest, most] = [400, 4000]
const missingShare = 0.05

/** Makes rows that reach every part of the graph: each word and each of its spellings, unknown and missing words, numbers on
 *  both sides of thresholds, the ends of months and years, leap days, and missing values in every column. */
export function madeRows({ members }: OpenTableModel, inputs: readonly TableInput[]): CheckRows {
  const random = rng(1, 5)
  const vocabulary = new Map<string, Map<string, boolean>>()
  const numbers = new Map<string, number[]>()
  const dates = new Map<string, number[]>()
  for (const { card, model } of members) {
    for (const one of card.encoding.columns) {
      if (one.kind === 'category')
        vocabulary.set(
          one.column,
          new Map([...(vocabulary.get(one.column) ?? []), ...textsOf(one.words, card.reading.missing)]),
        )
      else if (one.kind === 'date')
        dates.set(one.column, [...(dates.get(one.column) ?? []), ...someDates(one.origin, random)])
    }
    for (const [column, values] of numbersOf(model, card.encoding))
      numbers.set(column, [...(numbers.get(column) ?? []), ...values])
  }
  const words = Math.max(0, ...[...vocabulary.values()].map(texts => texts.size))
  const rows = Math.min(Math.max(fewest, words), most)
  const columns: FrameColumn[] = []
  const feeds: CheckRows['feeds'] = {}
  for (const { name, column, kind } of inputs) {
    if (kind === 'text') {
      const cells = someTexts(rows)
      columns.push(
        wordColumn(
          column,
          cells.map(cell => cell || undefined),
        ),
      )
      feeds[name] = { data: cells, dims: [rows, 1] }
      continue
    }
    if (kind === 'category') {
      const texts = shuffle([...vocabulary.get(column)!], random)
      const cells = Array.from({ length: rows }, (_, row) => texts[row % texts.length]!)
      columns.push(
        wordColumn(
          column,
          cells.map(([text, missing]) => (missing ? undefined : text.trim())),
        ),
      )
      feeds[name] = { data: cells.map(([text]) => text), dims: [rows, 1] }
      continue
    }
    const known = (kind === 'date' ? dates : numbers).get(column) ?? []
    const values = Float64Array.from({ length: rows }, () =>
      random.chance(missingShare)
        ? Number.NaN
        : known.length > 0
          ? known[random.integer(known.length)]!
          : random.normal(),
    )
    columns.push({ name: column, type: kind, values })
    feeds[name] = feedOf(values, kind)
  }
  return { frame: { source: 'the rows of the check', rows, columns }, feeds }
}

/** The first rows of some. */
export function someRows({ frame, feeds }: CheckRows, most: number): CheckRows {
  const rows = Math.min(most, frame.rows)
  const first = Int32Array.from({ length: rows }, (_, row) => row)
  const short = Object.entries(feeds).map(([name, { data }]): [string, Value] => [
    name,
    { data: data.slice(0, rows), dims: [rows, 1] },
  ])
  return { frame: framePart(frame, first), feeds: Object.fromEntries(short) }
}

/** Rows of a table as the graph takes them. Dates are whole seconds there, so both have whole seconds. */
export function rowsOfTable(frame: Frame, inputs: readonly TableInput[]): CheckRows {
  const feeds: CheckRows['feeds'] = {}
  const columns = inputs.map(({ name, column, kind }): FrameColumn => {
    const found = frame.columns.find(one => one.name === column)
    if (!found) throw new DataError(`${frame.source} has no column "${column}", which the model takes`)
    const own = kind === 'date' && found.type === 'date' ? { ...found, values: found.values.map(Math.floor) } : found
    if (kind === 'category' || kind === 'text') {
      const texts = textsIn(own, frame.rows)
      feeds[name] = { data: texts, dims: [frame.rows, 1] }
      // The texts of these rows alone, since each word of a column goes through the net.
      if (kind === 'text')
        return wordColumn(
          column,
          texts.map(text => text || undefined),
        )
    } else {
      const values = own.type === 'words' ? new Float64Array(frame.rows).fill(Number.NaN) : own.values
      feeds[name] = feedOf(values, kind)
    }
    return own
  })
  return { frame: { ...frame, columns }, feeds }
}

function textsIn(column: FrameColumn, rows: number): string[] {
  if (column.type === 'words') {
    const { codes, words } = column.values
    return Array.from({ length: rows }, (_, row) => (codes[row]! < 0 ? '' : words[codes[row]!]!))
  }
  return Array.from(column.values, value => (Number.isNaN(value) ? '' : wordOfNumber(value)))
}

/** Texts of a check: short ones, of other letters, of no word, and one of several windows. So many rows have one, and the others none,
 *  since each goes through the net for texts. */
const checkTexts = [
  'This is an example sentence.',
  'No!',
  'Überraschend gut – 10/10, gern wieder; 最高です 🙂',
  'Heikkinen, Miss. Laina (née "O\'Neill")',
  '4711',
  'the parcel came late, but the people in the shop were kind and helped at once',
  '🙂',
  'ПЛОХО\nи дорого',
]
const longText = `It began well. ${'The second part was much too long, and nobody knew why. '.repeat(60)}The end was good again.`
const filledRows = 48

const someTexts = (rows: number): string[] =>
  Array.from({ length: rows }, (_, row) =>
    row >= filledRows ? '' : row === filledRows - 1 ? longText : (checkTexts[row % (checkTexts.length + 1)] ?? ''),
  )

/** Numbers as float32, dates as int64. */
function feedOf(values: Float64Array, kind: 'number' | 'date'): Value {
  const dims = [values.length, 1]
  if (inputType[kind] === 'float') return { data: Float32Array.from(values), dims }
  const data = BigInt64Array.from(values, value => (Number.isNaN(value) ? missingDate : BigInt(value)))
  return { data, dims }
}

/** All texts of a category, and whether each means a missing value. */
function textsOf(words: readonly string[], missing: unknown): [text: string, missing: boolean][] {
  const given = missing as readonly string[] | undefined
  const absent = new Set(missingTexts(words, given))
  const codes = textCodes(words, given)
  return [
    ...[...codes.keys()].map((text): [string, boolean] => [text, absent.has(text.trim()) && codes.get(text) === 0]),
    ...['a word that training did not have', '∅'].map((text): [string, boolean] => [text, false]),
  ]
}

function wordColumn(name: string, cells: readonly (string | undefined)[]): FrameColumn {
  const words = [...new Set(cells.flatMap(cell => cell ?? []))]
  const codes = new Map(words.map((word, code) => [word, code]))
  return {
    name,
    type: 'words',
    values: { words, codes: Int32Array.from(cells, cell => (cell === undefined ? -1 : codes.get(cell)!)) },
  }
}

/** Values of each number column: on both sides of thresholds of trees, and around the median or the
 *  quantiles that a net knows. */
function numbersOf(model: TableModel, encoding: Encoding): Map<string, number[]> {
  if (model instanceof Both) {
    const all = new Map<string, number[]>()
    for (const { model: part } of model.parts)
      for (const [column, values] of numbersOf(part, encoding)) all.set(column, [...(all.get(column) ?? []), ...values])
    return all
  }
  const features = encoding.columns.flatMap(one =>
    one.kind === 'number' ? [one.column] : one.kind === 'date' ? one.parts.map(() => undefined) : [],
  )
  if (model instanceof Trees) return thresholdsOf(model.forests, features)
  if (model instanceof Mlp)
    return new Map(
      model.card.inputs.numbers.flatMap(({ mean, std }, f): [string, number[]][] => {
        const column = features[f]
        return column === undefined ? [] : [[column, spread.map(z => mean + z * std)]]
      }),
    )
  if (model instanceof Tabm)
    return new Map(
      model.card.inputs.numbers.flatMap(({ quantiles }, f): [string, number[]][] => {
        const column = features[f]
        return column === undefined ? [] : [[column, betweenQuantiles(quantiles)]]
      }),
    )
  if (!(model instanceof Realmlp)) return new Map()
  return new Map(
    model.card.inputs.numbers.flatMap(({ median, scale }, f): [string, number[]][] => {
      const column = features[f]
      const unit = scale > 0 ? 1 / scale : 1
      return column === undefined ? [] : [[column, spread.map(z => median + z * unit)]]
    }),
  )
}

/** Places of numbers around their middle, in units of their spread. */
const spread = [-5, -2, -1, -0.3, 0, 0.1, 0.7, 1.5, 4]
const mostThresholds = 200

/** Quantiles, the middles between them, and values beyond both ends. */
function betweenQuantiles(quantiles: readonly number[]): number[] {
  if (quantiles.length === 0) return [0]
  const [first, last] = [quantiles[0]!, quantiles.at(-1)!]
  const middles = quantiles.slice(1).map((value, i) => (value + quantiles[i]!) / 2)
  return [...quantiles, ...middles, first - (last - first), last + (last - first)]
}

function thresholdsOf(forests: readonly Forest[], features: readonly (string | undefined)[]): Map<string, number[]> {
  const all = new Map<string, Set<number>>()
  for (const tree of forests.flatMap(forest => forest.trees))
    for (const [node, f] of tree.feature.entries()) {
      const [column, at] = [features[f], tree.threshold[node]!]
      if (column === undefined || tree.decision[node]! & categorical || !Number.isFinite(at)) continue
      const values = all.get(column) ?? new Set()
      if (values.size < mostThresholds) for (const value of around(at)) values.add(value)
      all.set(column, values)
    }
  return new Map([...all].map(([column, values]) => [column, [...values]]))
}

/** The float32 numbers next to a threshold. */
function around(threshold: number): number[] {
  const near = Float32Array.of(threshold)
  const bits = new Int32Array(near.buffer)
  const steps = [-1, 0, 1].map(step => {
    const moved = Int32Array.of(bits[0]! + step)
    return new Float32Array(moved.buffer)[0]!
  })
  return steps.filter(Number.isFinite)
}

const day = 86_400

/** Dates around the origin, and those that are special in a calendar. */
function someDates(origin: number, random: Random): number[] {
  const special = [
    '1900-02-28T23:59:59',
    '1969-12-31T23:59:59',
    '1970-01-01T00:00:00',
    '1999-12-31T12:00:00',
    '2000-02-29T06:30:15',
    '2001-03-01T00:00:00',
    '2023-03-31T18:45:10',
    '2024-02-29T00:00:01',
    '2024-12-31T23:59:59',
    '2100-02-28T00:00:00',
    '2100-03-01T00:00:00',
  ].map(text => Date.parse(`${text}Z`) / 1000)
  const near = Array.from({ length: 300 }, () => Math.floor(origin + (random.uniform() - 0.5) * 20 * 365.25 * day))
  return [Math.floor(origin), ...special, ...near]
}
