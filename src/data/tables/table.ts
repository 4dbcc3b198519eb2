import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { DataError, didYouMean, fileReason } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import { lazy } from '../labels/name-patterns.ts'
import type { Choice } from '../types.ts'
import { tableFormats, tableNames } from './formats.ts'
import { textOf, unpacked } from './read-text.ts'
import type { Column, Parsed, Table, TableFile, TableOptions } from './types.ts'

export type { Column, Pictures, Table } from './types.ts'

/** Reads a table. Its content decides the format: Parquet, JSON lines, or text with `,`, `;`, `|`, tabs or blanks
 *  between cells. Each may be packed with gzip. */
export async function readTable(file: string, options: TableOptions): Promise<Table> {
  const parsed = await parse(file, unpacked(file, contentOf(file)), options)
  const { places, unit, choices = [] } = parsed
  if (places.length === 0)
    throw new DataError(
      `${file} is a table without rows; expected one row per ${options.fileKind.noun.one} below the names of the columns.`,
    )
  const columns = onceEach(file, parsed.columns)
  return {
    file,
    columns,
    rows: places.length,
    where: (row, column) => `${file}, ${unit} ${places[row]}${column ? `, column "${column.name}"` : ''}`,
    choices,
  }
}

/** Removes a column that occurs again with the same name and cells. Throws if the cells differ. */
function onceEach(file: string, columns: readonly Column[]): Column[] {
  const kept = new Map<string, { column: Column; at: number }>()
  columns.forEach((column, at) => {
    const before = kept.get(column.name)
    if (!before) kept.set(column.name, { column, at })
    else if (column.cells.some((cell, row) => cellText(cell) !== cellText(before.column.cells[row])))
      throw new DataError(
        `${file} has two columns "${column.name}" (the ${ordinal(before.at + 1)} and the ${ordinal(at + 1)}) with different cells; expected each name once. Rename one of them; or, if the first line is a row, write names of columns above it.`,
      )
  })
  return Array.from(kept.values(), ({ column }) => column)
}

/** `1st`, `12th`. */
const ordinal = (n: number): string =>
  `${n}${/1[123]$/.test(`${n}`) ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')}`

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new DataError(`the table ${file} can not be read: ${fileReason(error)}; expected ${tableNames}.`, {
      cause: error,
    })
  }
}

async function parse(file: string, bytes: Buffer, options: TableOptions): Promise<Parsed> {
  const { one } = options.fileKind.noun
  if (bytes.length === 0) throw new DataError(`the table ${file} is empty (0 bytes); expected one row per ${one}.`)
  const magic = bytes.subarray(0, 4).toString('latin1')
  if (magic === 'PK\x03\x04' || magic === '\xd0\xcf\x11\xe0')
    throw new DataError(`${file} is a workbook or an archive, not a text table; save its sheet as CSV (UTF-8) first.`)
  const choices: Choice[] = []
  const text = lazy(() => {
    const decoded = textOf(file, bytes)
    choices.push(...decoded.choices)
    return decoded.text
  })
  const source: TableFile = { file, bytes, ending: extname(file.replace(/\.gz$/i, '')).toLowerCase(), text }
  const parsed = await tableFormats.find(format => format.recognises(source))!.read(source, options)
  return { ...parsed, choices: [...choices, ...(parsed.choices ?? [])] }
}

/** The column with this name. If there is no exact match, the only column that matches without regard to case, outer
 *  blanks, or quotes around `name`. Throws otherwise, with the names of all columns. `property`: the option with the
 *  name. */
export function columnNamed({ file, columns }: Table, name: string, property: string): Column {
  const found = findColumn(columns, name)
  if (found.length === 1) return found[0]!
  const names = columns.map(column => column.name)
  if (found.length > 1)
    throw new DataError(
      `${file} has no column "${name}" (${option(property)}), but ${found.map(column => `"${column.name}"`).join(' and ')} are similar; expected one of them, exactly as it is written.`,
    )
  throw new DataError(
    `${file} has no column "${name}" (${option(property)}); expected one of ${names.map(n => `"${n}"`).join(', ')}.${didYouMean(name, names)}`,
  )
}

/** The columns that a name may mean: the one with exactly this name, else those with nearly this name. */
export function findColumn(columns: readonly Column[], name: string): Column[] {
  const bare = /^"(.*)"$/s.exec(name)?.[1]?.replaceAll('""', '"')
  for (const wanted of bare === undefined ? [name] : [name, bare]) {
    const exact = columns.find(column => column.name === wanted)
    if (exact) return [exact]
  }
  const near = columns.filter(column => plainly(column.name) === plainly(bare ?? name))
  return near
}

const plainly = (name: string): string => name.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase()

/** The columns of a list that was cut at commas. If a part is not a column, it is joined with the parts after it until
 *  their text is the name of a column. */
export function columnsNamed(table: Table, names: readonly string[], property: string): Column[] {
  const found: Column[] = []
  for (let at = 0; at < names.length; ) {
    const alone = findColumn(table.columns, names[at]!)
    let [column, parts] = [alone.length === 1 ? alone[0] : undefined, 1]
    for (let end = at + 2; !column && end <= names.length; end++) {
      const joined = findColumn(table.columns, names.slice(at, end).join(','))
      if (joined.length === 1) [column, parts] = [joined[0], end - at]
    }
    found.push(column ?? columnNamed(table, names[at]!, property))
    at += parts
  }
  return found
}

/** A cell as a number, NaN if it is empty or not a number. */
export function cellNumber(cell: Cell | undefined): number {
  if (typeof cell === 'number') return cell
  const text = cellText(cell)
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
}
