import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AnnealError, DataError, didYouMean, fileReason } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { FileKind, Indexing } from '../files/file-kind.ts'
import { checkGroupsApart, drawSplit, type SplitPlan, uncheckedLabels } from '../split/draw-split.ts'
import type { Choice, Item, Place, Problem, Split, Task } from '../types.ts'
import { planOf } from './check-options.ts'
import { refuseOwnClasses } from './left-out.ts'
import { type Entry, findSamples, hiddenFolders, isSample, listFolder, readHead, showRelative } from './list-files.ts'
import { groupedByName, naturalOrder, splitNamed, splitNames, splits } from './name-patterns.ts'
import type { FolderOptions } from './options.ts'
import { lookAlikeChoices, Spellings } from './spelling.ts'

/** Labelled pictures of a folder. No picture is decoded yet. */
export interface FolderIndex {
  /** Absolute. */
  dir: string
  task: Task
  /** The names of the classes, or of the targets for the task `regression`. */
  classes: string[]
  items: Item[]
  problems: Problem[]
  /** What was found in the data because no option gave it. */
  choices: Choice[]
  /** Whether the validation pictures are drawn from the training pictures; if false, they are given. */
  drawn: boolean
  /** Whether the classes are those of a trained model and all pictures are for its evaluation. */
  fixed?: boolean
  options: SplitPlan & { maxDamaged: number; maxLeftOut?: number | undefined }
}

const layout = ({ example = '.jpg' }: FileKind): string =>
  `expected one folder per class (cat/1${example}, dog/2${example}), or such folders inside train and validation (and test, if any)`

/** Indexes a folder of pictures with one folder per class, with or without train, valid (validation, val) and test
 *  above them. Pictures are recognized by their content. Classes are in natural order. If no validation folder has
 *  pictures, a share of each class is drawn for validation, from the seed. */
export function indexFolder(dir: string, given: FolderOptions, { fileKind }: Indexing): FolderIndex {
  const options = planOf(given)
  const root = Buffer.from(resolve(dir))
  const { noun } = fileKind
  const top = openFolder(dir, root, { fileKind })
  const problems: Problem[] = []
  const spelled = new Spellings()
  const hidden: string[] = []
  const found = new Map<Split, Map<string, Place[]>>()
  const pass = (kind: Problem['kind'], path: Buffer, reason: string) =>
    problems.push({ kind, file: showRelative(path, root), reason, kept: false, counted: false })

  const collect = (split: Split, entries: Entry[]) => {
    const classes = new Map<string, Place[]>()
    found.set(split, classes)
    for (const entry of entries) {
      if (entry.type === 'folder') {
        const inside = findSamples(entry.path, root, fileKind)
        for (const problem of inside.problems) problems.push(problem) // not push(...), because a call can't take so many arguments
        const name = spelled.read(entry.name)
        const before = classes.get(name)
        classes.set(name, before ? [...before, ...inside.samples].sort(byFile) : inside.samples)
      } else if (entry.type === 'broken') pass('missing', entry.path, entry.reason ?? 'it can not be opened')
      else if (entry.type === 'special') pass('special', entry.path, 'it is a FIFO, socket or device')
      else if (isSampleFile(entry, fileKind)) pass('unlabelled', entry.path, 'it lies outside every class folder')
    }
  }

  const parts = findParts(dir, { root, top, fileKind })
  for (const folder of [root, ...[...(parts?.values() ?? [])].map(entry => entry.path)])
    for (const path of hiddenFolders(folder)) hidden.push(showRelative(path, root))
  if (!parts) collect('train', top)
  else {
    const used = new Set<Entry>(parts.values())
    for (const [split, entry] of parts) collect(split, openFolder(entry.name, entry.path, { fileKind }))
    for (const entry of top)
      if (entry.type === 'folder' && !used.has(entry))
        pass('unused-folder', entry.path, splitNamed(entry.name) ? 'it holds no class folders' : 'it lies beside train')
      else if (isSampleFile(entry, fileKind)) pass('unlabelled', entry.path, 'it lies outside every class folder')
  }
  const drawn = ![...(found.get('valid')?.values() ?? [])].some(places => places.length > 0)
  if (drawn && parts?.has('valid'))
    pass(
      'unused-folder',
      parts.get('valid')!.path,
      `it holds no ${noun.many}, so validation ${noun.many} are drawn from train`,
    )

  const classes = namedClasses(dir, { top, found, problems, parts, fileKind })
  let items: FolderIndex['items'] = splits.flatMap(split =>
    classes.flatMap((name, label) => {
      const labels: readonly number[] = [label]
      return (found.get(split)?.get(name) ?? []).map(({ file, raw }) =>
        raw ? { file, raw, labels, split } : { file, labels, split },
      )
    }),
  )
  const base = {
    dir: root.toString(),
    task: 'single' as const,
    classes,
    choices: [...passedOver(hidden), ...spelled.choices('folder')],
    drawn,
    options,
  }
  if (!drawn && options.folds)
    throw new DataError(
      `${dir} has a validation folder, ${parts!.get('valid')!.name}, but folds draw the validation ${noun.many} again. Leave out ${option('folds')}, or move its ${noun.many} to train.`,
    )
  if (given.groupRegex !== undefined) items = groupedByName(items, { dir: base.dir, pattern: given.groupRegex, noun })
  checkGroupsApart(items, { ...base, noun })
  if (drawn) {
    refuseOwnClasses(
      items.map(({ labels }) => classes[labels[0]!]!),
      {
        noun,
        source: `one class per folder of ${dir}`,
        instead: `Put the ${noun.many} of a class into one folder, or give the source of the labels: ${option('labels')} for a table, ${option('labelRegex')} for file names.`,
      },
    )
    drawSplit(items, { ...options, noun })
  }
  base.choices.push(
    ...lookAlikeChoices(classes, items, `give their folders one name, or put their ${noun.many} into one folder`, noun),
  )
  return { ...base, items, problems: [...problems, ...uncheckedLabels(classes, items, { drawn, noun })] }
}

