import { type AnnealError, DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { type Cell, cellText } from '../../cells/cell.ts'
import { pictures } from '../files/file-kind.ts'
import { askAboutWords, isMissing, type MissingWords, missingChoices, missingWords } from '../tables/missing.ts'
import type { Column } from '../tables/table.ts'
import type { Choice, Task } from '../types.ts'
import { cutter, delimiterFor, type Reading, readingOf } from './delimiter.ts'
import { readFlags } from './flags.ts'
import { refuseMost } from './left-out.ts'
import { type NumberReading, readingOfNumbers, readNumbers } from './numbers.ts'
import type { LabelOptions } from './options.ts'
import { nameFinder, Spellings } from './spelling.ts'
import { listIn } from './text-lists.ts'
import type { AnswerSource, Answers, Read } from './types.ts'

type Choose = (what: string, value: string, reason: string) => void

/** Reads labels or regression targets from cells. The task is given or found: columns of 0 and 1 are labels (`single`
 *  if each row has exactly one 1); numbers with many values are a regression; rows with several labels are `multi`. A
 *  row with a missing label gives no answer. Throws if most rows have none. */
export function readAnswers(source: AnswerSource, options: LabelOptions): Answers {
  const choices: Choice[] = []
  const choose = (what: string, value: string, reason: string) => choices.push({ what, value, reason })
  const read = answersOf(source, options, choices, choose)
  tellMissing(source, read, options, choices)
  return { ...read, choices }
}

function answersOf(given: AnswerSource, options: LabelOptions, choices: Choice[], choose: Choose): Read {
  const missing = missingWords(options.missing, given.known)
  const whole = options.task === 'single' || options.delimiter !== undefined
  const source = whole ? given : withLists(given, missing, choose)
  const { columns } = source
  const amounts = () => {
    const { read, choices: found } = readNumbers(source, { missing, decimal: options.decimal })
    choices.push(...found)
    return read
  }
  if (options.task === 'regression' || options.targets) return amounts()
  if (columns.length > 1) {
    const found = readFlags(source, { missing, minusOne: options.minusOne })
    choices.push(...found.choices)
    const own = found.labels.map(labels => labels ?? [])
    const read = bySize(source, own, { task: options.task, choose, missing: found.missing })
    return { ...read, declared: columns.map(column => column.name) }
  }
  const asked = !options.task && options.delimiter === undefined
  const numbers = asked ? readingOfNumbers(source, { missing, decimal: options.decimal }) : {}
  if (numbers.amounts === undefined) return words(source, { options, numbers, choices, choose })
  choose('task', 'regression', numbers.amounts)
  return amounts()
}

/** The source with lists instead of texts, if each training cell of the only column is a list that a program wrote as
 *  text. */
function withLists(source: AnswerSource, missing: MissingWords, choose: Choose): AnswerSource {
  const { columns, rows, test } = source
  const [column, ...more] = columns
  if (!column || more.length > 0) return source
  const says = Array.from(rows).filter(row => !test(row) && !isMissing(column.cells[row], missing))
  const isList = (row: number) => typeof column.cells[row] === 'string' && listIn(column.cells[row]) !== undefined
  if (says.length === 0 || !says.every(isList)) return source
  choose(
    'lists',
    'as programs write them',
    `every cell of "${column.name}" is one, such as ${cellText(column.cells[says[0]!])}; ${setting('task', 'single')} takes each cell as one class`,
  )
  const cells = column.cells.map(cell => (typeof cell === 'string' ? (listIn(cell) ?? cell) : cell))
  return { ...source, columns: [{ ...column, cells }] }
}

/** Reads labels from one column of words. */
function words(
  source: AnswerSource,
  {
    options,
    numbers,
    choices,
    choose,
  }: { options: LabelOptions; numbers: NumberReading; choices: Choice[]; choose: Choose },
): Read {
  const { columns, rows, test, known, where } = source
  const column = columns[0]!
  const { cells } = column
  const lists = Array.from(rows).some(row => Array.isArray(cells[row]))
  const split = options.task === 'single' || lists ? undefined : delimiter(source, { options, numbers, choose })
  if (options.task === 'single' && !lists && !known) sayWhole(source, choose)
  const vocabulary = missingWords(options.missing, known)
  const spelled = new Spellings()
  const find = known && nameFinder(known)
  const nameOf = (text: string) => find?.(text) ?? spelled.read(text)
  const missing = new Map<number, string>()
  const labels = Array.from(rows, (row, at) => {
    const cell = cells[row]!
    if (isMissing(cell, vocabulary)) {
      missing.set(at, cellText(cell))
      return []
    }
    const parts = Array.isArray(cell)
      ? cell.map(part => cellText(part))
      : split
        ? split(cellText(cell))
        : [textOf(cell)]
    return [...new Set(parts.filter(part => part !== '').map(nameOf))].filter(name => name !== '')
  })
  choices.push(...spelled.choices('row'))
  if (!known && !vocabulary.given) {
    const byWord = rowsByWord(missing, at => !test(rows[at]!))
    const counts = new Map<string, number>()
    labels.forEach((own, i) => {
      if (!test(rows[i]!)) for (const name of own) counts.set(name, (counts.get(name) ?? 0) + 1)
    })
    askAboutWords(byWord, [...counts.values()], { where: at => where(rows[at]!, column), column: column.name })
    if (options.task === undefined && !split && !lists) askAboutEmpty(byWord.get(''), [...counts.values()], source)
  }
  const told = options.delimiter !== undefined
  const read = bySize(source, labels, { task: options.task, told, lists, emptyTells: true, choose, missing })
  if (read.task === 'single' && numbers.classes && new Set(labels.flat()).size > 2) {
    const task = choices.find(({ what }) => what === 'task')
    if (task) task.reason += `; they are numbers: with ${setting('task', 'regression')} the model would predict amounts`
  }
  return read
}

/** A cell as unchanged text, in which invisible characters can still be found. */
const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cellText(cell))

