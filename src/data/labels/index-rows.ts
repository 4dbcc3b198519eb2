import { posix } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { FileKind } from '../files/file-kind.ts'
import { checkGroupsApart, drawSplit, uncheckedLabels } from '../split/draw-split.ts'
import type { Choice, Problem, Split } from '../types.ts'
import { planOf } from './check-options.ts'
import type { FolderIndex } from './from-folders.ts'
import { type Known, knownClasses, partOf, unknownLabel } from './known-classes.ts'
import { refuseMost, refuseOwnClasses } from './left-out.ts'
import { groupedByName, splits as judging, type Listing, nameIn, naturalOrder, splitNamed } from './name-patterns.ts'
import type { LabelOptions } from './options.ts'
import { lookAlikeChoices } from './spelling.ts'
import type { Answers } from './types.ts'

/** Labelled pictures before labels get their indexes. Each array has one entry per row. */
export interface LabelledRows {
  listing: Listing
  /** Indexes of the files in the listing. */
  files: readonly number[]
  answers: Answers
  /** Undefined if no column gives splits; then the folders of the files may give them. */
  splits?: readonly Split[] | undefined
  groups?: readonly string[] | undefined
  times?: readonly number[] | undefined
  /** The place of a row, in words. */
  where(row: number): string
  /** The source of the labels, in words: `labels.csv`. */
  source: string
  problems: Problem[]
  choices: Choice[]
}

/** How many files without a label are listed one by one. */
const mostListed = 20

/** Makes an index of labelled pictures. Labels get indexes (in natural order, or those of a trained model). A file that
 *  occurs twice is dropped once, or refused if its labels differ. A single label that is only in valid or test is
 *  refused. Then the pictures are split, unless splits are given. */
