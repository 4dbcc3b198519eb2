import { AnnealError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import { flag } from './columns.ts'
import { delimiterFor, delimiterIn } from './delimiter.ts'
import type { LabelOptions } from './options.ts'
import { type Column, cellNumber, cellText } from './table.ts'
import type { Choice, Task } from './types.ts'

/** Rows that are to be read, and what is known of them. */
export interface AnswerSource {
  /** One column of labels or numbers, or one a label. */
  columns: readonly Column[]
  /** The numbers of the rows. */
  rows: ArrayLike<number>
  /** Whether a row is kept from training; what it holds decides nothing. */
  test(row: number): boolean
  /** Labels that are known beforehand: a trained model's. */
  known?: readonly string[] | undefined
  where(row: number, column?: Column): string
}

/** What each row tells of its picture, in the order of the rows: undefined where it tells nothing. */
export interface Answers {
  task: Task
  /** Names of labels, each once. Empty for the task `regression`. */
  labels: (readonly string[] | undefined)[]
  /** One a target, for the task `regression`. */
  values?: (readonly number[] | undefined)[]
  /** Names of targets, for the task `regression`. */
  targets: string[]
  /** Labels that there are whether or not a picture has them: columns of their own. */
  declared?: string[]
  choices: Choice[]
}

/** Reads labels or numbers from cells. The task is told, or found: columns of 0 and 1 are labels, `single` where each row
 *  has one; numbers with many values are a regression; rows with several labels or none make it `multi`. */
export function readAnswers(source: AnswerSource, options: LabelOptions): Answers {
  const { columns } = source
  const choices: Choice[] = []
  const choose = (what: string, value: string, reason: string) => choices.push({ what, value, reason })
  if (options.task === 'regression' || options.targets) return { ...numbers(source), choices }
  if (columns.length > 1) return { ...flags(source, options.task, choose), choices }
  const cells = columns[0]!.cells
  if (!options.task && options.delimiter === undefined) {
    const reason = asNumbers(source)
    if (reason) {
      choose('task', 'regression', reason)
      return { ...numbers(source), choices }
    }
  }
  const lists = Array.from(source.rows).some(row => Array.isArray(cells[row]))
  const split = options.task === 'single' || lists ? undefined : delimiter(source, options, choose)
  if (options.task === 'single' && !lists && !source.known) sayWhole(source, choose)
  const labels = Array.from(source.rows, row => {
    const cell = cells[row]!
    const parts = Array.isArray(cell)
      ? cell.map(part => cellText(part))
      : split
        ? split(cellText(cell))
        : [cellText(cell)]
    return [...new Set(parts.filter(part => part !== ''))]
  })
  return { ...bySize(source, labels, { task: options.task, told: options.delimiter !== undefined, choose }), choices }
}

/** Says that cells which look like several labels are taken as one each. */
function sayWhole({ columns: [column], rows, test }: AnswerSource, choose: Choose): void {
  const found = delimiterIn(Array.from(cellsOf(column!, { rows, test })))
  if (!found) return
  const multi = setting('task', 'multi')
  choose(
    'labels',
    'whole cells',
    `${setting('task', 'single')}; but they look like lists: ${found.reason}, cut at ${found.shown}. ${multi} cuts them`,
  )
}

/** What a column holds in the rows that are not kept from training, each text once. */
function cellsOf(column: Column, { rows, test }: Pick<AnswerSource, 'rows' | 'test'>): Set<string> {
  const cells = new Set<string>()
  for (let i = 0; i < rows.length; i++) if (!test(rows[i]!)) cells.add(cellText(column.cells[rows[i]!]))
  return cells
}

type Choose = (what: string, value: string, reason: string) => void
type Read = Omit<Answers, 'choices'>

/** Why a column holds amounts and no names of classes, or undefined: fractions with more than 20 values, more than 20
 *  whole numbers that hardly repeat, or that are many and in a column not called label or class. */
function asNumbers({ columns: [column], rows, test }: AnswerSource): string | undefined {
  const seen = new Set<number>()
  let [count, fractions] = [0, 0]
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    const cell = column!.cells[row]
    if (test(row) || cellText(cell) === '') continue
    const value = cellNumber(cell)
    if (Number.isNaN(value) || Array.isArray(cell)) return undefined
    seen.add(value)
    count++
    if (!Number.isInteger(value)) fractions++
  }
  const repeats = count / seen.size
  const many = `${plural(seen.size, 'different number')} in ${plural(count, 'row')} of "${column!.name}"`
  if (seen.size > 20 && fractions > 0) return `${many}, with fractions`
  if (seen.size > 5 && repeats < 2) return `${many}, which hardly repeat`
  if (seen.size > 20 && !/label|class|categor|species|breed|tag/i.test(column!.name)) return many
  return undefined
}

