import { DataError, OptionError } from '../base/errors.ts'
import { plural, withDecimals } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { missingRule } from '../cells/missing.ts'
import type { Choice } from '../data/types.ts'
import { checkName } from './columns/kinds.ts'
import type { Frame, FrameColumn, RowNumbers, TargetInfo, Targets } from './types.ts'

/** The target columns of a table. */
export interface TableTarget {
  info: TargetInfo
  /** `single`: class numbers [rows]. `regression`: values in their units [rows × targets]. NaN where missing. */
  values: Float64Array
  /** The rows whose targets are all there, in the table's order. */
  rows: Int32Array
  /** The class of a word or number of the target column, undefined for another one. */
  choices: Choice[]
}

export interface TargetOptions {
  /** Whether classes or numbers are predicted. Default: found by the content; asked where both fit. */
  task?: TargetInfo['task'] | undefined
  /** Regression: train on log(1 + y). */
  log?: boolean | undefined
  /** The classes of a trained model, in its order. A row of another class is an error. */
  classes?: readonly string[] | undefined
  missing?: readonly string[] | undefined
}

const mostAsked = 20
const mostClasses = 1000

/** Finds what is predicted: the classes of one column, or the numbers of one or several. Rows without a target are left
 *  out and counted. Throws for one class, for a class in one row, for text targets that are nearly all different, and
 *  where classes and numbers both fit. */
export function targetOf(frame: Frame, columns: readonly string[], options: TargetOptions = {}): TableTarget {
  if (columns.length === 0)
    throw new OptionError(
      `no target is given. Name the column that is predicted: ${setting('target', 'COLUMN')}. The columns: ${frame.columns.map(({ name }) => name).join(', ')}.`,
    )
  const names = frame.columns.map(({ name }) => name)
  for (const name of columns) checkName(name, names, 'target')
  if (new Set(columns).size < columns.length)
    throw new OptionError(`${setting('target', columns)} names a column twice.`)
  const own = columns.map(name => frame.columns.find(column => column.name === name)!)
  const choices: Choice[] = []
  const task = taskOf(own, options, choices)
  return task === 'single' ? classesOf(frame, own, options, choices) : numbersOf(frame, own, options, choices)
}

/** The targets of some rows. */
export function targetsOf({ info, values }: Pick<TableTarget, 'info' | 'values'>, rows: RowNumbers): Targets {
  const width = info.task === 'single' ? 1 : info.columns.length
  const own = new Float64Array(rows.length * width)
  for (let i = 0; i < rows.length; i++)
    for (let j = 0; j < width; j++) own[i * width + j] = values[rows[i]! * width + j]!
  return { ...info, values: own }
}

function taskOf(
  columns: readonly FrameColumn[],
  { task, classes }: TargetOptions,
  choices: Choice[],
): TargetInfo['task'] {
  const date = columns.find(({ type }) => type === 'date')
  if (date)
    throw new DataError(
      `the target "${date.name}" holds dates; expected classes or numbers. Make a number of it, for example the days from another date, with SQL.`,
    )
  if (columns.length > 1) {
    const words = columns.find(({ type }) => type === 'words')
    if (words)
      throw new DataError(
        `several targets are numbers, and "${words.name}" holds words. Predict one column of words: ${setting('target', words.name)}.`,
      )
    if (task === 'single')
      throw new OptionError(
        `${setting('task', 'single')} predicts one column of classes; ${columns.length} targets are given.`,
      )
    return 'regression'
  }
  const [column] = columns
  if (column!.type === 'words') {
    if (task === 'regression')
      throw new DataError(
        `the target "${column!.name}" holds words such as "${(column as { values: { words: readonly string[] } }).values.words[0]}"; ${setting('task', 'regression')} needs numbers. Correct the column, or leave the task out.`,
      )
    return 'single'
  }
  if (task) return task
  if (classes) return 'single'
  const { name, values } = column as Extract<FrameColumn, { type: 'number' }>
  const different = new Set<number>()
  for (const value of values) if (!Number.isNaN(value) && different.size <= mostAsked) different.add(value)
  const whole = [...different].every(Number.isInteger)
  if (whole && different.size === 2) {
    const [a, b] = [...different].sort((x, y) => x - y)
    choices.push({
      what: 'task',
      value: 'two classes',
      reason: `"${name}" holds ${a} and ${b}; ${setting('task', 'regression')} predicts a number`,
    })
    return 'single'
  }
  if (whole && different.size <= mostAsked) {
    const shown = [...different].sort((a, b) => a - b)
    throw new DataError(
      `the target "${name}" holds ${plural(different.size, 'different whole number')}: ${shown.slice(0, 8).join(', ')}${shown.length > 8 ? ', …' : ''}. They may be classes or amounts. ${setting('task', 'single')} predicts one of these classes, ${setting('task', 'regression')} predicts a number.`,
    )
  }
  choices.push({
    what: 'task',
    value: 'regression',
    reason: `"${name}" holds numbers with more than ${different.size > mostAsked ? mostAsked : different.size - 1} values${whole ? '' : ' and fractions'}; ${setting('task', 'single')} takes each value as a class`,
  })
  return 'regression'
}