/** The positions of rows without a label, by their missing word. */
function rowsByWord(missing: ReadonlyMap<number, string>, counts: (at: number) => boolean): Map<string, number[]> {
  const byWord = new Map<string, number[]>()
  for (const [at, word] of missing)
    if (counts(at)) {
      const rows = byWord.get(word)
      if (rows) rows.push(at)
      else byWord.set(word, [at])
    }
  return byWord
}

/** Throws if empty cells in a column of tags may be missing labels or pictures without labels. */
function askAboutEmpty(
  empty: readonly number[] | undefined,
  counts: number[],
  { columns, rows, where, noun: { one, many } = pictures }: AnswerSource,
) {
  const column = columns[0]!
  const usual = counts.sort((a, b) => a - b)[counts.length >> 1] ?? 0
  if (!empty || !/^(tags|labels|keywords|attributes|findings)$/i.test(column.name) || 2 * empty.length < usual) return
  throw new DataError(
    `${where(rows[empty[0]!]!, column)}: it is empty (${plural(empty.length, 'row')} ${empty.length === 1 ? 'is' : 'are'}), and no cell holds several labels: the label may be missing, or the ${one} may have no label. ${setting('task', 'single')} leaves such rows out, ${setting('task', 'multi')} takes them as ${many} without a label.`,
  )
}

/** Reports the rows without an answer. Throws if most training rows have none. */
function tellMissing(
  { columns, rows, test, where, noun: { many } = pictures }: AnswerSource,
  read: Read,
  options: LabelOptions,
  choices: Choice[],
) {
  const silent = new Map(
    [...(read.missing ?? [])].filter(([at]) => !(read.values ?? read.labels)[at] && !test(rows[at]!)),
  )
  const byWord = rowsByWord(silent, () => true)
  const column = columns.length === 1 ? columns[0] : undefined
  const place = (at: number) => where(rows[at]!, column)
  const otherwise =
    read.task === 'single' && byWord.has('') && options.task === undefined
      ? `; ${setting('task', 'multi')} takes empty cells as ${many} without a label`
      : ''
  choices.push(
    ...missingChoices(byWord, {
      where: at => where(rows[at]!),
      words: !read.values && column !== undefined,
      otherwise,
    }),
  )
  if (silent.size === 0) return
  const total = Array.from(rows).filter(row => !test(row)).length
  const [first, word] = [...silent][0]!
  refuseMost(
    { out: silent.size, total, most: options.maxLeftOut },
    {
      what: `rows have no ${read.values ? 'number' : 'label'}`,
      example: `${place(first)} ${word === '' ? 'is empty' : `holds "${word}"`}`,
      instead: `Name the right column (${option(read.values ? 'targets' : 'labelColumn')}), fill the cells`,
    },
  )
}

/** Reports cells that look like lists of labels but are read as one label each. */
function sayWhole({ columns: [column], ...rest }: AnswerSource, choose: Choose): void {
  const found = readingOf([...cellsOf(column!, rest)], { column: column!.name })
  if (!found) return
  const multi = setting('task', 'multi')
  choose(
    'labels',
    'whole cells',
    `${setting('task', 'single')}; but they look like lists: ${found.reason}, cut at ${found.shown}. ${multi} cuts them`,
  )
}