function numbers({ columns, rows, where }: AnswerSource): Read {
  const values = Array.from(rows, row => {
    const cells = columns.map(column => column.cells[row])
    if (columns.length === 1 && Array.isArray(cells[0])) return cells[0].map(value => checked(cellNumber(value), row))
    const empty = cells.filter(cell => cellText(cell) === '').length
    if (empty === cells.length) return undefined
    return cells.map((cell, i) => checked(cellNumber(cell), row, columns[i]))
  })
  function checked(value: number, row: number, column = columns[0]!): number {
    if (Number.isFinite(value)) return value
    const text = cellText(column.cells[row])
    throw new AnnealError(
      `${where(row, column)}: ${text === '' ? 'it is empty' : `"${text}" is no number`}; expected a number, such as 1.5. ${text === '' ? 'Leave all targets of a picture empty, or none.' : 'Repair the cell.'}`,
    )
  }
  const width = values.find(Boolean)?.length ?? columns.length
  values.forEach((value, i) => {
    if (value && value.length !== width)
      throw new AnnealError(
        `${where(rows[i]!)}: ${plural(value.length, 'number')}, but ${plural(width, 'number')} before it; expected as many in each row.`,
      )
  })
  const name = columns[0]!.name
  const targets =
    columns.length === width ? columns.map(c => c.name) : Array.from({ length: width }, (_, i) => `${name} ${i + 1}`)
  return { task: 'regression', labels: values.map(() => []), values, targets }
}

function flags({ columns, rows, test, where }: AnswerSource, task: Task | undefined, choose: Choose): Read {
  const labels = Array.from(rows, row =>
    columns.flatMap(column => {
      const value = flag(column.cells[row])
      if (value === undefined)
        throw new AnnealError(
          `${where(row, column)}: "${cellText(column.cells[row])}" is neither 0 nor 1; with several label columns each holds 0 and 1 (or true and false). Columns of numbers to be told are named with ${option('targets')}.`,
        )
      return value ? [column.name] : []
    }),
  )
  const read = bySize({ columns, rows, test, where }, labels, { task, told: false, choose })
  return { ...read, declared: columns.map(column => column.name) }
}

/** The task by how many labels rows have; a row without a label tells nothing where each picture has one. */
function bySize(
  { rows, test, where }: AnswerSource,
  labels: string[][],
  { task, told, choose }: { task: Task | undefined; told: boolean; choose: Choose },
): Read {
  const odd = labels.findIndex((own, i) => own.length !== 1 && !test(rows[i]!))
  const several = labels.findIndex(own => own.length > 1)
  if (task === 'single' && several >= 0)
    throw new AnnealError(
      `${where(rows[several]!)}: ${plural(labels[several]!.length, 'label')} (${labels[several]!.join(', ')}), but the task is "single", with one a picture. Repair the row, or use the task "multi".`,
    )
  if (task === undefined) {
    const [at, n] = several >= 0 ? [several, labels[several]!.length] : [odd, 0]
    if (told && at < 0) choose('task', (task = 'multi'), 'a delimiter is given')
    else if (at < 0) choose('task', (task = 'single'), 'every picture has one label')
    else choose('task', (task = 'multi'), `${where(rows[at]!)} has ${n === 0 ? 'no label' : plural(n, 'label')}`)
  }
  const bareTest = labels.every((own, i) => own.length === 0 || !test(rows[i]!))
  const nothing = (own: string[], i: number) => own.length === 0 && (task === 'single' || (bareTest && test(rows[i]!)))
  return { task, targets: [], labels: labels.map((own, i) => (nothing(own, i) ? undefined : own)) }
}

function delimiter(
  { columns: [column], rows, test, known }: AnswerSource,
  { delimiter: told, task }: LabelOptions,
  choose: Choose,
): ((text: string) => string[]) | undefined {
  const cut = (by: string) => (text: string) => text.split(/^\s+$/.test(by) ? /\s+/ : by).map(part => part.trim())
  if (told !== undefined) return cut(told)
  const cells = cellsOf(column!, { rows, test })
  const found = known ? delimiterFor([...cells], known) : delimiterIn([...cells])
  if (found) choose('delimiter of labels', found.shown, found.reason)
  else if (task === 'multi') choose('delimiter of labels', 'none', 'no cell looks like several labels')
  return found && cut(found.delimiter)
}
