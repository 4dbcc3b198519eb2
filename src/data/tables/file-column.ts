import { AnnealError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { type Find, type Finder, looksNamed } from '../labels/find-files.ts'
import { type Listing, nameIn } from '../labels/name-patterns.ts'
import { indexNames, labelNames, plainFileNames } from './roles.ts'
import { countsRows, distinct, sampledRows } from './sampled.ts'
import { type Column, cellText, type Table } from './table.ts'

/** The column that names files, how its names are found, and why it was taken: empty where it was named. */
export interface FileColumn {
  column: Column
  find: Find
  reason: string
}

interface Candidate {
  column: Column
  find: Find
  /** Of its different names: how many are files, and the share that are. */
  count: number
  share: number
  /** Its names are whole ones, with their ending. */
  whole: boolean
  /** The share of rows with a name of their own. */
  own: number
}

interface Search {
  listing: Listing
  finder: Finder
  named: Column | undefined
  /** Columns that are for something else. */
  taken: ReadonlySet<Column | undefined>
}

/** Finds the column that names files of the folder. Whole names, with an ending, beat names without one, which may be
 *  numbers of something else. Of several columns that name the same files the usual name decides; of such as name
 *  different files in the same row one is taken only where the others plainly number the rows or repeat; else they are
 *  refused, with both readings. */
export function fileColumn(table: Table, search: Search): FileColumn {
  const { listing, finder, named, taken } = search
  const column = (one: Column, reason: string): FileColumn => ({ column: one, find: allNames(one, finder), reason })
  if (named) return column(named, '')
  const free = table.columns.filter(one => !taken.has(one))
  const written = free.map(one => score(one, { finder, as: 'written' }))
  // Names that are nearly those of files are looked for where no column has whole names as they are.
  const scored = written.some(({ whole, share }) => whole && share >= 0.9)
    ? written
    : free.map(one => score(one, { finder, as: 'kind' }))
  const fitting = scored.filter(({ share }) => share >= 0.5)
  if (fitting.length === 0) throw noColumn(table, scored, listing)
  const whole = fitting.filter(one => one.whole)
  const missing = scored.find(one => !fitting.includes(one) && namesFiles(one.column, listing))
  if (whole.length === 0 && missing) throw mostlyMissing(table, { missing, other: fitting[0]!, listing })
  const pool = (whole.length > 0 ? whole : fitting).sort(
    (a, b) => b.count - a.count || b.share - a.share || usual(b) - usual(a),
  )
  const found = `${percent(pool[0]!.share, 0)} of its names are files below ${listing.dir}`
  const rivals = pool.slice(1).filter(one => differs(table, pool[0]!, one) !== undefined)
  const beaten = fitting.find(
    one => !one.whole && one !== pool[0] && whole.length > 0 && differs(table, pool[0]!, one) !== undefined,
  )
  if (rivals.length === 0) {
    const same = pool.length > 1 ? pool.reduce((best, one) => (usual(one) > usual(best) ? one : best)) : pool[0]!
    const kept = same.count === pool[0]!.count ? same : pool[0]!
    const other = beaten
      ? `, with their ending; "${beaten.column.name}" fits names without one, and ${setting('fileColumn', beaten.column.name)} takes it`
      : ''
    return column(kept.column, `${found}${other}`)
  }
  const best = decided(pool)
  if (!best) throw twoReadings(table, pool[0]!, { other: rivals[0]!, listing })
  const [taken1, why] = best
  const other = pool.find(one => one !== taken1 && differs(table, taken1, one) !== undefined)
  const share = `${percent(taken1.share, 0)} of its names are files below ${listing.dir}`
  return column(
    taken1.column,
    `${share}, and ${why}${other ? `; "${other.column.name}" fits other files, and ${setting('fileColumn', other.column.name)} takes it` : ''}`,
  )
}

const usual = ({ column }: Candidate): number => Number(plainFileNames.test(column.name))

function score(column: Column, { finder, as }: { finder: Finder; as: 'written' | 'kind' }): Candidate {
  const names = distinct(column)
  const find = finder(names)
  const kinds = names.map(name => find[as](name))
  const count = kinds.filter(kind => kind !== undefined).length
  const whole = kinds.filter(kind => kind === 'whole').length >= count / 2
  const rows = Math.max(1, sampledRows(column).length)
  return { column, find, count, share: count / Math.max(1, names.length), whole, own: names.length / rows }
}

/** A finder for all names of a column, of which none is taken for another's file. */
function allNames(column: Column, finder: Finder): Find {
  const names = new Set<string>()
  for (const cell of column.cells) names.add(cellText(cell))
  return finder(names)
}

/** Whether most cells end as names of such files do. */
function namesFiles(column: Column, { fileKind }: Listing): boolean {
  const names = distinct(column)
  return names.length > 0 && names.filter(name => looksNamed(name, fileKind)).length >= names.length / 2
}

/** A row in which two columns name different files. */
function differs(table: Table, a: Candidate, b: Candidate): number | undefined {
  return sampledRows(a.column).find(row => {
    if (row >= table.rows) return false
    const [one, other] = [a, b].map(({ column, find }) => find(cellText(column.cells[row])))
    return typeof one === 'number' && typeof other === 'number' && one !== other
  })
}

/** The one column that the others leave, and why: it alone is plainly called as one of files; they number the rows; they
 *  repeat or are called as labels. Whole names leave nothing to such signs. */
function decided(pool: readonly Candidate[]): [Candidate, string] | undefined {
  const only = (fits: (one: Candidate) => boolean, why: string): [Candidate, string] | undefined => {
    const left = pool.filter(fits)
    return left.length === 1 ? [left[0]!, why] : undefined
  }
  if (pool.every(one => one.whole)) return undefined
  return (
    only(one => usual(one) > 0, 'its name says so') ??
    only(one => !(indexNames.test(one.column.name) && countsRows(one.column)), 'other such columns number the rows') ??
    only(one => !labelNames.test(one.column.name) && one.own >= 0.5, 'the others repeat or are called as labels')
  )
}

function twoReadings(table: Table, a: Candidate, { other: b, listing }: { other: Candidate; listing: Listing }): Error {
  const row = differs(table, a, b)!
  const reading = ({ column, find }: Candidate) => {
    const name = cellText(column.cells[row])
    return `by "${column.name}" it is ${nameIn(listing, find(name) as number)} ("${name}"): ${setting('fileColumn', column.name)}`
  }
  return new AnnealError(
    `two columns of ${table.file} name files below ${listing.dir}, and not the same ones. ${table.where(row)}: ${reading(a)}; ${reading(b)}. Say which one is meant.`,
  )
}

/** Whole names are there and mostly not on the disk, and another column fits by numbers: its labels would be others'. */
function mostlyMissing(
  table: Table,
  { missing, other, listing }: { missing: Candidate; other: Candidate; listing: Listing },
): Error {
  const names = distinct(missing.column)
  const lost = names.find(name => missing.find(name) === undefined)!
  const near = missing.find.nearest(lost)
  const nearText = near === undefined ? '' : `; the nearest in the folder is "${near}"`
  return new AnnealError(
    `column "${missing.column.name}" of ${table.file} holds names of ${listing.fileKind.noun.many}, and ${missing.count} of ${plural(names.length, 'name')} looked at are below ${listing.dir} ("${lost}" is not${nearText}); column "${other.column.name}" fits names without their ending, such as "${distinct(other.column)[0]}", and may number something else. Check the folder, or say which one is meant: ${setting('fileColumn', missing.column.name)} or ${setting('fileColumn', other.column.name)}.`,
  )
}

function noColumn(table: Table, scored: Candidate[], listing: Listing): Error {
  const named = scored.filter(({ column }) => namesFiles(column, listing))
  const nearest = (named.length > 0 ? named : scored).sort((a, b) => b.count - a.count || usual(b) - usual(a))[0]
  const names = nearest ? distinct(nearest.column) : []
  const example = names.find(name => nearest!.find(name) === undefined) ?? names[0]
  const near = example === undefined ? undefined : nearest!.find.nearest(example)
  const such =
    listing.files.length === 0 ? 'no files' : `${plural(listing.files.length, 'file')}, such as "${nameIn(listing, 0)}"`
  const held = example === undefined ? '' : `; "${nearest!.column.name}" holds "${example}"`
  const found =
    nearest && nearest.count > 0 ? `, ${nearest.count} of ${plural(names.length, 'name')} looked at are there` : ''
  const like = near === undefined ? '' : `; the nearest to "${example}" is "${near}"`
  return new AnnealError(
    `no column of ${table.file} names files below ${listing.dir} (columns ${table.columns.map(c => `"${c.name}"`).join(', ')}${held}${found}); the folder holds ${such}${like}. Check the folder, or name the column with ${option('fileColumn')}.`,
  )
}
