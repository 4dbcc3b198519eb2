import { existsSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { DataError, didYouMean } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import type { Indexing } from '../files/file-kind.ts'
import { findRoles, flag, type Roles } from '../tables/columns.ts'
import { namesTable } from '../tables/formats.ts'
import { type Column, cellNumber, type Pictures, readTable, type Table } from '../tables/table.ts'
import type { Choice, Problem, Split } from '../types.ts'
import { foldAlone } from './check-options.ts'
import { type Finder, fileFinders, listFor } from './find-files.ts'
import { checkFolder, type FolderIndex } from './from-folders.ts'
import { indexRows, type LabelledRows } from './index-rows.ts'
import type { Known } from './known-classes.ts'
import { type Listing, nameIn, splitNamed } from './name-patterns.ts'
import type { LabelOptions } from './options.ts'
import { readAnswers } from './parse-cells.ts'

/** Indexes the pictures below a folder that a table names, with the table's labels. The meaning of columns and cells
 *  that no option gives is found by their content (`choices` says why). Errors name line and column. */
export async function indexTable(
  dir: string,
  options: LabelOptions & { labels: string },
  { fileKind, known }: Indexing & { known?: Known },
): Promise<FolderIndex> {
  checkFolder(dir, `expected the folder of the ${fileKind.noun.many} that ${options.labels} names`, fileKind)
  const listing = listFor(dir, fileKind)
  const path = tablePath(dir, options.labels)
  const finder = fileFinders(listing, path)
  const table = await readTable(path, { fileKind, pictures: picturesBy(finder) })
  const roles = findRoles(table, { listing, finder }, known ? namedByModel(table, options, known) : options)
  const found = foundRows(table, roles, listing)
  return indexRows(labelledRows(table, { listing, roles, found, options, known }), options, known)
}

/** The path of the table, relative to the current directory or else to the folder of pictures. Throws if it is in
 *  neither. */
function tablePath(dir: string, labels: string): string {
  const paths = [labels, ...(isAbsolute(labels) ? [] : [join(dir, labels)])]
  const found = paths.find(path => existsSync(path))
  if (found !== undefined) return found
  const near = [...new Set([dirname(labels), dir, dirname(resolve(dir))].flatMap(tablesIn))]
  const some = near.slice(0, 10).join(', ') + (near.length > 10 ? ', …' : '')
  throw new DataError(
    `the table ${labels} can not be read: it does not exist (looked for ${paths.map(path => resolve(path)).join(' and ')}); ${near.length > 0 ? `tables near: ${some}.${didYouMean(labels, near)}` : 'there are no tables near.'} Name it with ${option('labels')}.`,
  )
}

/** The paths of the tables in a folder, by file extension. */
function tablesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter(namesTable)
    return names.sort().map(name => relative('', join(folder, name)))
  } catch {
    return []
  }
}

/** Uses a trained model's classes or targets as columns, if the table has all of them. */
export function namedByModel(table: Table, options: LabelOptions, { classes }: Known): LabelOptions {
  if (options.labelColumn !== undefined || options.targets !== undefined || options.task === 'single') return options
  if (!classes.every(name => table.columns.some(column => column.name === name))) return options
  return options.task === 'regression' ? { ...options, targets: classes } : { ...options, labelColumn: classes }
}

/** Finds which names in a table are pictures of the folder. Near matches count only if there is no exact match. */
const picturesBy =
  (finder: Finder): Pictures =>
  names => {
    const all = [...names]
    const { written, kind } = finder(all)
    return all.some(name => written(name) !== undefined) ? written : kind
  }

/** The rows of a table that have a sample, each with the sample's index in the listing. */
export interface FoundRows {
  rows: number[]
  files: number[]
  problems: Problem[]
}

/** Reads what the rows say about their samples: labels, splits, groups and times. */
export function labelledRows(
  table: Table,
  {
    listing,
    roles,
    found: { rows, files, problems },
    options,
    known,
  }: {
    listing: Listing
    roles: Omit<Roles, 'file' | 'find'>
    found: FoundRows
    options: LabelOptions
    known: Known | undefined
  },
): LabelledRows {
  const choices: Choice[] = [...table.choices, ...roles.choices]
  const splits = roles.split && readSplits(table, roles.split, { rows, options, choices })
  if (splits && !known && !splits.includes('train'))
    throw new DataError(
      `${table.file}, column "${roles.split!.name}" leaves no ${listing.fileKind.noun.one} for training; expected train beside valid and test.`,
    )
  if (options.fold !== undefined && options.folds === undefined && !foldColumn(table, roles.split)) throw foldAlone()
  const test = splits && new Set(rows.filter((_, i) => splits[i] === 'test'))
  const answers = readAnswers(
    {
      columns: roles.labels,
      rows,
      test: row => !known && (test?.has(row) ?? false),
      where: table.where,
      known: known?.classes,
      noun: listing.fileKind.noun,
    },
    options,
  )
  const { group, time } = known ? {} : roles
  return {
    listing,
    files,
    answers,
    splits,
    groups: group && rows.map(row => filled(table, group, row, 'a group: the patient, the day')),
    times: time && rows.map(row => readTime(table, time, row)),
    where: i => table.where(rows[i]!),
    source: table.file,
    problems: [...listing.problems.filter(problem => problem.kind !== 'missing'), ...problems],
    choices,
  }
}

