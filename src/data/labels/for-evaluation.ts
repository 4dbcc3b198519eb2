import { resolve } from 'node:path'
import { DataError, didYouMean } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { FileKind, Indexing } from '../files/file-kind.ts'
import type { Choice, Problem, Split, Task } from '../types.ts'
import { checkLabelOptions, planOf } from './check-options.ts'
import { type FolderIndex, openFolder } from './from-folders.ts'
import { indexNames } from './from-names.ts'
import { indexTable } from './from-table.ts'
import { type Known, noParts } from './known-classes.ts'
import { type Entry, findSamples, showRelative } from './list-files.ts'
import { splitNamed } from './name-patterns.ts'
import type { LabelOptions } from './options.ts'
import { nameFinder } from './spelling.ts'

/** What a trained model predicts, and which pictures to evaluate it on. */
export interface EvaluationOptions extends Omit<LabelOptions, 'task' | 'folds' | 'fold' | 'groupRegex'> {
  /** The model's classes (or regression targets), in its order. */
  classes: readonly string[]
  task: Task
  /** The part to evaluate on, if the pictures have parts. Default: test, else valid. */
  part?: Split | 'all' | undefined
  /** Leave out labels that the model does not know, instead of refusing them. */
  leaveOut?: boolean | undefined
}

/** Indexes the pictures to evaluate a trained model on. All get the split `test`, and labels get the indexes of the
 *  model's classes. Labels come from class folders, a table, a regular expression or a function, as in training. */
export async function indexForEvaluation(
  dir: string,
  { classes, part, leaveOut, ...options }: EvaluationOptions,
  { fileKind }: Indexing,
): Promise<FolderIndex> {
  const known: Known = { classes, part, leaveOut }
  const { task, labels } = options
  const fromNames = options.labelRegex !== undefined || options.labelOf !== undefined
  checkLabelOptions(labels === undefined && !fromNames ? { ...options, task: undefined } : options)
  if (labels !== undefined) return indexTable(dir, { ...options, labels }, { fileKind, known })
  if (fromNames) return indexNames(dir, options, { fileKind, known })
  if (task === 'single') return indexClassFolders(dir, { known, fileKind }, options)
  throw new DataError(
    `class folders give one class per ${fileKind.noun.one}, but the model predicts ${task === 'multi' ? 'several labels' : `numbers (${classes.join(', ')})`}; expected a table with labels (${option('labels')}).`,
  )
}

function indexClassFolders(
  dir: string,
  { known, fileKind }: { known: Known; fileKind: FileKind },
  { maxDamaged }: LabelOptions,
): FolderIndex {
  const { one, many } = fileKind.noun
  const { classes, leaveOut } = known
  const expected = `expected one folder per class: ${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}`
  const root = Buffer.from(resolve(dir))
  const choices: Choice[] = []
  const top = openFolder(dir, root, { fileKind, expected })
  const parts = partFolders(top, known, { dir, choices, fileKind })
  const problems: Problem[] = []
  const items: FolderIndex['items'] = []
  const numbers = new Map(classes.map((name, number) => [name, [number]]))
  const knownName = nameFinder(classes)
  for (const entry of parts ? parts.flatMap(({ name, path }) => openFolder(name, path, { fileKind, expected })) : top) {
    const file = showRelative(entry.path, root)
    if (entry.type === 'file' && fileKind.isNamed(entry.name)) {
      const reason = 'it lies outside every class folder'
      problems.push({ kind: 'unlabelled', file, reason, kept: false, counted: false })
    }
    if (entry.type !== 'folder') continue
    const inside = findSamples(entry.path, root, fileKind)
    for (const problem of inside.problems) problems.push(problem)
    const labels = numbers.get(knownName(entry.name) ?? entry.name)
    if (labels) for (const place of inside.samples) items.push({ ...place, labels, split: 'test' })
    else if (inside.samples.length > 0) {
      const count = plural(inside.samples.length, one, many)
      if (!leaveOut)
        throw new DataError(
          `${file} holds ${count}, but the model does not know the class "${entry.name}"; ${expected}.${didYouMean(entry.name, classes)} Rename the folder, or leave out unknown classes (${setting('leaveOut', true)}).`,
        )
      const reason = `the model does not know this class: its ${count} are left out`
      problems.push({ kind: 'unlabelled', file, reason, kept: false, counted: false })
    }
  }
  if (items.length === 0)
    throw new DataError(
      `${parts?.map(({ name }) => name).join(' and ') ?? dir} has no ${many} in folders of the model's classes; ${expected}.`,
    )
  const options = planOf({ maxDamaged })
  const base = { dir: root.toString(), task: 'single' as const, classes: [...classes] }
  items.sort((a, b) => a.labels[0]! - b.labels[0]! || (a.file < b.file ? -1 : 1))
  return { ...base, items, problems, choices, drawn: false, fixed: true, options }
}

/** The folders of the part to evaluate on, if class folders lie in train, valid and test; else undefined. */
function partFolders(
  top: readonly Entry[],
  { classes, part }: Known,
  { dir, choices, fileKind }: { dir: string; choices: Choice[]; fileKind: FileKind },
): Entry[] | undefined {
  const parts = new Map<Split, Entry>()
  const knownName = nameFinder(classes)
  for (const entry of top) {
    const split = entry.type === 'folder' ? splitNamed(entry.name) : undefined
    if (split && knownName(entry.name) === undefined) parts.set(split, entry)
  }
  if (parts.size === 0) {
    if (part !== undefined && part !== 'all') choices.push(noParts(part, dir, fileKind.noun))
    return undefined
  }
  if (part === 'all') return [...parts.values()]
  const wanted = part ?? (parts.has('test') ? 'test' : 'valid')
  const chosen = parts.get(wanted)
  if (!chosen)
    throw new DataError(
      `${dir} holds ${[...parts.values()].map(entry => entry.name).join(' and ')} but no folder ${wanted}; a model is evaluated on ${fileKind.noun.many} that it was not trained on. Choose the part with ${option('part')} (test, valid, train or all).`,
    )
  choices.push({ what: 'part', value: chosen.name, reason: `${dir} holds folders of parts` })
  return [chosen]
}
