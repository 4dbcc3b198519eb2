import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { cellText } from '../../cells/cell.ts'
import { labelledRows, namedByModel } from '../../data/labels/from-table.ts'
import { indexRows } from '../../data/labels/index-rows.ts'
import type { Known } from '../../data/labels/known-classes.ts'
import { listingOf } from '../../data/labels/name-patterns.ts'
import { rolesBeside } from '../../data/tables/columns.ts'
import { type Column, cellNumber, columnNamed, readTable, type Table } from '../../data/tables/table.ts'
import type { Choice, Problem } from '../../data/types.ts'
import type { TextColumns, TextIndex, TextOptions } from '../types.ts'
import { ofTexts, textFiles } from './text-files.ts'

/** Whether a path is a file: a table of texts. */
export const isTableOfTexts = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** Texts in a column of a table, with the labels or numbers of other columns. A text is called by its table and line:
 *  `reviews.csv:7`. */
export async function indexTextTable(
  path: string,
  { text: named, target, ...given }: TextOptions,
  known?: Known & { columns?: TextColumns | undefined },
): Promise<TextIndex> {
  const table = await readTable(resolve(path), ofTexts)
  const options = withTarget(given, target)
  const trained = known?.columns
  const has = (names: readonly string[]) => names.every(name => table.columns.some(column => column.name === name))
  const byModel = known ? namedByModel(table, options, known) : options
  const free = byModel.labelColumn === undefined && byModel.targets === undefined
  const all = trained && free && has(trained.target) ? withTarget(byModel, trained.target) : byModel
  const { column, choice } = textColumn(
    table,
    named ?? (trained && has([trained.text]) ? trained.text : undefined),
    [all.labelColumn ?? all.targets ?? []].flat(),
  )
  const roles = rolesBeside(table, { content: column, property: 'text' }, all)
  const { listing, found, texts } = rowsWithText(table, column)
  const rows = labelledRows(table, { listing, roles, found, options: all, known })
  const index = indexRows(
    { ...rows, choices: [...(choice ? [choice] : []), ...roles.choices, ...rows.choices] },
    all,
    known,
  )
  const columns = { text: column.name, target: roles.labels.map(({ name }) => name) }
  return { ...index, texts, columns }
}

/** `target` names one column of labels or numbers, or several; which it is, their content says. */
function withTarget(options: Omit<TextOptions, 'text' | 'target'>, target: readonly string[] | undefined) {
  if (target === undefined) return options
  const other = (['labelColumn', 'targets'] as const).find(name => options[name] !== undefined)
  if (other)
    throw new DataError(`${option('target')} and ${option(other)} both name what to predict; leave one of them out.`)
  return options.task === 'regression' ? { ...options, targets: [...target] } : { ...options, labelColumn: [...target] }
}

/** The rows whose text is not empty; the others are listed. */
function rowsWithText(table: Table, column: Column) {
  const dir = dirname(resolve(table.file))
  const rows: number[] = []
  const names: string[] = []
  const problems: Problem[] = []
  const texts = new Map<string, string>()
  for (let row = 0; row < table.rows; row++) {
    const place = /(\d+)$/.exec(table.where(row))?.[1] ?? `${row + 1}`
    const name = `${resolve(table.file)}:${place}`
    const cell = column.cells[row]
    const text = typeof cell === 'string' ? cell : cellText(cell)
    if (text.trim() === '') {
      problems.push({
        kind: 'unlabelled',
        file: name.slice(dir.length + 1),
        reason: 'its text is empty',
        kept: false,
        counted: false,
      })
      continue
    }
    rows.push(row)
    names.push(name)
    texts.set(name, text)
  }
  if (rows.length === 0)
    throw new DataError(`${table.file}: every cell of column "${column.name}" is empty; expected a text in each row.`)
  const listing = listingOf(
    dir,
    names.map(file => ({ file })),
    { problems: [], fileKind: textFiles },
  )
  return { listing, texts, found: { rows, files: names.map((_, i) => i), problems } }
}

