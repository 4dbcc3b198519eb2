import { type AnnealError, DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { samples } from '../../base/samples.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import type { Find, Finder } from '../labels/find-files.ts'
import { type Listing, splitNamed } from '../labels/name-patterns.ts'
import type { LabelOptions } from '../labels/options.ts'
import type { Choice } from '../types.ts'
import { fileColumn } from './file-column.ts'
import { groupColumns, indexNames, labelNames, splitColumns } from './roles.ts'
import { countsRows, distinct, numbersRows, repeats, sampled } from './sampled.ts'
import { type Column, cellNumber, columnNamed, columnsNamed, type Table } from './table.ts'

/** The role of each column of a table. */
export interface Roles {
  file: Column
  find: Find
  /** One column of labels or numbers, or one column per label or target. */
  labels: Column[]
  split?: Column | undefined
  group?: Column | undefined
  time?: Column | undefined
  choices: Choice[]
}

/** Finds the columns of a table that the options do not name. The file column names files below the folder. The split
 *  column has a usual name and holds train, valid, test or booleans. The label column is called label (or class, tags,
 *  …) or is the only one left; or all columns left hold 0 and 1. Throws if several columns fit, with their names. */
export function findRoles(
  table: Table,
  { listing, finder }: { listing: Listing; finder: Finder },
  options: LabelOptions,
): Roles {
  const named = namedColumns(table, options)
  const fileNamed = options.fileColumn === undefined ? undefined : columnNamed(table, options.fileColumn, 'fileColumn')
  refuseTwice(table, { fileColumn: fileNamed, ...named.roles }, named.labels, options)
  const taken = new Set([...Object.values(named.roles), ...named.labels])
  const { column: file, find, reason } = fileColumn(table, { listing, finder, named: fileNamed, taken })
  const choices: Choice[] = fileNamed ? [] : [{ what: 'file column', value: file.name, reason }]
  for (const { way, count, name, file: near } of find.near())
    choices.push({
      what: 'names of files',
      value: `${plural(count, 'name')} found ${way}`,
      reason: `"${name}" in the table is ${near} in the folder; if this is wrong, write the names as they are in the folder`,
    })
  const others = otherRoles(table, { content: file, named, options })
  return { file, find, ...others, choices: [...choices, ...others.choices] }
}

/** The role of each column of a table whose rows hold the samples themselves in the column `content`; `property` is the
 *  option that names it. */
export function rolesBeside(
  table: Table,
  { content, property }: { content: Column; property: string },
  options: LabelOptions,
): Omit<Roles, 'file' | 'find'> {
  const named = namedColumns(table, options)
  refuseTwice(table, { [property]: content, ...named.roles }, named.labels, options)
  return otherRoles(table, { content, named, options })
}

/** The columns that the options name. */
interface NamedColumns {
  roles: { splitColumn: Column | undefined; groupColumn: Column | undefined; timeColumn: Column | undefined }
  labels: Column[]
}

function namedColumns(table: Table, options: LabelOptions): NamedColumns {
  const named = (name: string | undefined, property: string) =>
    name === undefined ? undefined : columnNamed(table, name, property)
  const groupColumn = named(options.groupColumn, 'groupColumn')
  const timeColumn = named(options.timeColumn, 'timeColumn')
  const asked = [options.targets ?? options.labelColumn ?? []].flat()
  const labels = columnsNamed(table, asked, options.targets ? 'targets' : 'labelColumn')
  return {
    roles: { splitColumn: named(options.splitColumn || undefined, 'splitColumn'), groupColumn, timeColumn },
    labels,
  }
}

/** The columns of labels, splits, groups and times beside the column of the samples. */
function otherRoles(
  table: Table,
  { content, named, options }: { content: Column; named: NamedColumns; options: LabelOptions },
): Omit<Roles, 'file' | 'find'> {
  const choices: Choice[] = []
  const choose = (what: string, value: string, reason: string) => choices.push({ what, value, reason })
  const { groupColumn: group, timeColumn: time } = named.roles
  const given = named.labels
  let split = named.roles.splitColumn
  const taken = () => new Set([group, time, split, ...given])
  const free = () => table.columns.filter(column => column !== content && !taken().has(column))
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
      `column "${left.name}" may name groups; ${option('groupColumn')} keeps each group on one side of the split`,
    )
  return { labels, split, group, time, choices }
}

/** Why a column with the name of a split column is not used, and how to use it. */
function unusedSplit(column: Column): string {
  const words = distinct(column)
  const some = `${words.slice(0, 4).join(', ')}${words.length > 4 ? ', …' : ''}`
  const numbers = words.length > 1 && words.every(word => Number.isInteger(cellNumber(word)))
  return numbers
    ? `column "${column.name}" holds ${some} and is not used; ${setting('splitColumn', column.name)} takes its numbers as folds`
    : `column "${column.name}" holds ${some || 'only empty cells'}, not the names of splits, and is not used`
}