/** For how many missing pictures the nearest name is searched. */
const mostNear = 3

/** The rows with an existing picture, and its index in the listing. */
function foundRows(table: Table, { file, find }: Roles, listing: Listing): FoundRows {
  const rows: number[] = []
  const files: number[] = []
  const problems: Problem[] = []
  for (let row = 0; row < table.rows; row++) {
    const name = filled(table, file, row, `the name of a ${listing.fileKind.noun.one}`)
    const found = find(name)
    if (Array.isArray(found))
      throw new DataError(
        `${table.where(row, file)}: "${name}" may be ${found.map(i => nameIn(listing, i)).join(' or ')}; expected one file. Write its folder or its extension too.`,
      )
    if (found === undefined) {
      const near = problems.length < mostNear ? find.nearest(name) : undefined
      const like = near === undefined ? '' : `; the nearest name there is ${near}`
      const reason = `${table.where(row, file)} names it, but it is not below ${listing.dir}${like}`
      problems.push({ kind: 'missing', file: name, reason, kept: false, counted: true })
    } else {
      rows.push(row)
      files.push(found)
    }
  }
  if (rows.length === 0)
    throw new DataError(
      `none of the ${plural(table.rows, listing.fileKind.noun.one, listing.fileKind.noun.many)} that ${table.file} names is below ${listing.dir}: ${problems[0]!.file} (${table.where(0)}); the folder holds ${listing.files.length > 0 ? nameIn(listing, 0) : 'nothing'}. Check the folder, or name the column with ${option('fileColumn')}.`,
    )
  return { rows, files, problems }
}

/** The text of a cell that may not be empty. */
function filled(table: Table, column: Column, row: number, expected: string): string {
  const text = cellText(column.cells[row])
  if (text === '') throw new DataError(`${table.where(row, column)}: it is empty; expected ${expected}.`)
  return text
}

/** Whether a column holds fold numbers rather than the names of splits. */
function foldColumn(table: Table, column: Column | undefined): column is Column {
  if (!column || /^is/i.test(column.name)) return false
  for (let row = 0; row < table.rows; row++) if (!Number.isInteger(cellNumber(column.cells[row]))) return false
  return true
}

function readSplits(
  table: Table,
  column: Column,
  { rows, options, choices }: { rows: readonly number[]; options: LabelOptions; choices: Choice[] },
): Split[] {
  if (foldColumn(table, column) && !(options.fold === undefined && onlyFlags(column.cells))) {
    const folds = [...new Set(rows.map(row => cellNumber(column.cells[row])))].sort((a, b) => a - b)
    const fold = options.fold ?? folds[0]!
    if (!folds.includes(fold))
      throw new DataError(
        `${table.file}, column "${column.name}" has no fold ${fold}; expected one of ${folds.slice(0, 20).join(', ')}.`,
      )
    choices.push({
      what: 'validation',
      value: `fold ${fold}`,
      reason: `column "${column.name}" holds ${plural(folds.length, 'fold')}`,
    })
    return rows.map(row => (cellNumber(column.cells[row]) === fold ? 'valid' : 'train'))
  }
  const forTest = /test/i.test(column.name)
  const splits = rows.map((row): Split => {
    const text = filled(table, column, row, 'train, valid or test')
    const yes = flag(text)
    const split = splitNamed(text) ?? (yes === undefined ? undefined : yes ? (forTest ? 'test' : 'valid') : 'train')
    if (split) return split
    throw new DataError(
      `${table.where(row, column)}: "${text}" is not a split; expected train, valid or test, or true and false for validation and training.`,
    )
  })
  return splits
}

const onlyFlags = (cells: readonly Cell[]): boolean => cells.every(cell => flag(cell) !== undefined)

/** Reads a time: a number unchanged, a date as seconds since 1970. */
function readTime(table: Table, column: Column, row: number): number {
  const text = filled(table, column, row, 'a date or a number')
  const number = cellNumber(column.cells[row])
  if (Number.isFinite(number)) return number
  const parts = /^(\d{4})[-:/.](\d{1,2})[-:/.](\d{1,2})(?:[T ](.+))?$/.exec(text)
  if (parts) {
    const [, year, month, day, clock = '00:00'] = parts
    const zoned = /(z|[+-]\d\d:?\d\d)$/i.test(clock) ? clock : `${clock}Z`
    const time = Date.parse(`${year}-${month!.padStart(2, '0')}-${day!.padStart(2, '0')}T${zoned}`)
    if (Number.isFinite(time)) return time / 1000
  }
  throw new DataError(
    `${table.where(row, column)}: "${text}" is not a time; expected a number or a date such as 2024-05-31 or 2024-05-31 17:45.`,
  )
}
