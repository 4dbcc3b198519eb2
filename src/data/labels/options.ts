import { AnnealError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import { checkSplit, type SplitPlan } from '../split/draw-split.ts'
import type { Decimal } from '../tables/number-cells.ts'
import type { Task } from '../types.ts'

/** What -1 means in columns of 0 and 1. */
export type MinusOne = 'absent' | 'present' | 'unknown'

/** How labelled pictures are divided, and how much damage there may be. */
export interface FolderOptions {
  /** The share of each class kept for validation, where none is given; 0.2 unless given. */
  valid?: number | undefined
  /** 42 unless given. */
  seed?: number | undefined
  /** Cross-validation: so many folds, of which `fold` (from 0) validates. */
  folds?: number | undefined
  fold?: number | undefined
  /** What must not lie on both sides of a split (a patient, a day): the first capture group of this regular expression,
   *  matched as `nameMatcher` says. */
  groupRegex?: string | RegExp | undefined
  /** The share of damaged pictures up to which training goes on without them; 0.05 unless given. */
  maxDamaged?: number | undefined
  /** The share of rows or pictures that may be left out for want of a label, or as another part holds them too, before it is
   *  refused; 0.5 unless given. */
  maxLeftOut?: number | undefined
}

/** Where labels come from: class folders unless one of `labels`, `labelRegex` and `labelOf` is given. */
export interface LabelOptions extends FolderOptions {
  /** A table: CSV, TSV, JSON lines or Parquet. From where the program runs, or from the folder of pictures. */
  labels?: string | undefined
  /** A regular expression whose first capture group is the label, matched as `nameMatcher` says. */
  labelRegex?: string | RegExp | undefined
  /** The label, labels or numbers of a picture by its path below the folder; undefined leaves it out. */
  labelOf?: ((file: string) => string | number | readonly string[] | readonly number[] | undefined) | undefined
  /** The column that names the picture; found by its content unless given. */
  fileColumn?: string | undefined
  /** The column of labels, or several with one label each (0/1). */
  labelColumn?: string | readonly string[] | undefined
  /** Columns of numbers to predict: makes the task `regression`. For `labelOf` the names of its numbers. */
  targets?: readonly string[] | undefined
  /** What stands between the labels of one cell (or name); a space stands for any blanks. */
  delimiter?: string | undefined
  /** Words that mean that a label or number is missing, as they are written; the usual ones (nan, NULL, N/A, None, …) unless
   *  given, none for `[]`. An empty cell always does. */
  missing?: readonly string[] | undefined
  /** The sign before the fraction of numbers; found unless given. */
  decimal?: Decimal | undefined
  /** What -1 means in label columns of 0 and 1: no label, a label, or nobody knows (such rows are left out). Asked unless
   *  given. */
  minusOne?: MinusOne | undefined
  /** The column of train, valid and test; `false` uses none, whatever its name. */
  splitColumn?: string | false | undefined
  groupColumn?: string | undefined
  /** The latest share by this column validates. */
  timeColumn?: string | undefined
  /** Found by the labels unless given. */
  task?: Task | undefined
}

/** The split and the limit of damage with their defaults; refuses what can't be. */
export function planOf({
  valid = 0.2,
  seed = 42,
  folds,
  fold,
  maxDamaged = 0.05,
  maxLeftOut,
}: FolderOptions): SplitPlan & {
  maxDamaged: number
  maxLeftOut?: number | undefined
} {
  const plan = { valid, seed, ...(folds !== undefined && { folds, fold: fold ?? 0 }) }
  checkSplit(plan)
  if (!(maxDamaged >= 0 && maxDamaged <= 1))
    throw new AnnealError(
      `${option('maxDamaged')} is a share of the pictures, from 0 to 1; got ${maxDamaged}. Try 0.05.`,
    )
  if (maxLeftOut !== undefined && !(maxLeftOut >= 0 && maxLeftOut <= 1))
    throw new AnnealError(
      `${option('maxLeftOut')} is a share of the rows or pictures, from 0 to 1; got ${maxLeftOut}. Try 0.5.`,
    )
  return { ...plan, maxDamaged, ...(maxLeftOut !== undefined && { maxLeftOut }) }
}

const sources = ['labels', 'labelRegex', 'labelOf'] as const
const forTables = ['fileColumn', 'labelColumn', 'splitColumn', 'groupColumn', 'timeColumn'] as const
const forLabels = ['targets', 'delimiter', 'task', 'missing', 'decimal', 'minusOne'] as const

/** Of a fold without folds. */
export const foldAlone = (): AnnealError =>
  new AnnealError(
    `${option('fold')} says which of the folds validates, but not how many there are. Give ${setting('folds', 5)}.`,
  )

/** Refuses options that contradict each other. */
export function checkLabelOptions(options: LabelOptions): void {
  const given = (name: keyof LabelOptions) => options[name] !== undefined
  const contradict = (a: string, b: string, why: string) => {
    throw new AnnealError(`${a} and ${b} contradict each other: ${why}. Leave one of them out.`)
  }
  const [source, other] = sources.filter(given)
  if (other) contradict(option(source!), option(other), 'labels come from one place')
  for (const name of forTables)
    if (given(name) && !given('labels'))
      throw new AnnealError(
        `${option(name)} names a column, but no table is given. Name the table with ${option('labels')}.`,
      )
  for (const name of forLabels)
    if (given(name) && !source)
      throw new AnnealError(
        `${option(name)} is for labels from a table, a regular expression or a function; class folders have one class a picture. Give ${option('labels')} or ${option('labelRegex')}, or leave ${option(name)} out.`,
      )
  const regression = options.task === 'regression' || given('targets')
  if (given('targets') && options.task !== undefined && options.task !== 'regression')
    contradict(option('targets'), setting('task', options.task), 'targets are numbers')
  if (given('targets') && given('labelColumn'))
    contradict(option('targets'), option('labelColumn'), 'both name what the model predicts')
  if (given('delimiter') && regression) contradict(option('delimiter'), 'a regression', 'a number is not cut in parts')
  if (given('delimiter') && options.task === 'single')
    contradict(option('delimiter'), setting('task', 'single'), 'it has one label a picture')
  if (options.decimal !== undefined && options.decimal !== '.' && options.decimal !== ',')
    throw new AnnealError(
      `${option('decimal')} is the sign before the fraction of numbers, "." or ","; got "${options.decimal}".`,
    )
  if (given('decimal') && (options.task === 'single' || options.task === 'multi'))
    contradict(option('decimal'), setting('task', options.task), 'it is for numbers')
  const meanings = ['absent', 'present', 'unknown']
  if (options.minusOne !== undefined && !meanings.includes(options.minusOne))
    throw new AnnealError(
      `${option('minusOne')} says what -1 means in label columns: ${meanings.join(', ')}; got "${options.minusOne}".`,
    )
  if (options.delimiter === '')
    throw new AnnealError(`${option('delimiter')} is empty; expected what stands between labels: " ".`)
  if (given('groupColumn') && given('groupRegex'))
    contradict(option('groupColumn'), option('groupRegex'), 'a picture has one group')
  if (given('timeColumn'))
    for (const name of ['groupColumn', 'groupRegex', 'folds', 'splitColumn'] as const)
      if (given(name) && options[name] !== false)
        contradict(option('timeColumn'), option(name), 'pictures are divided in one way')
  if (given('fold') && !given('folds') && !given('labels')) throw foldAlone()
  const columns: [string, string][] = []
  for (const name of [...forTables, 'targets'] as const)
    for (const column of [options[name] ?? []].flat())
      if (typeof column === 'string') {
        const before = columns.find(([, taken]) => taken === column)
        if (before) contradict(option(before[0]), option(name), `both are column "${column}"`)
        columns.push([name, column])
      }
}