function holdsSplits(column: Column, { fold }: LabelOptions): boolean {
  const words = distinct(column)
  if (words.length === 0) return false
  if (fold !== undefined && words.length > 1 && words.every(word => Number.isInteger(cellNumber(word)))) return true
  return words.every(word => splitNamed(word) !== undefined || (/^is/i.test(column.name) && flag(word) !== undefined))
}

const yes = new Set(['1', 'true', 'yes', 't', 'y'])
const no = new Set(['0', 'false', 'no', 'f', 'n', ''])

/** A cell as true or false, undefined if it is neither. An empty cell is false. */
export function flag(cell: Cell | undefined): boolean | undefined {
  const text = cellText(cell)
    .toLowerCase()
    .replace(/^([01])\.0*$/, '$1')
  return yes.has(text) ? true : no.has(text) ? false : undefined
}

/** Whether a column numbers the rows: by its name alone; by a name such as `id` and a different number in each row; or
 *  because it has no name although other columns have one. */
function isIndex(column: Column, { columns }: Table): boolean {
  const nameless = ({ name }: Column) => /^column \d+$/.test(name)
  if (nameless(column) && !columns.every(nameless)) return true
  if (/^(unnamed.*|index|__index_level_\d+__)$/i.test(column.name)) return true
  return (indexNames.test(column.name) || /^id$/i.test(column.name)) && numbersRows(column)
}

const isEmpty = (column: Column): boolean => column.cells.every(cell => cellText(cell) === '')

function labelColumns(
  table: Table,
  left: Column[],
  choose: (what: string, value: string, reason: string) => void,
): Column[] {
  const holding = left.filter(column => !isEmpty(column))
  const free = holding.length > 1 ? holding.filter(column => !isIndex(column, table)) : holding
  const called = free.filter(({ name }) => labelNames.test(name))
  const one = called.length === 1 ? called[0] : free.length === 1 ? free[0] : undefined
  if (one && called.length === 0 && indexNames.test(one.name) && countsRows(one)) throw noLabels(table, one)
  if (one) {
    choose('label column', one.name, called.length === 1 ? 'by its name' : 'no other column is left')
    return [one]
  }
  const flags = called.length > 1 ? called : free
  const first = flags[0]
  if (first && flags.every(({ cells }) => cells.every((cell, row) => cellText(cell) === cellText(first.cells[row])))) {
    choose('label column', first.name, `${flags.map(({ name }) => name).join(', ')} hold the same`)
    return [first]
  }
  // parse-cells.ts asks what -1 means.
  const isFlag = (cell: Cell) => flag(cell) !== undefined || cellNumber(cell) === -1
  if (flags.length > 1 && flags.every(column => sampled(column).every(isFlag))) {
    const names = flags.map(column => column.name)
    choose('label columns', names.join(', '), 'each holds 0 and 1, or true and false')
    return flags
  }
  if (flags.length === 0)
    throw noLabels(
      table,
      left.find(column => isIndex(column, table)),
    )
  throw new DataError(
    `${table.file} has several columns that may hold the labels: ${flags.map(column => `"${column.name}"`).join(', ')}. Name one with ${option('labelColumn')}, or several if each is a label of 0 and 1.`,
  )
}

function noLabels({ file }: Table, index: Column | undefined): AnnealError {
  const numbers = index
    ? ` ("${index.name}" numbers the rows; if the model should predict it, use ${setting('labelColumn', index.name)})`
    : ''
  return new DataError(
    `${file} has no column of labels beside the names of the files${numbers}; expected one more column, such as label. If the folders of the ${samples.many} are the classes, leave out ${option('labels')}.`,
  )
}

/** Throws if two options name the same column, in whatever spelling. */
function refuseTwice(
  { file }: Table,
  roles: Record<string, Column | undefined>,
  labels: readonly Column[],
  { targets }: LabelOptions,
): void {
  const seen = new Map<Column, string>()
  const all = [
    ...Object.entries(roles),
    ...labels.map((column): [string, Column] => [targets ? 'targets' : 'labelColumn', column]),
  ]
  for (const [property, column] of all) {
    if (!column) continue
    const before = seen.get(column)
    if (before !== undefined)
      throw new DataError(
        `${before === property ? `${option(property)} names` : `${option(before)} and ${option(property)} both name`} column "${column.name}" of ${file}${before === property ? ' twice' : ''}; expected another column for each. Leave one of them out.`,
      )
    seen.set(column, property)
  }
}
