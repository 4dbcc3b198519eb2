import { resolve } from 'node:path'
import { AnnealError, didYouMean } from '../../base/errors.ts'
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

/** What a trained model tells, and which pictures it is judged by. */
export interface EvaluationOptions extends Omit<LabelOptions, 'task' | 'folds' | 'fold' | 'groupRegex'> {
  /** The model's classes (targets of a regression), in its order. */
  classes: readonly string[]
  task: Task
  /** Which part is meant where the pictures have parts: test, else valid, unless given. */
  part?: Split | 'all' | undefined
  /** Leave out labels that the model does not know, instead of refusing them. */
  leaveOut?: boolean | undefined
}

/** Indexes samples to evaluate a trained model on: all for `test`, labels numbered as the model's. Labels come from class
 *  folders, a table, a regular expression or a function, as in training. */
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
  throw new AnnealError(
    `class folders tell one class a ${fileKind.noun.one}, and the model tells ${task === 'multi' ? 'several labels' : `numbers (${classes.join(', ')})`}; expected a table with labels (${option('labels')}).`,
  )
}

function indexClassFolders(
  dir: string,
  { known, fileKind }: { known: Known; fileKind: FileKind },
  { maxDamaged }: LabelOptions,
): FolderIndex {
  const { one, many } = fileKind.noun
  const { classes, leaveOut } = known
  const expected = `expected one folder a class: ${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}`
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
        throw new AnnealError(
          `${file} holds ${count}, and the model does not know the class "${entry.name}"; ${expected}.${didYouMean(entry.name, classes)} Rename the folder, or leave out what it does not know (${setting('leaveOut', true)}).`,
        )
      const reason = `the model does not know this class: its ${count} are left out`
      problems.push({ kind: 'unlabelled', file, reason, kept: false, counted: false })
    }
  }
  if (items.length === 0)
    throw new AnnealError(
      `${parts?.map(({ name }) => name).join(' and ') ?? dir} has no ${many} in folders of the model's classes; ${expected}.`,
    )
  const options = planOf({ maxDamaged })
  const base = { dir: root.toString(), task: 'single' as const, classes: [...classes] }
  items.sort((a, b) => a.labels[0]! - b.labels[0]! || (a.file < b.file ? -1 : 1))
  return { ...base, items, problems, choices, drawn: false, fixed: true, options }
}

/** The folders of the part that is meant, where class folders lie in train, valid and test. */
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
    throw new AnnealError(
      `${dir} holds ${[...parts.values()].map(entry => entry.name).join(' and ')} and no folder ${wanted}; a model is evaluated on ${fileKind.noun.many} that it was not trained on. Say which part is meant (test, valid, train or all).`,
    )
  choices.push({ what: 'part', value: chosen.name, reason: `${dir} holds folders of parts` })
  return [chosen]
}