function leftOut(frame: Frame, names: readonly string[], rows: Int32Array, choices: Choice[]): void {
  const missing = frame.rows - rows.length
  if (rows.length === 0)
    throw new DataError(`no row of ${frame.source} holds a value of the target ${names.map(n => `"${n}"`).join(', ')}.`)
  if (missing > 0)
    choices.push({
      what: 'missing targets',
      value: `${plural(missing, 'row')} left out`,
      reason: `${names.map(n => `"${n}"`).join(' or ')} is missing there`,
    })
}

const labelled = (count: number, has: (row: number) => boolean): Int32Array => {
  const rows = new Int32Array(count)
  let n = 0
  for (let row = 0; row < count; row++) if (has(row)) rows[n++] = row
  return rows.slice(0, n)
}

function classesOf(
  frame: Frame,
  [column]: readonly FrameColumn[],
  { classes: known, missing }: TargetOptions,
  choices: Choice[],
): TableTarget {
  const { name } = column!
  const { codes, words } = column!.type === 'words' ? column!.values : numberWords(column!.values as Float64Array)
  const counts = new Uint32Array(words.length)
  for (const code of codes) if (code >= 0) counts[code]!++
  const used = words.filter((_, code) => counts[code]! > 0)
  const collator = new Intl.Collator('en', { numeric: true })
  const classes = known ?? [...used].sort((a, b) => collator.compare(a, b) || (a < b ? -1 : 1))
  const to = new Map(classes.map((word, i) => [word, i]))
  const values = Float64Array.from(codes, code => (code < 0 ? Number.NaN : (to.get(words[code]!) ?? Number.NaN)))
  const rows = labelled(frame.rows, row => codes[row]! >= 0)
  const strange = used.find(word => !to.has(word))
  if (strange !== undefined)
    throw new DataError(
      `${frame.source}, row ${codes.indexOf(words.indexOf(strange)) + 1}: "${strange}" in the target "${name}" is no class of the model; it knows ${classes.slice(0, 10).join(', ')}${classes.length > 10 ? ', …' : ''}.`,
    )
  leftOut(frame, [name], rows, choices)
  if (!known) checkClasses({ frame, name, words, counts, rows: rows.length, missing }, choices)
  return { info: { task: 'single', columns: [name], classes }, values, rows, choices }
}

function numberWords(values: Float64Array): { codes: Int32Array; words: string[] } {
  const seen = new Map<number, number>()
  const codes = Int32Array.from(values, value => {
    if (Number.isNaN(value)) return -1
    const code = seen.get(value) ?? seen.size
    seen.set(value, code)
    return code
  })
  return { codes, words: [...seen.keys()].map(value => String(value === 0 ? 0 : value)) }
}