/** The texts of a column in the training and validation rows, each once. */
function cellsOf(column: Column, { rows, test }: Pick<AnswerSource, 'rows' | 'test'>): Set<string> {
  const cells = new Set<string>()
  for (let i = 0; i < rows.length; i++) if (!test(rows[i]!)) cells.add(cellText(column.cells[rows[i]!]))
  return cells
}

/** Finds the task by the number of labels per row. For single-label data, a row without a label gives no answer. For
 *  multi-label data, it is a picture without labels, unless a missing word stands there. */
function bySize(
  { rows, test, where, noun: { one } = pictures }: AnswerSource,
  labels: string[][],
  {
    task,
    told = false,
    lists = false,
    emptyTells = false,
    choose,
    missing,
  }: {
    task: Task | undefined
    told?: boolean
    lists?: boolean
    /** For multi-label data, an empty cell means that the picture has no label. */
    emptyTells?: boolean
    choose: Choose
    missing: ReadonlyMap<number, string>
  },
): Read {
  const several = labels.findIndex(own => own.length > 1)
  const none = labels.findIndex((own, i) => own.length === 0 && !test(rows[i]!) && !missing.has(i))
  if (task === 'single' && several >= 0)
    throw new DataError(
      `${where(rows[several]!)}: ${plural(labels[several]!.length, 'label')} (${labels[several]!.join(', ')}), but the task is "single" (one label per ${one}). Repair the row, or use the task "multi".`,
    )
  if (task === undefined) {
    const at = several >= 0 ? several : none
    if (at >= 0) {
      const count = several >= 0 ? plural(labels[several]!.length, 'label') : 'no label'
      choose('task', (task = 'multi'), `${where(rows[at]!)} has ${count}`)
    } else if (told || lists) choose('task', (task = 'multi'), told ? 'a delimiter is given' : 'cells are lists')
    else
      choose(
        'task',
        (task = 'single'),
        missing.size > 0 ? 'every row with a label has one' : `every ${one} has one label`,
      )
  }
  const bareTest = labels.every((own, i) => own.length === 0 || !test(rows[i]!))
  const silent = (own: string[], i: number) => {
    if (own.length > 0) return false
    if (task === 'single' || (bareTest && test(rows[i]!))) return true
    return missing.has(i) && !(emptyTells && missing.get(i) === '')
  }
  return { task, targets: [], labels: labels.map((own, i) => (silent(own, i) ? undefined : own)), missing }
}

/** The function that cuts cells into labels, or undefined if each cell is one label. Throws if both readings fit. */
function delimiter(
  { columns: [column], rows, test, known, where }: AnswerSource,
  { options, numbers, choose }: { options: LabelOptions; numbers: NumberReading; choose: Choose },
): ((text: string) => string[]) | undefined {
  const { delimiter: told, task } = options
  if (told !== undefined) return cutter(told)
  const cells = [...cellsOf(column!, { rows, test })]
  if (known) {
    const found = delimiterFor(cells, known)
    if (found) choose('delimiter of labels', found.shown, found.reason)
    return found && cutter(found.delimiter)
  }
  const vocabulary = missingWords(options.missing)
  const found = readingOf(
    cells.filter(cell => !vocabulary.has(cell)),
    { column: column!.name },
  )
  if (!found) {
    if (task === 'multi') choose('delimiter of labels', 'none', 'no cell looks like several labels')
    return undefined
  }
  if (found.verdict === 'cut' && task !== 'multi' && numbers.signs) found.verdict = 'ask'
  if (found.verdict === 'ask' && task !== 'multi')
    throw askToCut(found, numbers, () => {
      const row = Array.from(rows).find(row => cellText(column!.cells[row]) === found.example)
      return where(row ?? rows[0]!, column)
    })
  const otherwise = task === 'multi' ? '' : `; ${setting('task', 'single')} takes each cell as one class`
  choose('delimiter of labels', found.shown, `${found.reason}${otherwise}`)
  return cutter(found.delimiter)
}

function askToCut(found: Reading, numbers: NumberReading, where: () => string): AnnealError {
  const parts = found.parts.map(part => `"${part}"`).join(', ')
  const amount = numbers.signs ? `a number (${setting('task', 'regression')}), ` : ''
  const [one, cut] = [setting('task', 'single'), setting('delimiter', found.delimiter)]
  return new DataError(
    `${where()}: "${found.example}" may be ${amount}one class, or ${plural(found.parts.length, 'label')} (${parts}) with ${found.shown} between them; ${found.reason.slice(found.reason.indexOf(': ') + 2)}. ${one} takes each cell as one class, ${cut} cuts cells into labels.`,
  )
}