/** Columns that are called like texts. */
const textNames =
  /^(text|texts|review|reviews|review_?text|sentence|comment|comments|body|message|content|tweet|post|description|document|question|abstract|utterance|query|title|headline|summary)$/i

/** The column of texts: the one that is named; else the only one that reads like texts, with the reason. */
function textColumn(
  table: Table,
  named: string | undefined,
  targets: readonly string[],
): { column: Column; choice?: Choice } {
  if (named !== undefined) {
    const column = columnNamed(table, named, 'text')
    refuseNumbers(table, column)
    return { column }
  }
  const free = table.columns.filter(column => !targets.includes(column.name))
  const texts = free.filter(readsLikeText)
  const called = texts.filter(({ name }) => textNames.test(name))
  const [column] = called.length === 1 ? called : texts
  if (column && (texts.length === 1 || called.length === 1)) {
    const reason = `${called.length === 1 ? 'it is called so, and its' : 'its'} cells read like texts; ${option('text')} names another`
    return { column, choice: { what: 'text column', value: column.name, reason } }
  }
  if (texts.length > 1)
    throw new DataError(
      `${table.file} has several columns of texts: ${texts.map(({ name }) => `"${name}"`).join(', ')}. Name one: ${texts
        .slice(0, 3)
        .map(({ name }) => setting('text', name))
        .join(' or ')}.`,
    )
  throw new DataError(
    `${table.file} has no column that reads like texts (${free.map(({ name }) => `"${name}"`).join(', ')}); name it with ${option('text')}.`,
  )
}

/** How many rows are looked at. */
const looked = 500

const some = ({ cells }: Column): string[] =>
  cells
    .slice(0, looked)
    .map(cellText)
    .filter(text => text !== '')

/** Whether cells have several words each, and are not a few words over and over. */
function readsLikeText(column: Column): boolean {
  const texts = some(column)
  if (texts.length === 0) return false
  const long = texts.filter(
    text => /\S\s+\S+\s+\S/.test(text) || /\p{Script=Han}|\p{Script=Kana}|\p{Script=Thai}/u.test(text),
  )
  return long.length > 0.5 * texts.length && new Set(texts).size > 0.5 * texts.length && numbersIn(texts) < 0.5
}

const numbersIn = (texts: readonly string[]): number =>
  texts.filter(text => Number.isFinite(cellNumber(text.replace(',', '.')))).length / Math.max(1, texts.length)

/** A column of numbers has nothing to read. */
function refuseNumbers(table: Table, column: Column): void {
  const texts = some(column)
  const share = numbersIn(texts)
  if (share < 0.9) return
  const others = table.columns.filter(readsLikeText).map(({ name }) => `"${name}"`)
  throw new DataError(
    `${table.file}, column "${column.name}" (${option('text')}): ${percent(share, 0)} of its cells are numbers, such as ${texts[0]}; expected texts. ${others.length > 0 ? `Columns of texts: ${others.join(', ')}.` : `Without ${option('text')} the columns of the table are used as they are (${option('target')}).`}`,
  )
}

/** How many texts there are, in words. */
export const textsOf = (count: number): string => plural(count, textFiles.noun.one, textFiles.noun.many)

/** The texts of a table, for predictions: those of the column that is named; else of the only one that reads like
 *  texts. Each is called by its table and line. */
export async function textsOfTable(
  path: string,
  { column, trained }: { column?: string | undefined; trained?: string | undefined },
): Promise<{ rows: { name: string; text: string }[]; problems: Problem[] }> {
  const table = await readTable(resolve(path), ofTexts)
  const { column: found } = textColumn(
    table,
    column ?? (table.columns.some(({ name }) => name === trained) ? trained : undefined),
    [],
  )
  const { texts, found: rows } = rowsWithText(table, found)
  return { rows: Array.from(texts, ([name, text]) => ({ name, text })), problems: rows.problems }
}
