import { DataError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { cellText } from '../../cells/cell.ts'
import { type Find, type Finder, looksNamed } from '../labels/find-files.ts'
import { type Listing, nameIn } from '../labels/name-patterns.ts'
import { indexNames, labelNames, plainFileNames } from './roles.ts'
import { countsRows, distinct, sampledRows } from './sampled.ts'
import type { Column, Table } from './table.ts'

/** The column that names files, the finder for its names, and why it was chosen (empty if an option names it). */
export interface FileColumn {
  column: Column
  find: Find
  reason: string
}

interface Candidate {
  column: Column
  find: Find
  /** How many of its different names are files, and their share. */
  count: number
  share: number
  /** Its names are complete, with the file extension. */
  whole: boolean
  /** The number of different names divided by the number of rows. */
  own: number
}

interface Search {
  listing: Listing
  finder: Finder
  named: Column | undefined
  /** Columns with another role. */
  taken: ReadonlySet<Column | undefined>
}

/** Finds the column that names files of the folder. Names with an extension go before names without one, which may be
 *  numbers of something else. If several columns name the same files, the one with a usual name is chosen. If columns
 *  name different files in the same row, one is chosen only if the others clearly number the rows or repeat; otherwise
 *  this throws and shows both readings. */
export function fileColumn(table: Table, search: Search): FileColumn {
  const { listing, finder, named, taken } = search
  const column = (one: Column, reason: string): FileColumn => ({ column: one, find: allNames(one, finder), reason })
  if (named) return column(named, '')
  const free = table.columns.filter(one => !taken.has(one))
  const written = free.map(one => score(one, { finder, as: 'written' }))
  // Near matches are tried only if no column has the complete names of files.
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
      ? `, with their extension; "${beaten.column.name}" fits names without one, and ${setting('fileColumn', beaten.column.name)} takes it`
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

/** A finder for all names of a column. It never gives one file to two names. */
function allNames(column: Column, finder: Finder): Find {
  const names = new Set<string>()
  for (const cell of column.cells) names.add(cellText(cell))
  return finder(names)
}

/** Whether most cells end with the extension of a picture. */
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

/** The one column that remains, and why: it alone has a usual name for files, or the others number the rows, or the
 *  others repeat or have the name of a label column. Undefined if all columns have complete names: these signs are then
 *  too weak. */
function decided(pool: readonly Candidate[]): [Candidate, string] | undefined {
  const only = (fits: (one: Candidate) => boolean, why: string): [Candidate, string] | undefined => {
    const left = pool.filter(fits)
    return left.length === 1 ? [left[0]!, why] : undefined
  }
  if (pool.every(one => one.whole)) return undefined
  return (
    only(one => usual(one) > 0, 'its name says so') ??
    only(one => !(indexNames.test(one.column.name) && countsRows(one.column)), 'other such columns number the rows') ??
    only(one => !labelNames.test(one.column.name) && one.own >= 0.5, 'the others repeat or have names of label columns')
  )
}

function twoReadings(table: Table, a: Candidate, { other: b, listing }: { other: Candidate; listing: Listing }): Error {
  const row = differs(table, a, b)!
  const reading = ({ column, find }: Candidate) => {
    const name = cellText(column.cells[row])
    return `by "${column.name}" it is ${nameIn(listing, find(name) as number)} ("${name}"): ${setting('fileColumn', column.name)}`
  }
  return new DataError(
    `two columns of ${table.file} name files below ${listing.dir}, but not the same files. ${table.where(row)}: ${reading(a)}; ${reading(b)}. Choose one.`,
  )
}

/** The error if one column has complete names, most of them not on the disk, and another column fits only by numbers.
 *  That column could give pictures the labels of other pictures. */
function mostlyMissing(
  table: Table,
  { missing, other, listing }: { missing: Candidate; other: Candidate; listing: Listing },
): Error {
  const names = distinct(missing.column)
  const lost = names.find(name => missing.find(name) === undefined)!
  const near = missing.find.nearest(lost)
  const nearText = near === undefined ? '' : `; the nearest in the folder is "${near}"`
  return new DataError(
    `column "${missing.column.name}" of ${table.file} holds names of ${listing.fileKind.noun.many}, but only ${missing.count} of ${plural(names.length, 'checked name')} are below ${listing.dir} ("${lost}" is not${nearText}); column "${other.column.name}" fits names without their extension, such as "${distinct(other.column)[0]}", but may number something else. Check the folder, or choose a column: ${setting('fileColumn', missing.column.name)} or ${setting('fileColumn', other.column.name)}.`,
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
    nearest && nearest.count > 0 ? `, ${nearest.count} of ${plural(names.length, 'checked name')} are there` : ''
  const like = near === undefined ? '' : `; the nearest to "${example}" is "${near}"`
  return new DataError(
    `no column of ${table.file} names files below ${listing.dir} (columns ${table.columns.map(c => `"${c.name}"`).join(', ')}${held}${found}); the folder holds ${such}${like}. Check the folder, or name the column with ${option('fileColumn')}.`,
  )
}
