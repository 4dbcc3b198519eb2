import { DataError, OptionError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import { purpose, rng, shuffle } from '../base/random.ts'
import { balanceGroups, type Group } from '../data/split/group-split.ts'
import { validCount } from '../data/split/spread-labels.ts'
import { rankedParts } from '../data/split/stratify.ts'
import type { Choice } from '../data/types.ts'
import { asSetting } from './columns/as-setting.ts'
import { checkName } from './columns/kinds.ts'
import { gather } from './gather.ts'
import type { TableTarget } from './target.ts'
import type { ColumnUse, Frame, FrameColumn } from './types.ts'

/** How rows are divided. */
export interface SplitOptions {
  /** The share of the rows that validate. Default: 0.2. */
  valid?: number | undefined
  /** The share of the rows for the test. Default: 0. */
  test?: number | undefined
  seed?: number | undefined
  /** Rows with the same value of this column stay together. */
  groupColumn?: string | undefined
  /** The latest rows validate, and later ones still are the test. */
  timeColumn?: string | undefined
  /** A column that names the part of each row: train, valid, test. */
  splitColumn?: string | undefined
  /** Cross-validation: the number of folds, and the one that validates, from 0. */
  folds?: number | undefined
  fold?: number | undefined
}

/** The rows of each part, ascending. */
export interface TableSplit {
  train: Int32Array
  valid: Int32Array
  test: Int32Array
  how: 'random' | 'group' | 'time' | 'column'
  /** The column that decided. */
  column?: string
}

const parts = ['train', 'valid', 'test'] as const

/** Divides the rows that have a target. Random parts are stratified: by class, or by the rank of the first number. Throws
 *  for options that contradict each other. `choices` gets how it was done, and a proposal where dates or ids repeat. */
export function splitTable(
  frame: Frame,
  { target, uses, ...options }: SplitOptions & { target: TableTarget; uses: readonly ColumnUse[] },
): { split: TableSplit; choices: Choice[] } {
  const { valid = 0.2, test = 0, seed = 42, folds, fold = 0, groupColumn, timeColumn, splitColumn } = options
  checkOptions({ ...options, valid, test, seed, fold }, frame)
  const choices: Choice[] = []
  const rows = target.rows
  const named = (name: string) => frame.columns.find(column => column.name === name)!
  const made = splitColumn
    ? { how: 'column' as const, column: splitColumn, of: byColumn(named(splitColumn), rows, frame.source) }
    : timeColumn
      ? { how: 'time' as const, column: timeColumn, of: byTime(named(timeColumn), rows, { valid, test }) }
      : groupColumn
        ? {
            how: 'group' as const,
            column: groupColumn,
            of: byGroup(named(groupColumn), target, { valid, test, seed, folds, fold }),
          }
        : { how: 'random' as const, column: undefined, of: atRandom(target, { valid, test, seed, folds, fold }) }
  const [train, valids, tests] = parts.map((_, part) => rows.filter((_, i) => made.of[i] === part)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  for (const [name, own] of [
    ['training', train],
    ['validation', valids],
  ] as const)
    if (own.length === 0)
      throw new DataError(
        allAlone(target)
          ? `no row is for ${name}: each of the ${target.info.classes.length} classes of "${target.info.columns[0]}" has one row, and a class needs two rows to be in both parts. Join classes, or choose another target.`
          : `no row is for ${name}: ${plural(rows.length, 'row')} with a target are too few, or ${made.column ? `"${made.column}"` : 'the shares'} put all of them elsewhere. Expected at least one row in each part.`,
      )
  const sizes = `${plural(train.length, 'row')} for training, ${valids.length.toLocaleString('en-US')} for validation${tests.length > 0 ? `, ${tests.length.toLocaleString('en-US')} for the test` : ''}`
  choices.push({
    what: 'split',
    value: `${waysInWords(made.how, made.column, target)}: ${sizes}`,
    reason: reasonOf(made.how, options, { valid, seed }),
  })
  if (made.how === 'random') choices.push(...proposals(frame, uses, rows))
  const split: TableSplit = {
    train,
    valid: valids,
    test: tests,
    how: made.how,
    ...(made.column ? { column: made.column } : {}),
  }
  return { split, choices }
}

/** Whether each class has one row. */
const allAlone = ({ info, values, rows }: TableTarget): boolean =>
  info.task === 'single' && new Set(gather(values, rows)).size === rows.length

function waysInWords(how: TableSplit['how'], column: string | undefined, { info }: TableTarget): string {
  if (how === 'random')
    return info.task === 'single' ? 'at random, in each class alike' : 'at random, small and large targets alike'
  return how === 'time'
    ? `the latest rows by "${column}" validate`
    : how === 'group'
      ? `by group, "${column}"`
      : `as "${column}" says`
}

function reasonOf(
  how: TableSplit['how'],
  { folds, fold = 0 }: SplitOptions,
  { valid, seed }: { valid: number; seed: number },
): string {
  if (how === 'column') return 'the column names the part of each row'
  if (folds) return `fold ${fold} of ${folds} validates; ${setting('seed', seed)}`
  return `${percent(valid, 0)} validate (${option('valid')}); ${setting('seed', seed)}`
}

function checkOptions(
  {
    valid,
    test,
    seed,
    folds,
    fold,
    groupColumn,
    timeColumn,
    splitColumn,
  }: SplitOptions & { valid: number; test: number; seed: number; fold: number },
  frame: Frame,
): void {
  if (!(valid > 0 && valid < 1))
    throw new OptionError(
      `${option('valid')} is the share of the rows for validation, between 0 and 1; got ${valid}. Try 0.2.`,
    )
  if (!(test >= 0 && test < 1 && test + valid < 1))
    throw new OptionError(
      `${option('test')} is the share of the rows for the test, from 0, and less than 1 together with ${setting('valid', valid)}; got ${test}.`,
    )
  if (!Number.isSafeInteger(seed)) throw new OptionError(`${option('seed')} is a whole number; got ${seed}. Try 42.`)
  if (folds !== undefined && (!Number.isInteger(folds) || folds < 2 || folds > 1000))
    throw new OptionError(`${option('folds')} is a whole number from 2 to 1000; got ${folds}. Try 5.`)
  if (folds !== undefined && !(Number.isInteger(fold) && fold >= 0 && fold < folds))
    throw new OptionError(
      `${option('fold')} is the number of one of the ${folds} folds, from 0 to ${folds - 1}; got ${fold}.`,
    )
  const names = frame.columns.map(({ name }) => name)
  const given = Object.entries({ groupColumn, timeColumn, splitColumn }).filter(([, name]) => name !== undefined) as [
    string,
    string,
  ][]
  for (const [property, name] of given) checkName(name, names, property)
  if (given.length > 1)
    throw new OptionError(
      `${given.map(([property]) => option(property)).join(' and ')} each decide the split; leave all but one out.`,
    )
  if (folds !== undefined && (timeColumn || splitColumn))
    throw new OptionError(
      `${option('folds')} and ${option(timeColumn ? 'timeColumn' : 'splitColumn')} contradict each other; leave one of them out.`,
    )
}

interface Shares {
  valid: number
  test: number
  seed: number
  folds?: number | undefined
  fold?: number | undefined
}

/** The parts of rows that are drawn: the test first, then validation from the rest. */
function atRandom(target: TableTarget, { valid, test, seed, folds, fold }: Shares): Int8Array {
  const { info, values, rows } = target
  const width = info.task === 'single' ? 1 : info.columns.length
  const own = gather(values, rows, width)
  const draw = (at: Int32Array, share: number, salt: number): Int32Array =>
    info.task === 'single'
      ? stratified(gather(own, at), share, { seed, salt })
      : rankedParts(gather(own, at), { shares: [1 - share, share], folds: false }, seed + salt)
  const of = new Int8Array(rows.length)
  let pool = Int32Array.from(rows.keys())
  if (test > 0) {
    const drawn = draw(pool, test, 1)
    pool.forEach((i, k) => {
      if (drawn[k] === 1) of[i] = 2
    })
    pool = pool.filter(i => of[i] === 0)
  }
  const picked = folds
    ? foldsOf(gather(own, pool), { folds, seed, single: info.task === 'single' }).map(k => Number(k === fold))
    : draw(pool, Math.min(0.999, valid / (1 - test)), 0)
  pool.forEach((i, k) => {
    if (picked[k] === 1) of[i] = 1
  })
  return of
}

/** The rows of each class, ascending. Classes are numbers from 0. */
function byClass(classes: Float64Array): Map<number, Int32Array> {
  let most = 0
  for (let i = 0; i < classes.length; i++) if (classes[i]! > most) most = classes[i]!
  const counts = new Uint32Array(most + 1)
  for (let i = 0; i < classes.length; i++) counts[classes[i]!]!++
  const all = Array.from(counts, n => new Int32Array(n))
  const at = new Uint32Array(most + 1)
  for (let i = 0; i < classes.length; i++) all[classes[i]!]![at[classes[i]!]!++] = i
  return new Map([...all.entries()].filter(([, rows]) => rows.length > 0))
}

function stratified(classes: Float64Array, share: number, { seed, salt }: { seed: number; salt: number }): Int32Array {
  const drawn = new Int32Array(classes.length)
  for (const [own, pool] of byClass(classes))
    for (const i of shuffle(pool, rng(seed, own, 4 + salt, purpose.split)).subarray(0, validCount(pool.length, share)))
      drawn[i] = 1
  return drawn
}

/** The fold of each row: rows of a class, or neighbours by rank, are dealt in turn. */
function foldsOf(
  values: Float64Array,
  { folds, seed, single }: { folds: number; seed: number; single: boolean },
): Int32Array {
  if (values.length < folds)
    throw new DataError(`${folds} folds of ${plural(values.length, 'row')}: expected at least as many rows as folds.`)
  if (!single) return rankedParts(values, { shares: Array.from({ length: folds }, () => 1 / folds), folds: true }, seed)
  const of = new Int32Array(values.length)
  let next = 0
  for (const [own, pool] of byClass(values))
    for (const i of shuffle(pool, rng(seed, own, 4, purpose.split))) of[i] = next++ % folds
  return of
}

/** The value of a column in each row as a number that is equal for equal values; -1 where it is missing. */
function keysOf(column: FrameColumn, rows: Int32Array): Int32Array {
  if (column.type === 'words') return Int32Array.from(rows, row => column.values.codes[row]!)
  const seen = new Map<number, number>()
  return Int32Array.from(rows, row => {
    const value = column.values[row]!
    if (Number.isNaN(value)) return -1
    const key = seen.get(value) ?? seen.size
    seen.set(value, key)
    return key
  })
}

function byGroup(
  column: FrameColumn,
  { info, values, rows }: TableTarget,
  { valid, test, seed, folds, fold }: Shares,
): Int8Array {
  const keys = keysOf(column, rows)
  const width = info.task === 'single' ? 1 : info.columns.length
  const fifths = info.task === 'regression' ? fifthsOf(gather(values, rows, width)) : undefined
  const numbers = new Map<number, number>()
  const groups: { size: number; counts: Map<number, number> }[] = []
  const member = Int32Array.from(keys, (key, i) => {
    const own = key < 0 ? -2 - i : key // a row without a group is a group of its own
    const number = numbers.get(own) ?? groups.push({ size: 0, counts: new Map() }) - 1
    numbers.set(own, number)
    const { counts } = groups[number]!
    const label = fifths ? fifths[i]! : values[rows[i]!]!
    groups[number]!.size++
    counts.set(label, (counts.get(label) ?? 0) + 1)
    return number
  })
  const wanted = folds ?? (test > 0 ? 3 : 2)
  if (groups.length < wanted)
    throw new DataError(
      `"${column.name}" has ${plural(groups.length, 'group')}, which can't be divided into ${wanted} parts without a group on two sides. Expected at least ${wanted} groups.`,
    )
  const shares = folds
    ? Array.from({ length: folds }, () => 1 / folds)
    : test > 0
      ? [1 - valid - test, valid, test]
      : [1 - valid, valid]
  const places = balanceGroups(
    groups as Group[],
    { shares, folds: folds !== undefined },
    rng(seed, 0, 2, purpose.split),
  )
  return Int8Array.from(member, group => (folds ? Number(places[group] === fold) : places[group]!))
}

function fifthsOf(values: Float64Array): Int32Array {
  const of = new Int32Array(values.length)
  Int32Array.from(values.keys())
    .sort((a, b) => values[a]! - values[b]! || a - b)
    .forEach((i, at) => {
      of[i] = Math.floor((at * 5) / values.length)
    })
  return of
}

/** The latest rows are the test, those before them validate. Rows of one time stay together. */
function byTime(column: FrameColumn, rows: Int32Array, { valid, test }: { valid: number; test: number }): Int8Array {
  if (column.type === 'words')
    throw new DataError(
      `${setting('timeColumn', column.name)}: "${column.name}" holds words; expected dates or numbers. ${asSetting(column.name, 'date')} says why a cell is no date.`,
    )
  const { values, name } = column
  const missing = rows.find(row => Number.isNaN(values[row]!))
  if (missing !== undefined)
    throw new DataError(
      `row ${missing + 1} has no value of "${name}", by which the rows are divided. Fill it, or leave the row out with SQL.`,
    )
  const order = Int32Array.from(rows.keys()).sort((a, b) => values[rows[a]!]! - values[rows[b]!]! || a - b)
  const timeAt = (k: number) => values[rows[order[k]!]!]!
  const starts = Array.from(order.keys()).filter(k => k > 0 && timeAt(k) > timeAt(k - 1))
  if (starts.length < (test > 0 ? 2 : 1))
    throw new DataError(
      `a split by time needs ${test > 0 ? 'three' : 'two'} different times; "${name}" has ${starts.length + 1}. Leave ${option('timeColumn')} out.`,
    )
  const nearest = (wanted: number, among: readonly number[]) =>
    among.reduce((best, at) => (Math.abs(at - wanted) < Math.abs(best - wanted) ? at : best))
  const testFrom = test > 0 ? nearest(order.length * (1 - test), starts.slice(1)) : order.length
  const validFrom = nearest(
    order.length * (1 - test - valid),
    starts.filter(at => at < testFrom),
  )
  const of = new Int8Array(rows.length)
  order.forEach((i, k) => {
    of[i] = k >= testFrom ? 2 : k >= validFrom ? 1 : 0
  })
  return of
}

const partWords: Record<string, number> = {
  train: 0,
  training: 0,
  tr: 0,
  fit: 0,
  valid: 1,
  validation: 1,
  val: 1,
  dev: 1,
  test: 2,
  testing: 2,
  holdout: 2,
}

function byColumn(column: FrameColumn, rows: Int32Array, source: string): Int8Array {
  const words = column.type === 'words' ? column.values.words : undefined
  const wordOf = (row: number) =>
    words ? words[(column.values as { codes: Int32Array }).codes[row]!] : (column.values as Float64Array)[row]
  return Int8Array.from(rows, row => {
    const word = wordOf(row)
    const part = partWords[String(word ?? '').toLowerCase()]
    if (part === undefined)
      throw new DataError(
        `${source}, row ${row + 1}: ${word === undefined || Number.isNaN(word) ? `"${column.name}" is empty` : `"${word}" in "${column.name}" is no part`}; expected train, valid or test.`,
      )
    return part
  })
}

/** Dates and ids that repeat, by which rows should be divided perhaps. */
function proposals(frame: Frame, uses: readonly ColumnUse[], rows: Int32Array): Choice[] {
  const found: Choice[] = []
  for (const { name, kind } of uses) {
    const column = frame.columns.find(one => one.name === name)!
    if (kind === 'date')
      found.push({
        what: 'split by time',
        value: 'proposed, not done',
        reason: `"${name}" holds dates. If the model shall predict later rows than those it is trained on, a random split is too hopeful: ${setting('timeColumn', name)}`,
      })
    else if (looksLikeGroup(column, rows))
      found.push({
        what: 'split by group',
        value: 'proposed, not done',
        reason: `values of "${name}" repeat, and its name is that of an id. If the model shall predict new ones, a random split is too hopeful: ${setting('groupColumn', name)}`,
      })
  }
  return found
}

const groupName =
  /(^|[ _-])(id|ids|uuid|key|user|customer|client|patient|subject|person|household|session|account|device|store|shop|product|item|sku|group|family|speaker|vendor|seller|driver|player)([ _-](id|no|nr|num|number|code|name))?$|[a-z](Id|ID)$/i

/** An id of which there are many, most of them in several rows. */
export function looksLikeGroup(column: FrameColumn, rows: Int32Array): boolean {
  if (!groupName.test(column.name)) return false
  if (column.type === 'date') return false
  const { filled, different } = differentIn(column, rows)
  return different >= 10 && filled > 1.5 * different
}

/** How many rows have a value, and how many values there are. */
function differentIn(column: FrameColumn, rows: Int32Array): { filled: number; different: number } {
  if (column.type === 'words') {
    const { codes, words } = column.values
    return { filled: rows.reduce((sum, row) => sum + Number(codes[row]! >= 0), 0), different: words.length }
  }
  const own = gather(column.values, rows).sort() // NaN comes last
  let different = 0
  let filled = 0
  for (; filled < own.length && !Number.isNaN(own[filled]); filled++)
    if (filled === 0 || own[filled] !== own[filled - 1]) different++
  return { filled, different }
}