export function indexRows(given: LabelledRows, options: LabelOptions, known?: Known): FolderIndex {
  const { listing, answers } = given
  const { task } = answers
  const { dir, fileKind } = listing
  const { one, many } = fileKind.noun
  const choices = [...given.choices, ...answers.choices]
  const splits = given.splits ?? splitsByFolder(given, choices)
  const told = toldRows(given)
  const once = withoutCopies(given, told.rows, { splits, most: known ? 1 : options.maxLeftOut })
  const part = known && partOf(splits, known, { choices, rows: once.rows, source: given.source, noun: fileKind.noun })
  const rows = part && splits ? once.rows.filter(row => splits[row] === part) : once.rows
  const splitOf = (row: number): Split => (known ? 'test' : (splits?.[row] ?? 'train'))
  const classes = known ? knownClasses(answers, known, given.source) : classesOf(given, rows, splitOf)
  const numbered = numberedItems(given, { rows, splitOf, classes, known })
  const there = new Set(classes)
  const empty = (answers.declared ?? []).filter(name => !there.has(name))
  const problems = [
    given.problems,
    told.problems,
    once.problems,
    numbered.problems,
    known ? [] : empty.map(name => passed('empty-class', name, `no training ${one} has this label`)),
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
    throw new DataError(
      `${given.source} gives the ${many} for validation, but ${anew} would draw them again. Leave out ${anew}, or ignore the given split (${setting('splitColumn', false)}).`,
    )
  if (options.groupRegex !== undefined)
    items = groupedByName(items, { dir, pattern: options.groupRegex, noun: fileKind.noun })
  checkGroupsApart(items, { dir, drawn, noun: fileKind.noun })
  if (drawn && task === 'single' && options.task === undefined)
    refuseOwnClasses(
      items.map(({ labels }) => classes[labels[0]!]!),
      {
        noun: fileKind.noun,
        source: given.source,
        instead: `Name the column of the classes (${option('labelColumn')}), give ${many} for validation, or keep these classes (${setting('task', 'single')}).`,
      },
    )
  if (drawn) drawSplit(items, { ...plan, task, noun: fileKind.noun })
  const unchecked = task === 'regression' ? [] : uncheckedLabels(classes, items, { drawn, noun: fileKind.noun })
  if (task !== 'regression')
    choices.push(
      ...untrainedChoice(numbered.untrained, fileKind),
      ...lookAlikeChoices(classes, items, `write them alike in ${given.source}`, fileKind.noun),
    )
  return { ...base, items, problems: problems.concat(unchecked), drawn, options: plan }
}

/** The rows with an answer. The other rows are listed as problems. */
function toldRows({ listing, files, answers, where }: LabelledRows): { rows: Int32Array; problems: Problem[] } {
  const rows = new Int32Array(files.length) // growing or filtering an array would take many times its memory
  let told = 0
  const problems: Problem[] = []
  files.forEach((file, row) => {
    if (answers.values ? answers.values[row] : answers.labels[row]) rows[told++] = row
    else {
      const word = answers.missing?.get(row)
      const reason = `${where(row)}: no ${answers.values ? 'number' : 'label'}${word ? ` ("${word}")` : ''}`
      problems.push(passed('unlabelled', nameIn(listing, file), reason))
    }
  })
  return { rows: rows.subarray(0, told), problems }
}

function numberedItems(
  { listing, files, answers, groups, times, where }: LabelledRows,
  {
    rows,
    splitOf,
    classes,
    known,
  }: { rows: Int32Array; splitOf: (row: number) => Split; classes: string[]; known: Known | undefined },
): { items: FolderIndex['items']; problems: Problem[]; untrained: string[] } {
  const { one, many } = listing.fileKind.noun
  // One shared list per class, because there may be a million pictures.
  const alone = new Map(classes.map((name, label): [string, readonly number[]] => [name, [label]]))
  const problems: Problem[] = []
  const untrained = new Map<string, number[]>()
  const isKnown = (row: number): boolean => {
    const strange = answers.labels[row]!.filter(name => !alone.has(name))
    for (const name of strange) {
      if (!known && answers.task === 'multi') {
        const held = untrained.get(name) ?? []
        untrained.set(name, held.concat(row))
        continue
      }
      if (!known?.leaveOut)
        throw unknownLabel(name, {
          classes,
          where: where(row),
          split: splitOf(row),
          known,
          noun: listing.fileKind.noun,
        })
      const reason = `${where(row)}: the model does not know the label "${name}"`
      const kept = answers.task === 'multi'
      problems.push({ ...passed('unlabelled', nameIn(listing, files[row]!), reason), kept })
    }
    return strange.length === 0 || answers.task !== 'single'
  }
  const kept = rows.every(row => answers.labels[row]!.every(name => alone.has(name))) ? rows : rows.filter(isKnown)
  const items = Array.from({ length: kept.length }, (_, i) => {
    const row = kept[i]!
    const values = answers.values?.[row]
    const names = answers.labels[row] ?? []
    const labels = names.length === 1 ? alone.get(names[0]!) : undefined
    // Field by field, because a spread makes objects four times as large, and there may be a million.
    const file = listing.files[files[row]!]!
    const raw = listing.raw.get(files[row]!)
    const item: FolderIndex['items'][number] = { file, labels: labels ?? numbers(names, alone), split: splitOf(row) }
    if (raw) item.raw = raw
    if (values) item.values = values
    if (groups) item.group = groups[row]!
    if (times) item.time = times[row]!
    return item
  })
  for (const [name, held] of untrained) {
    const reason = `no training ${one} has this label, so it can not be learned or evaluated, and ${plural(held.length, one, many)} of ${splitOf(held[0]!)} (${where(held[0]!)}) ${held.length === 1 ? 'loses' : 'lose'} it`
    problems.push(passed('empty-class', name, reason))
  }
  return { items, problems, untrained: [...untrained.keys()] }
}

/** Reports the labels that occur only in validation or test. */
const untrainedChoice = (names: readonly string[], { noun: { one, many } }: FileKind): Choice[] =>
  names.length === 0
    ? []
    : [
        {
          what: 'labels left out',
          value: `${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`,
          reason: `${names.length === 1 ? 'it occurs' : 'they occur'} only in validation or test: no training ${one} has ${names.length === 1 ? 'it' : 'them'}, so ${names.length === 1 ? 'it is' : 'they are'} not learned or evaluated. The ${many} stay, with their other labels`,
        },
      ]

/** The indexes of the known labels, ascending. */
const numbers = (names: readonly string[], known: ReadonlyMap<string, readonly number[]>): number[] =>
  names.flatMap(name => known.get(name) ?? []).sort((a, b) => a - b)

const passed = (kind: Problem['kind'], file: string, reason: string): Problem => ({
  kind,
  file,
  reason,
  kept: false,
  counted: false,
})

/** Keeps one row per file, in the order of the files. A file that occurs again with the same answer stays once: in
 *  test, else in valid, else in train. Throws if the answers differ. */
function withoutCopies(
  { files, answers, listing, where }: LabelledRows,
  rows: Int32Array,
  { splits, most }: { splits: readonly Split[] | undefined; most: number | undefined },
): { rows: Int32Array; problems: Problem[] } {
  const { many } = listing.fileKind.noun
  const rowOf = new Int32Array(listing.files.length).fill(-1)
  const problems: Problem[] = []
  const lost = new Map<Split, { to: Split; count: number; reason: string }>()
  const said = (row: number) => (answers.values?.[row] ?? [...answers.labels[row]!].sort()).join('\0')
  const shown = (row: number) => (answers.values?.[row] ?? answers.labels[row]!).join(', ') || 'no label'
  for (const row of rows) {
    const file = files[row]!
    const before = rowOf[file]!
    if (before < 0) rowOf[file] = row
    else if (said(before) === said(row)) {
      const apart = splits !== undefined && splits[before] !== splits[row]
      const later = apart && judging.indexOf(splits[row]!) > judging.indexOf(splits[before]!)
      if (later) rowOf[file] = row
      if (apart) {
        const [from, to] = later ? [splits[before]!, splits[row]!] : [splits[row]!, splits[before]!]
        const pair = lost.get(from) ?? {
          to,
          count: 0,
          reason: `${nameIn(listing, file)} (${where(before)} and ${where(row)})`,
        }
        lost.set(from, { ...pair, count: pair.count + 1 })
      }
      const reason = apart
        ? `${where(before)} has it in ${splits[before]} and ${where(row)} in ${splits[row]}; it stays in ${splits[later ? row : before]}`
        : `${where(row)} names it again, with the same answer as ${where(before)}`
      problems.push(passed(apart ? 'leak' : 'duplicate', nameIn(listing, file), reason))
    } else
      throw new DataError(
        `${nameIn(listing, file)} is named twice with different answers: ${where(before)} (${shown(before)}) and ${where(row)} (${shown(row)}); expected one row per ${listing.fileKind.noun.one}. Remove one of them, or join their labels in one row.`,
      )
  }
  for (const [from, { to, count, reason }] of lost)
    refuseMost(
      { out: count, total: rows.filter(row => splits?.[row] === from).length, most },
      {
        what: `${many} in ${from} are also in ${to}: these two parts are mostly the same ${many}`,
        example: reason,
        instead: `Correct the split column, or ignore it (${setting('splitColumn', false)}) so that validation is drawn`,
      },
    )
  let count = 0
  for (const row of rowOf) if (row >= 0) rowOf[count++] = row
  return { rows: rowOf.subarray(0, count), problems }
}

/** The labels of the training pictures in natural order, or the names of the regression targets. */
function classesOf(
  { answers, listing, source, problems }: LabelledRows,
  rows: Int32Array,
  splitOf: (row: number) => Split,
): string[] {
  const { one, many } = listing.fileKind.noun
  if (answers.task === 'regression') return [...answers.targets]
  const labels = new Set<string>()
  for (const row of rows) if (splitOf(row) === 'train') for (const label of answers.labels[row]!) labels.add(label)
  const least = answers.task === 'single' ? 2 : 1
  const missing = problems.filter(({ kind }) => kind === 'missing')
  const gone =
    missing.length > 0
      ? ` (${plural(missing.length, `more ${one} is`, `more ${many} are`)} named but missing, such as ${missing[0]!.file})`
      : ''
  if (labels.size < least)
    throw new DataError(
      `${source} gives the training ${many} in ${listing.dir} ${labels.size === 1 ? `one label, "${[...labels][0]}"` : 'no labels'}${gone}; at least ${least === 2 ? 'two are' : 'one is'} needed.`,
    )
  return [...labels].sort(naturalOrder)
}

/** The splits by folder, if every file lies in a folder called train, valid or test, and there are training files. */
function splitsByFolder({ files, listing }: LabelledRows, choices: Choice[]): Split[] | undefined {
  const splits: Split[] = []
  for (const file of files) {
    const name = nameIn(listing, file)
    const split = name.includes('/') ? splitNamed(name.slice(0, name.indexOf('/'))) : undefined
    if (!split) return undefined
    splits.push(split)
  }
  const kinds = new Set(splits)
  if (kinds.size < 2 || !kinds.has('train')) return undefined
  choices.push({
    what: 'split',
    value: 'by folder',
    reason: `every ${listing.fileKind.noun.one} lies in a folder called train, valid or test`,
  })
  return splits
}

/** Reports pictures without a row: the first ones by name, the others by their number. */
function unnamed({ files, listing, source }: LabelledRows): Problem[] {
  const named = new Uint8Array(listing.files.length)
  for (const file of files) named[file] = 1
  const others: number[] = []
  listing.files.forEach((file, i) => {
    if (named[i] === 0 && listing.fileKind.isNamed(file)) others.push(i)
  })
  const name = (at: number) => nameIn(listing, others[at]!)
  const listed = others
    .slice(0, mostListed)
    .map((_, at) => passed('unlabelled', name(at), `${source} does not name it`))
  const { one, many } = listing.fileKind.noun
  const rest = others.length - listed.length
  const folder = rest > 0 ? posix.dirname(name(mostListed)) : ''
  return rest > 0
    ? [
        ...listed,
        passed('unlabelled', folder, `${source} does not name ${plural(rest, `more ${one}`, `more ${many}`)}`),
      ]
    : listed
}