/** Reports the folders that are not classes, because they are hidden or made by a system. */
const passedOver = (folders: readonly string[]): Choice[] =>
  folders.length === 0
    ? []
    : [
        {
          what: 'folders passed over',
          value: `${folders.slice(0, 10).join(', ')}${folders.length > 10 ? ', …' : ''}`,
          reason: 'hidden folders and folders that systems make are not classes. Rename a folder that is a class',
        },
      ]

const byFile = (a: Place, b: Place) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0)

const isSampleFile = (entry: Entry, fileKind: FileKind): boolean =>
  entry.type === 'file' && isSample(entry.path, fileKind)

/** Throws if `dir` is not a folder or can't be read. */
export const checkFolder = (dir: string, expected: string, fileKind: FileKind): void => {
  openFolder(dir, Buffer.from(resolve(dir)), { fileKind, expected })
}

/** The entries of a folder. Throws if it can't be read; `expected` is part of the message. */
export function openFolder(
  dir: string,
  path: Buffer,
  { fileKind, expected = layout(fileKind) }: { fileKind: FileKind; expected?: string },
): Entry[] {
  try {
    if (!statSync(path).isDirectory()) {
      const head = readHead(path, fileKind)
      const what = typeof head === 'string' || fileKind.recognises(head) ? 'it is a file' : fileKind.describe(head)
      throw new DataError(`${dir} is not a folder: ${what}; ${expected}.`)
    }
    return listFolder(path)
  } catch (error) {
    if (error instanceof AnnealError) throw error
    throw new DataError(`the folder ${dir} can not be read: ${fileReason(error)}; ${expected}.`, { cause: error })
  }
}

/** The folders of train, valid and test, or undefined if the class folders lie in `dir` itself. A class may also be
 *  called train (beside bus and plane), but the folder of a split holds folders. Throws if both readings fit, because
 *  the wrong one would train on classes "train" and "test" without a notice. */