function checkClasses(
  {
    frame,
    name,
    words,
    counts,
    rows,
    missing,
  }: {
    frame: Frame
    name: string
    words: readonly string[]
    counts: Uint32Array
    rows: number
    missing: readonly string[] | undefined
  },
  choices: Choice[],
): void {
  const all = words.map((word, code) => ({ word, n: counts[code]! })).filter(({ n }) => n > 0)
  if (all.length === 1)
    throw new DataError(
      `the target "${name}" has one class: every row of ${frame.source} holds "${all[0]!.word}". Expected at least two classes.`,
    )
  if (all.length > mostClasses || (all.length > 20 && all.length > rows / 2))
    throw new DataError(
      `the target "${name}" has ${plural(all.length, 'class', 'classes')} in ${plural(rows, 'row')}: it looks like names or texts. Expected at most ${mostClasses} classes, each in several rows. Choose another target.`,
    )
  const single = all.filter(({ n }) => n === 1)
  if (single.length > 0) {
    const [first] = single
    const more = single.length > 1 ? ` and ${plural(single.length - 1, 'more class', 'more classes')}` : ''
    choices.push({
      what: 'class in one row',
      value: `"${first!.word}"${more}`,
      reason: `a class in one row is for training or for validation, not for both; the metrics say nothing about it. Leave its row out with ${setting('missing', [first!.word])}, or join classes with SQL`,
    })
  }
  if (missing) return
  const rule = missingRule(undefined)
  for (const { word, n } of all)
    if (rule.unsure(word))
      choices.push({
        what: 'class',
        value: `"${word}"`,
        reason: `${plural(n, 'row')} of "${name}" hold it, so it is taken as a class; ${setting('missing', [word])} leaves these rows out`,
      })
}

function numbersOf(
  frame: Frame,
  columns: readonly FrameColumn[],
  { log }: TargetOptions,
  choices: Choice[],
): TableTarget {
  const width = columns.length
  const values = new Float64Array(frame.rows * width)
  columns.forEach((column, j) => {
    const own = column.values as Float64Array
    for (let row = 0; row < frame.rows; row++) values[row * width + j] = own[row]!
  })
  const names = columns.map(({ name }) => name)
  const rows = labelled(frame.rows, row => columns.every((_, j) => !Number.isNaN(values[row * width + j]!)))
  leftOut(frame, names, rows, choices)
  columns.forEach(({ name }, j) => {
    const own = Float64Array.from(rows, row => values[row * width + j]!)
    const low = own.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    if (own.every(value => value === low))
      throw new DataError(`the target "${name}" is ${low} in every row; expected different numbers.`)
    if (log && low <= -1)
      throw new DataError(
        `${setting('log', true)} trains on log(1 + y), and "${name}" holds ${low}; expected numbers above -1.`,
      )
    if (log === undefined && low >= 0) proposeLog(name, own, choices)
  })
  if (log) choices.push({ what: 'scale of the target', value: 'log(1 + y)', reason: setting('log', true) })
  const units = columns.map(({ reading }) => reading?.unit ?? '')
  return {
    info: {
      task: 'regression',
      columns: names,
      classes: names,
      ...(log ? { log: names.map(() => true) } : {}),
      ...(units.some(unit => unit !== '') ? { units } : {}),
    },
    values,
    rows,
    choices,
  }
}

/** Proposes a log scale where numbers are skewed and their logarithms are not. */
function proposeLog(name: string, values: Float64Array, choices: Choice[]): void {
  const skew = skewness(values)
  const logged = skewness(values.map(Math.log1p))
  if (!(skew > 2 && Math.abs(logged) < skew / 2)) return
  choices.push({
    what: 'scale of the target',
    value: 'as it is',
    reason: `"${name}" is skewed (skewness ${withDecimals(skew, 1)}, ${withDecimals(logged, 1)} on a log scale); ${setting('log', true)} trains on log(1 + y), which suits errors in percent`,
  })
}

/** The third standardised moment. */
export function skewness(values: Float64Array): number {
  const n = values.length
  const mean = values.reduce((sum, v) => sum + v, 0) / n
  let [two, three] = [0, 0]
  for (const value of values) {
    const d = value - mean
    two += d * d
    three += d * d * d
  }
  return two === 0 ? 0 : three / n / (two / n) ** 1.5
}
