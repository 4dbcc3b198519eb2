import { AnnealError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import type { Find } from './lookup.ts'
import { type Listing, nameIn, splitNamed } from './names.ts'
import type { LabelOptions } from './options.ts'
import { type Cell, type Column, cellNumber, cellText, columnNamed, type Table } from './table.ts'
import type { Choice } from './types.ts'

/** What the columns of a table are for. */
export interface Roles {
  file: Column
  find: Find
  /** One column of labels or of numbers, or one a label. */
  labels: Column[]
  split?: Column | undefined
  group?: Column | undefined
  time?: Column | undefined
  choices: Choice[]
}

const fileNames =
  /^(file|files|filename|file_?name|path|file_?path|image|images|image_?(name|file|path|id)|img|picture|photo|name|id)$/i
const labelNames =
  /^(label|labels|class|classes|class_?name|label_?name|target|targets|tag|tags|category|categories|diagnosis|species|breed|y)$/i
const splitColumns = /^(split|set|subset|fold|partition|is_?valid|dataset|phase)$/i
const groupColumns = /^(patient|subject|person|group|site|session|scene|video|series)(_?(id|name|number))?$/i

/** How many rows are looked at to tell what a column holds. */
const looked = 1000

/** Finds the columns of a table that were not named: the file column names files below the folder; the split column is
 *  called so and holds train, valid, test or booleans; of what is left one is called label (or class, tags, …), is the
 *  only one, or all are 0/1. Throws where that leaves a doubt, with the names to choose from. */
export function findRoles(
  table: Table,
  { listing, finder }: { listing: Listing; finder: (names: Iterable<string>) => Find },
  options: LabelOptions,
): Roles {
  const choices: Choice[] = []
  const choose = (what: string, value: string, reason: string) => choices.push({ what, value, reason })
  const named = (name: string | undefined, property: string) =>
    name === undefined ? undefined : columnNamed(table, name, property)
  const group = named(options.groupColumn, 'groupColumn')
  const time = named(options.timeColumn, 'timeColumn')
  const asked = [options.targets ?? options.labelColumn ?? []].flat()
  const given = asked.map(name => columnNamed(table, name, options.targets ? 'targets' : 'labelColumn'))
  let split = named(options.splitColumn || undefined, 'splitColumn')
  const taken = () => new Set([group, time, split, ...given])

  const fileNamed = named(options.fileColumn, 'fileColumn')
  const { column: file, find, share } = fileColumn(table, { listing, finder, named: fileNamed, taken: taken() })
  if (!fileNamed) choose('file column', file.name, `${percent(share, 0)} of its names are files below ${listing.dir}`)

  const free = () => table.columns.filter(column => column !== file && !taken().has(column))
  if (options.splitColumn === undefined && !time) {
    split = free().find(column => splitColumns.test(column.name) && holdsSplits(column, options))
    if (split) choose('split column', split.name, `it holds ${distinct(split).slice(0, 4).join(', ')}`)
  }
  const labels = given.length > 0 ? given : labelColumns(table, free(), choose)
  if (!split && !time && options.splitColumn === undefined) {
    const unused = free().find(column => splitColumns.test(column.name) && !labels.includes(column))
    if (unused) choose('split column', 'none', unusedSplit(unused))
  }
  const left = free().find(column => groupColumns.test(column.name) && !labels.includes(column) && repeats(column))
  if (left && !group && !time && !split && options.groupRegex === undefined)
    choose(
      'groups',
      'none',
      `column "${left.name}" may name them; ${option('groupColumn')} keeps each on one side of the split`,
    )
  return { file, find, labels, split, group, time, choices }
}

/** Why a column that is called as one of splits is none, and how it would be. */
function unusedSplit(column: Column): string {
  const words = distinct(column)
  const some = `${words.slice(0, 4).join(', ')}${words.length > 4 ? ', …' : ''}`
  const numbers = words.length > 1 && words.every(word => Number.isInteger(cellNumber(word)))
  return numbers
    ? `column "${column.name}" holds ${some} and is left unused; ${setting('splitColumn', column.name)} takes its numbers as folds`
    : `column "${column.name}" holds ${some || 'nothing'}, which names no split, and is left unused`
}

/** Up to `looked` rows, spread over all, at uneven distances, as what rows hold may alternate. */
function sampled({ cells }: Column): Cell[] {
  if (cells.length <= looked) return [...cells]
  const step = cells.length / looked
  return Array.from({ length: looked }, (_, i) => cells[Math.floor((i + ((i * 0.618034) % 1)) * step)]!)
}

const distinct = (column: Column): string[] => [...new Set(sampled(column).map(cellText))].filter(text => text !== '')

const repeats = (column: Column): boolean => distinct(column).length < sampled(column).length

function fileColumn(
  table: Table,
  {
    listing,
    finder,
    named,
    taken,
  }: {
    listing: Listing
    finder: (names: Iterable<string>) => Find
    named: Column | undefined
    taken: ReadonlySet<Column | undefined>
  },
): { column: Column; find: Find; share: number } {
  const scored = (named ? [named] : table.columns.filter(column => !taken.has(column))).map(column => {
    const names = distinct(column)
    const find = finder(names)
    const found = names.filter(name => find(name) !== undefined).length
    return { column, find, share: found / Math.max(1, names.length), count: found }
  })
  if (named) return scored[0]!
  const usual = ({ column }: { column: Column }) => Number(fileNames.test(column.name))
  const best = scored
    .filter(({ share }) => share >= 0.5)
    .sort((a, b) => b.count - a.count || b.share - a.share || usual(b) - usual(a))[0]
  if (best) return best
  const nearest = scored.sort((a, b) => b.count - a.count || usual(b) - usual(a))[0]
  const example = nearest ? distinct(nearest.column)[0] : undefined
  throw new AnnealError(
    `no column of ${table.file} names files below ${listing.dir} (columns ${table.columns.map(c => `"${c.name}"`).join(', ')}${example === undefined ? '' : `; "${nearest!.column.name}" holds "${example}"`}); the folder holds ${listing.files.length === 0 ? 'no files' : `${plural(listing.files.length, 'file')}, such as "${nameIn(listing, 0)}"`}. Check the folder, or name the column with ${option('fileColumn')}.`,
  )
}

function holdsSplits(column: Column, { fold }: LabelOptions): boolean {
  const words = distinct(column)
  if (words.length === 0) return false
  if (fold !== undefined && words.length > 1 && words.every(word => Number.isInteger(cellNumber(word)))) return true
  return words.every(word => splitNamed(word) !== undefined || (/^is/i.test(column.name) && flag(word) !== undefined))
}

const yes = new Set(['1', 'true', 'yes', 't', 'y'])
const no = new Set(['0', 'false', 'no', 'f', 'n', ''])

/** A cell as yes or no, undefined where it is neither; empty is no. */
export function flag(cell: Cell | undefined): boolean | undefined {
  const text = cellText(cell)
    .toLowerCase()
    .replace(/^([01])\.0*$/, '$1')
  return yes.has(text) ? true : no.has(text) ? false : undefined
}

/** A flag, or -1, of which it is asked what it means. */
const isMark = (cell: Cell): boolean => flag(cell) !== undefined || cellNumber(cell) === -1

const isIndex = ({ name }: Column) => /^(column \d+|unnamed.*|index|)$/i.test(name)

function labelColumns(
  table: Table,
  left: Column[],
  choose: (what: string, value: string, reason: string) => void,
): Column[] {
  const free = left.length > 1 ? left.filter(column => !isIndex(column)) : left
  const called = free.filter(({ name }) => labelNames.test(name))
  const one = called.length === 1 ? called[0] : free.length === 1 ? free[0] : undefined
  if (one) {
    choose('label column', one.name, called.length === 1 ? 'by its name' : 'no other column is left')
    return [one]
  }
  const flags = called.length > 1 ? called : free
  if (flags.length > 1 && flags.every(column => sampled(column).every(isMark))) {
    const names = flags.map(column => column.name)
    choose('label columns', names.join(', '), 'each holds 0 and 1, true and false')
    return flags
  }
  const names = flags.map(column => `"${column.name}"`)
  throw new AnnealError(
    names.length === 0
      ? `${table.file} has no column of labels beside the names of the files; expected one more column, such as label.`
      : `${table.file} has several columns that may hold the labels: ${names.join(', ')}. Name one with ${option('labelColumn')}, or several where each is a label of 0 and 1.`,
  )
}