function findParts(
  dir: string,
  { root, top, fileKind }: { root: Buffer; top: Entry[]; fileKind: FileKind },
): Map<Split, Entry> | undefined {
  const folders = top.filter(entry => entry.type === 'folder')
  const named = folders.filter(entry => splitNamed(entry.name))
  const others = folders.filter(entry => !splitNamed(entry.name))
  const parts = new Map<Split, Entry>()
  for (const entry of named.filter(holdsFolders)) {
    const split = splitNamed(entry.name)!
    const before = parts.get(split)
    if (before)
      throw new DataError(`${dir} holds ${before.name} and ${entry.name}; expected one of them. Move the other away.`)
    parts.set(split, entry)
  }
  const names = (entries: Iterable<Entry>) => [...entries].map(entry => entry.name).join(' and ')
  if (parts.size === 0) {
    if (named.length < 2 || others.length > 0) return undefined
    throw new DataError(`${dir} holds ${names(named)}, but they hold no class folders; ${layout(fileKind)}.`)
  }
  const inSplitOrder = new Map(splits.flatMap(split => (parts.has(split) ? [[split, parts.get(split)!]] : [])))
  const train = parts.get('train')
  if (!train) {
    if (parts.size === 1 && others.length > 0) return undefined
    throw new DataError(
      `${dir} holds ${names(inSplitOrder.values())} but no train folder with class folders inside; ${layout(fileKind)}.`,
    )
  }
  if (parts.size > 1) return inSplitOrder
  const beside = others.filter(({ path }) => findSamples(path, root, fileKind).samples.length > 0)
  if (beside.length === 0) return inSplitOrder
  if (listFolder(train.path).some(entry => isSampleFile(entry, fileKind))) return undefined
  throw new DataError(
    `${dir} holds ${train.name} with folders inside, and ${fileKind.noun.many} in ${names(beside.slice(0, 3))}${beside.length > 3 ? ' and more' : ''} beside it. If ${train.name} is the training part, move the other folders away or train on ${join(dir, train.name)}; if it is a class, move its ${fileKind.noun.many} out of the folders inside.`,
  )
}

function holdsFolders({ path }: Entry): boolean {
  try {
    return listFolder(path).some(entry => entry.type === 'folder')
  } catch {
    return false
  }
}

function namedClasses(
  dir: string,
  {
    top,
    found,
    problems,
    parts,
    fileKind,
  }: {
    top: Entry[]
    found: Map<Split, Map<string, Place[]>>
    problems: Problem[]
    parts: Map<Split, Entry> | undefined
    fileKind: FileKind
  },
): string[] {
  const { one, many } = fileKind.noun
  const train = found.get('train')!
  const classes = [...train.keys()].filter(name => train.get(name)!.length > 0).sort(naturalOrder)
  const trained = new Set(classes)
  for (const split of splits)
    for (const [name, places] of found.get(split) ?? []) {
      const file = parts ? `${parts.get(split)!.name}/${name}` : name
      if (places.length === 0 && !trained.has(name))
        problems.push({
          kind: 'empty-class',
          file,
          reason: `this class folder holds no ${many}`,
          kept: false,
          counted: false,
        })
      else if (!trained.has(name))
        throw new DataError(
          `${file} holds ${plural(places.length, one, many)}, but train has no ${one} of a class "${name}"; expected the classes of train (${classes.slice(0, 20).join(', ')}).${didYouMean(name, classes)} Add training ${many} or move the folder away.`,
        )
    }
  if (classes.length < 2)
    throw new DataError(
      `${tooFew(dir, { top, classes, problems, fileKind })}; ${layout(fileKind)}.${elsewhere(problems)}`,
    )
  return classes
}

/** Where labels may stand if the samples lie outside class folders. */
const elsewhere = (problems: readonly Problem[]): string =>
  problems.some(({ kind }) => kind === 'unlabelled')
    ? ` If the names of the files tell the label (cat_1, dog_2), say how: ${option('labelRegex')} '^([^_]+)_'. If a table tells it, name the table: ${option('labels')}.`
    : ''

function tooFew(
  dir: string,
  { top, classes, problems, fileKind }: { top: Entry[]; classes: string[]; problems: Problem[]; fileKind: FileKind },
): string {
  const { one, many } = fileKind.noun
  const folders = top.filter(entry => entry.type === 'folder')
  const bad = problems.find(problem => problem.counted)
  const why = bad
    ? ` (${plural(problems.filter(p => p.counted).length, 'file')} can not be used; ${bad.file}: ${bad.reason})`
    : ''
  const inner = folders.length === 1 ? folders[0] : undefined
  if (inner && holdsFolders(inner) && !splitNames.train.includes(inner.name))
    return `${dir} holds one folder, "${inner.name}", which holds other folders. Did you mean ${dir.replace(/\/+$/, '')}/${inner.name}?`
  if (classes.length === 1) return `${dir} has one class, "${classes[0]}"${why}, at least two are needed`
  if (top.length === 0) return `${dir} is empty`
  if (folders.length > 0) return `${dir} has ${plural(folders.length, 'folder')} and no ${many} in them${why}`
  const loose = problems.filter(problem => problem.kind === 'unlabelled').length
  return `${dir} holds ${loose > 0 ? plural(loose, one, many) : plural(top.length, 'file')} and no class folders`
}
