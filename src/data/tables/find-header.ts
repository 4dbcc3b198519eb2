import { plural } from '../../base/format.ts'
import type { Choice } from '../types.ts'
import { blanks, type Dialect } from './dialect.ts'
import { fileNames, labelNames } from './roles.ts'
import type { Naming, Records } from './types.ts'

/** Names of columns, and the index of the first record that is a row. */
export interface Header {
  names: string[]
  start: number
  choices: Choice[]
}

/** How many rows are checked to find what columns hold, and how many lines may stand above the names. */
const looked = 300
const mostInFront = 20

interface Sight extends Naming {
  dialect: Dialect
  /** Whether the first line has the names of the columns. Default: found by the content. */
  header?: boolean | undefined
}

/** Finds the names of the columns: the first line below comments and titles, unless that line is the row of a
 *  picture. */
export function findHeader(read: Records, sight: Sight): Header {
  const { records, lines } = read
  const choices: Choice[] = []
  const rows = records.length > 1 ? records.slice(0, looked) : records
  const width = usual(rows.map(record => record.length))
  const rowly = rowTest(read, sight)
  let at = sight.header === false ? 0 : titleLines(read, { width, isRow: rowly })
  const inFront = lines.slice(0, at).map((line, i) => ({ line, text: records[i]!.join(' ').trim() }))
  const above = sight.header === undefined ? commented(read, sight, at, rowly) : undefined
  const passed = sight.dialect.comments.filter(comment => comment !== above?.comment)
  for (const { line, text } of [...passed, ...inFront])
    choices.push({
      what: 'line passed over',
      value: `line ${line}, "${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`,
      reason: text.startsWith('#') ? 'it begins with #' : 'it stands above the names of the columns',
    })
  let names: string[]
  if (above) {
    names = above.cells
    choices.push({ what: 'names of columns', value: names.join(', '), reason: `line ${above.comment.line} has them` })
  } else {
    const reason = sight.header === undefined ? rowly(at) : undefined
    if (sight.header === false || reason !== undefined) {
      const widest = Math.max(width, rows[at]?.length ?? 0)
      names = Array.from({ length: widest }, () => '')
      if (reason) choices.push({ what: 'names of columns', value: 'none', reason })
    } else names = records[at++]!.map(name => name.trim())
  }
  return { names: fitted(names, read, { start: at, width, choices }), start: at, choices }
}

/** The most frequent number. */
function usual(numbers: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1)
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0]
}

const filled = (record: readonly string[]): number => record.filter(cell => cell !== '').length

/** How many lines stand above the names of the columns: titles, which have one cell or another width than the rows, or
 *  all lines above a line that names a file column and a label column. */
function titleLines({ records }: Records, { width, isRow }: { width: number; isRow: RowTest }): number {
  const end = Math.min(mostInFront, records.length - 1)
  for (let at = 1; at <= end; at++) {
    if (records.slice(0, at).some((record, i) => callsRoles(record) || (isRow(i) && filled(record) > 1))) break
    if (callsRoles(records[at]!)) return at
  }
  if (width < 2) return 0
  let at = 0
  const fits = (record: readonly string[]) => record.length === width || record.length === width - 1
  while (at < end) {
    const record = records[at]!
    const odd = record.length !== width && record.length !== width - 1
    const alone = filled(record) === 1 && record[0] !== ''
    if (!(odd || alone) || isRow(at)) break
    const below = records[at + 1]!
    if (isRow(at + 1) || filled(below) < 1) break
    if (fits(below) && filled(below) > 1) return at + 1
    at++
  }
  return 0
}

/** Whether a line names a file column and a label column. */
const callsRoles = (record: readonly string[]): boolean =>
  record.some(name => fileNames.test(name.trim())) && record.some(name => labelNames.test(name.trim()))

/** Why a record is the row of a picture rather than names of columns, or undefined. */
type RowTest = (at: number) => string | undefined

