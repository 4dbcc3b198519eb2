import { posix } from 'node:path'
import { AnnealError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import type { FolderIndex } from './folder.ts'
import { type Known, knownClasses, partOf, unknownLabel } from './known.ts'
import type { Answers } from './labels.ts'
import type { Listing } from './lookup.ts'
import { namedAsPicture } from './magic.ts'
import { groupedByName, splits as judging, naturalOrder, splitNamed } from './names.ts'
import { type LabelOptions, planOf } from './options.ts'
import { checkGroupsApart, drawSplit, uncheckedLabels } from './split.ts'
import type { Choice, Problem, Split } from './types.ts'

/** Pictures with what is known of each, before labels have numbers. Arrays go by row. */
export interface LabelledRows {
  listing: Listing
  /** Numbers of the files in the listing. */
  files: readonly number[]
  answers: Answers
  /** Given, or found by the folders that the files lie in. */
  splits?: readonly Split[] | undefined
  groups?: readonly string[] | undefined
  times?: readonly number[] | undefined
  /** Where a row is to be found by a person. */
  where(row: number): string
  /** What names the pictures, in words: `labels.csv`. */
  source: string
  problems: Problem[]
  choices: Choice[]
}

/** How many files are listed one by one of those that nothing names. */
const mostListed = 20

/** Labelled pictures as an index: labels get numbers (natural order, or a trained model's), a file that comes twice is
 *  dropped or refused, a label that is only in valid or test is refused, the rest is divided. */
export function indexRows(given: LabelledRows, options: LabelOptions, known?: Known): FolderIndex {
  const { listing, answers } = given
  const { task } = answers
  const dir = listing.dir
  const choices = [...given.choices, ...answers.choices]
  const splits = given.splits ?? splitsByFolder(given, choices)
  const told = toldRows(given)
  const once = withoutCopies(given, told.rows, splits)
  const part = known && partOf(splits, known, { choices, rows: once.rows, source: given.source })
  const rows = part && splits ? once.rows.filter(row => splits[row] === part) : once.rows
  const splitOf = (row: number): Split => (known ? 'test' : (splits?.[row] ?? 'train'))
  const classes = known ? knownClasses(answers, known, given.source) : classesOf(given, rows, splitOf)
  const numbered = numberedItems(given, { rows, splitOf, classes, known })
  const empty = (answers.declared ?? []).filter(name => !classes.includes(name))
  const problems = [
    given.problems,
    told.problems,
    once.problems,
    numbered.problems,
    known ? [] : empty.map(name => passed('empty-class', name, 'no training picture has this label')),
    unnamed(given),
  ].flat()
  const base = { dir, task, classes, choices }
  if (known) {
    const plan = planOf({ maxDamaged: options.maxDamaged })
    return { ...base, items: numbered.items, problems, drawn: false, fixed: true, options: plan }
  }
  const plan = { ...planOf(options), ...(given.times && { by: 'time' as const }) }
  let items = numbered.items
  const drawn = !items.some(item => item.split === 'valid')
  const anew = option(plan.by ? 'timeColumn' : 'folds')
  if (!drawn && (plan.folds || plan.by))
    throw new AnnealError(
      `${given.source} says which pictures are for validation, and ${anew} would draw them anew. Leave out ${anew}, or the split (${setting('splitColumn', false)}).`,
    )
  if (options.groupRegex !== undefined) items = groupedByName(items, { dir, pattern: options.groupRegex })
  checkGroupsApart(items, { dir, drawn })
  if (drawn) items = drawSplit(items, { ...plan, task })
  const unchecked = task === 'regression' ? [] : uncheckedLabels(classes, items, { drawn })
  return { ...base, items, problems: problems.concat(unchecked), drawn, options: plan }
}

/** Rows that tell something of their picture; the others are listed. */
function toldRows({ listing, files, answers, where }: LabelledRows): { rows: number[]; problems: Problem[] } {
  const rows: number[] = []
  const problems: Problem[] = []
  files.forEach((file, row) => {
    if (answers.values ? answers.values[row] : answers.labels[row]) rows.push(row)
    else {
      const reason = `${where(row)}: no ${answers.values ? 'number' : 'label'}`
      problems.push(passed('unlabelled', listing.names[file]!, reason))
    }
  })
  return { rows, problems }
}

function numberedItems(
  { listing, files, answers, groups, times, where }: LabelledRows,
  {
    rows,
    splitOf,
    classes,
    known,
  }: { rows: readonly number[]; splitOf: (row: number) => Split; classes: string[]; known: Known | undefined },
): { items: FolderIndex['items']; problems: Problem[] } {
  const numbers = new Map(classes.map((name, number) => [name, number]))
  const alone = classes.map((_, number): readonly number[] => [number]) // shared: there may be a million pictures
  const items: FolderIndex['items'] = []
  const problems: Problem[] = []
  for (const row of [...rows].sort((a, b) => files[a]! - files[b]!)) {
    const values = answers.values?.[row]
    const [labels, strange]: [number[], string[]] = [[], []]
    for (const name of answers.labels[row] ?? []) {
      const number = numbers.get(name)
      if (number === undefined) strange.push(name)
      else labels.push(number)
    }
    for (const name of strange) {
      if (!known?.leaveOut) throw unknownLabel(name, { classes, where: where(row), split: splitOf(row), known })
      const reason = `${where(row)}: the model does not know the label "${name}"`
      const kept = answers.task === 'multi'
      problems.push({ ...passed('unlabelled', listing.names[files[row]!]!, reason), kept })
    }
    if (strange.length > 0 && answers.task === 'single') continue
    // Field by field: a spread makes objects of four times the size, and there may be a million.
    const { file, raw, bands } = listing.files[files[row]!]!
    const own = labels.length === 1 ? alone[labels[0]!]! : labels.sort((a, b) => a - b)
    const item: FolderIndex['items'][number] = { file, labels: own, split: splitOf(row) }
    if (raw) item.raw = raw
    if (bands) item.bands = bands
    if (values) item.values = values
    if (groups) item.group = groups[row]!
    if (times) item.time = times[row]!
    items.push(item)
  }
  return { items, problems }
}

const passed = (kind: Problem['kind'], file: string, reason: string): Problem => ({
  kind,
  file,
  reason,
  kept: false,
  counted: false,
})

/** Rows of a file each. A file that comes again with the same answer stays once, in the split that judges last; with
 *  another answer it is refused. */
function withoutCopies(
  { files, answers, listing, where }: LabelledRows,
  rows: readonly number[],
  splits: readonly Split[] | undefined,
): { rows: number[]; problems: Problem[] } {
  const first = new Map<number, number>()
  const problems: Problem[] = []
  const said = (row: number) => (answers.values?.[row] ?? [...answers.labels[row]!].sort()).join('\0')
  const shown = (row: number) => (answers.values?.[row] ?? answers.labels[row]!).join(', ') || 'no label'
  for (const row of rows) {
    const before = first.get(files[row]!)
    const name = listing.names[files[row]!]!
    if (before === undefined) first.set(files[row]!, row)
    else if (said(before) === said(row)) {
      const apart = splits !== undefined && splits[before] !== splits[row]
      const later = apart && judging.indexOf(splits[row]!) > judging.indexOf(splits[before]!)
      if (later) first.set(files[row]!, row)
      const reason = apart
        ? `${where(before)} has it in ${splits[before]} and ${where(row)} in ${splits[row]}; it stays in ${splits[later ? row : before]}`
        : `${where(row)} names it again, with what ${where(before)} says of it`
      problems.push(passed(apart ? 'leak' : 'duplicate', name, reason))
    } else
      throw new AnnealError(
        `${name} is named twice with different answers: ${where(before)} (${shown(before)}) and ${where(row)} (${shown(row)}); expected one row a picture. Remove one of them, or join their labels in one row.`,
      )
  }
  return { rows: [...first.values()], problems }
}

/** The labels of training, in natural order; the names of the targets of a regression. */
function classesOf(
  { answers, listing, source, problems }: LabelledRows,
  rows: readonly number[],
  splitOf: (row: number) => Split,
): string[] {
  if (answers.task === 'regression') return [...answers.targets]
  const labels = new Set<string>()
  for (const row of rows) if (splitOf(row) === 'train') for (const label of answers.labels[row]!) labels.add(label)
  const least = answers.task === 'single' ? 2 : 1
  const missing = problems.filter(({ kind }) => kind === 'missing')
  const gone =
    missing.length > 0
      ? ` (${plural(missing.length, 'more picture is', 'more pictures are')} named and missing, such as ${missing[0]!.file})`
      : ''
  if (labels.size < least)
    throw new AnnealError(
      `${source} gives the training pictures in ${listing.dir} ${labels.size === 1 ? `one label, "${[...labels][0]}"` : 'no labels'}${gone}; at least ${least === 2 ? 'two are' : 'one is'} needed.`,
    )
  return [...labels].sort(naturalOrder)
}

/** Splits where every file lies in a folder called train, valid or test, and there is training. */
function splitsByFolder({ files, listing }: LabelledRows, choices: Choice[]): Split[] | undefined {
  const splits: Split[] = []
  for (const file of files) {
    const name = listing.names[file]!
    const split = name.includes('/') ? splitNamed(name.slice(0, name.indexOf('/'))) : undefined
    if (!split) return undefined
    splits.push(split)
  }
  const kinds = new Set(splits)
  if (kinds.size < 2 || !kinds.has('train')) return undefined
  choices.push({ what: 'split', value: 'by folder', reason: 'every picture lies in a folder called so' })
  return splits
}

/** Pictures that nothing names: the first ones each, the others by their number. */
function unnamed({ files, listing, source }: LabelledRows): Problem[] {
  const named = new Set(files)
  const others = listing.names.filter((name, i) => namedAsPicture(name) && !named.has(i))
  const listed = others.slice(0, mostListed).map(name => passed('unlabelled', name, `${source} does not name it`))
  const rest = others.length - listed.length
  const folder = rest > 0 ? posix.dirname(others[mostListed]!) : ''
  return rest > 0
    ? [...listed, passed('unlabelled', folder, `${source} does not name ${plural(rest, 'more picture')}`)]
    : listed
}
