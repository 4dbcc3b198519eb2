import { type AnnealError, OptionError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import { samples } from '../../base/samples.ts'
import { checkSplit, type SplitPlan } from '../split/draw-split.ts'
import { type FolderOptions, type LabelOptions, splitOptions } from './options.ts'

/** The split and the limits, with defaults. Throws for values out of range. */
export function planOf({
  valid = splitOptions.valid.usual,
  seed = splitOptions.seed.usual,
  folds,
  fold,
  maxDamaged = splitOptions.maxDamaged.usual,
  maxLeftOut,
}: FolderOptions): SplitPlan & {
  maxDamaged: number
  maxLeftOut?: number | undefined
} {
  const plan = { valid, seed, ...(folds !== undefined && { folds, fold: fold ?? 0 }) }
  checkSplit(plan)
  if (!(maxDamaged >= 0 && maxDamaged <= 1))
    throw new OptionError(
      `${option('maxDamaged')} is a share of the ${samples.many}, from 0 to 1; got ${maxDamaged}. Try 0.05.`,
    )
  if (maxLeftOut !== undefined && !(maxLeftOut >= 0 && maxLeftOut <= 1))
    throw new OptionError(
      `${option('maxLeftOut')} is a share of the rows or ${samples.many}, from 0 to 1; got ${maxLeftOut}. Try 0.5.`,
    )
  return { ...plan, maxDamaged, ...(maxLeftOut !== undefined && { maxLeftOut }) }
}

const sources = ['labels', 'labelRegex', 'labelOf'] as const
const forTables = ['fileColumn', 'labelColumn', 'splitColumn', 'groupColumn', 'timeColumn'] as const
const forLabels = ['targets', 'delimiter', 'task', 'missing', 'decimal', 'minusOne'] as const

/** The error for `fold` without `folds`. */
export const foldAlone = (): AnnealError =>
  new OptionError(
    `${option('fold')} chooses the fold that validates, but the number of folds is not given. Give ${setting('folds', 5)}.`,
  )

/** Refuses options that contradict each other. */
export function checkLabelOptions(options: LabelOptions): void {
  const given = (name: keyof LabelOptions) => options[name] !== undefined
  const contradict = (a: string, b: string, why: string) => {
    throw new OptionError(`${a} and ${b} contradict each other: ${why}. Leave one of them out.`)
  }
  const [source, other] = sources.filter(given)
  if (other) contradict(option(source!), option(other), 'labels come from one place')
  for (const name of forTables)
    if (given(name) && !given('labels'))
      throw new OptionError(
        `${option(name)} names a column, but no table is given. Name the table with ${option('labels')}.`,
      )
  for (const name of forLabels)
    if (given(name) && !source)
      throw new OptionError(
        `${option(name)} is for labels from a table, a regular expression or a function; class folders give one class per ${samples.one}. Give ${option('labels')} or ${option('labelRegex')}, or leave ${option(name)} out.`,
      )
  const regression = options.task === 'regression' || given('targets')
  if (given('targets') && options.task !== undefined && options.task !== 'regression')
    contradict(option('targets'), setting('task', options.task), 'targets are numbers')
  if (given('targets') && given('labelColumn'))
    contradict(option('targets'), option('labelColumn'), 'both name what the model predicts')
  if (given('delimiter') && regression) contradict(option('delimiter'), 'a regression', 'a number is not cut in parts')
  if (given('delimiter') && options.task === 'single')
    contradict(option('delimiter'), setting('task', 'single'), `it has one label per ${samples.one}`)
  if (options.decimal !== undefined && options.decimal !== '.' && options.decimal !== ',')
    throw new OptionError(`${option('decimal')} is the decimal sign of numbers, "." or ","; got "${options.decimal}".`)
  if (given('decimal') && (options.task === 'single' || options.task === 'multi'))
    contradict(option('decimal'), setting('task', options.task), 'it is for numbers')
  const meanings = ['absent', 'present', 'unknown']
  if (options.minusOne !== undefined && !meanings.includes(options.minusOne))
    throw new OptionError(
      `${option('minusOne')} is the meaning of -1 in label columns: ${meanings.join(', ')}; got "${options.minusOne}".`,
    )
  if (options.delimiter === '')
    throw new OptionError(`${option('delimiter')} is empty; expected the text between labels, such as " ".`)
  if (given('groupColumn') && given('groupRegex'))
    contradict(option('groupColumn'), option('groupRegex'), `a ${samples.one} has one group`)
  if (given('timeColumn'))
    for (const name of ['groupColumn', 'groupRegex', 'folds', 'splitColumn'] as const)
      if (given(name) && options[name] !== false)
        contradict(option('timeColumn'), option(name), `${samples.many} can be split in only one way`)
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