function rowTest({ records, lines }: Records, { fileKind, pictures }: Sight): RowTest {
  const below = new Map<number, { whole: boolean; stems: boolean }>()
  const known = pictures?.(new Set(records.slice(0, looked).flatMap(record => record.map(cell => cell.trim()))))
  const held = (c: number) => {
    const before = below.get(c)
    if (before) return before
    const cells = records.slice(0, looked).map(record => (record[c] ?? '').trim())
    const share = (kind: 'whole' | 'stem') => cells.filter(cell => known?.(cell) === kind).length / cells.length
    const made = { whole: share('whole') >= 0.5, stems: share('stem') >= 0.5 }
    below.set(c, made)
    return made
  }
  return at => {
    const record = records[at]!.map(cell => cell.trim())
    if (callsRoles(record) || counts(record)) return undefined
    for (const [c, cell] of record.entries()) {
      if (cell === '' || fileNames.test(cell) || labelNames.test(cell)) continue
      const kind = known?.(cell)
      const names = fileKind.isNamed(cell) || kind === 'whole' || (kind === 'stem' && held(c).stems && !held(c).whole)
      if (names)
        return `line ${lines[at]} names a ${fileKind.noun.one}, ${cell}; to name the columns, write a line of names above it`
    }
    if (record.some(cell => fileNames.test(cell) || labelNames.test(cell)) || countUp(record)) return undefined
    const last = Math.min(records.length, at + 1 + looked)
    for (const [c, cell] of record.entries()) {
      if (cell === '') continue
      for (let r = at + 1; r < last; r++)
        if (records[r]![c]?.trim() === cell)
          return `line ${lines[at]} and line ${lines[r]} have "${cell}" in column ${c + 1}; if line ${lines[at]} is a row, write a line of names above it; if it names the columns, use other names`
    }
    return undefined
  }
}

/** Whether names are 0, 1, 2, …, as pandas writes columns without names. An index without a name may stand before
 *  them. */
const counts = (names: readonly string[]): boolean => {
  const own = names[0] === '' ? names.slice(1) : names
  return own.length > 1 && own.every((name, i) => name === String(i))
}

/** Whether the numbers among names are 0, 1, 2, … or 1, 2, 3, …: one column per class, named by its number. */
function countUp(names: readonly string[]): boolean {
  const own = names.filter(name => /^\d+$/.test(name)).map(Number)
  return own.length > 1 && own.every((n, i) => n === own[0]! + i)
}

/** The comment that has the names of the columns: the last one above the table, if it has as many cells as the rows and
 *  a row follows it. */
function commented(
  { records }: Records,
  { dialect }: Sight,
  at: number,
  isRow: RowTest,
): { comment: Dialect['comments'][number]; cells: string[] } | undefined {
  const comment = dialect.comments.at(-1)
  if (!comment || at > 0 || isRow(0) === undefined) return undefined
  const { delimiter } = dialect
  const plain = comment.text.replace(/^"?#+\s*/, '').replace(/"/g, '')
  const cut = (text: string) =>
    delimiter === blanks ? text.trim().split(/\s+/) : text.split(delimiter).map(cell => cell.trim())
  const cells = cut(plain)
  const width = records[0]!.length
  if (cells.length !== width || width < 2) return undefined
  return { comment, cells: cells.map((name, i) => (name === '' && i === 0 ? '#' : name)) }
}

/** Makes as many names as the rows have cells. Removes empty names at the end; adds one in front if every row has one
 *  more cell, as R writes tables. Empty names become `column 1`, `column 2`. */
function fitted(
  names: string[],
  { records, lines }: Records,
  { start, width, choices }: { start: number; width: number; choices: Choice[] },
): string[] {
  const holds = (c: number) => records.some((record, r) => r >= start && (record[c] ?? '') !== '')
  while (names.length > 1 && names.at(-1) === '' && !holds(names.length - 1)) names.pop()
  const longer = records.length > start && records.every((record, r) => r < start || record.length === names.length + 1)
  if (longer && width === names.length + 1 && holds(names.length)) {
    const reason = `each row has one more cell than line ${lines[start - 1]} has names, as R writes names of rows`
    choices.push({ what: 'first column', value: `without a name, beside ${plural(names.length, 'name')}`, reason })
    names.unshift('')
  }
  return names.map((name, i) => name || `column ${i + 1}`)
}
