import { createHash } from 'node:crypto'
import { relative } from 'node:path'
import { DataError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { applyDecisions, type FolderIndex, readDecisions } from '../data/index.ts'
import { correctFiles, refuseConflicts, refuseDamaged } from '../data/labels/after-scan.ts'
import { checkLabelOptions } from '../data/labels/check-options.ts'
import { indexFolder } from '../data/labels/from-folders.ts'
import { indexNames } from '../data/labels/from-names.ts'
import { indexTable } from '../data/labels/from-table.ts'
import type { LabelOptions } from '../data/labels/options.ts'
import { drawSplit, uncheckedLabels, unjudged } from '../data/split/draw-split.ts'
import { dropCopies, dropEmptyClasses } from '../data/split/drop-duplicates.ts'
import { sharedParts } from '../data/split/shared-parts.ts'
import type { Choice, ClassCount, Problem, Split, Task } from '../data/types.ts'
import type { Heard } from '../runtime/sound/mono.ts'
import { type CacheOptions, type Content, cacheSounds, contentHashes } from './cache/cache.ts'
import type { KeptRow, SoundStore } from './cache/store.ts'
import { soundFiles } from './decode/formats.ts'
import { proposeGroup } from './groups.ts'
import { faultsOf, unevenRates } from './scan.ts'
import type { Item } from './types.ts'

/** Labelled recordings after the scan. Those that can't be used are in `problems` and not in `items`. */
export interface SoundDataset {
  /** Absolute path of the folder. */
  dir: string
  task: Task
  /** Names of the classes; of the targets for the task `regression`. */
  classes: string[]
  items: Item[]
  /** Recordings of each class in each split; empty for the task `regression`. */
  counts: ClassCount[]
  problems: Problem[]
  choices: Choice[]
  of(split: Split): Item[]
  /** 64 hexadecimal digits that change only if a recording, a label, the order or the split changes. */
  fingerprint: string
}

/** Scanned data with its decoded recordings. */
export interface Sounds {
  data: SoundDataset
  /** The sha256 of a recording's file. */
  hash(number: number): string
  /** What is known of the recording of `item.sound`. */
  heard(number: number): Heard
  /** Its length, in seconds. */
  seconds(number: number): number
  /** The same recordings at a rate: one channel, -1 to 1. */
  at(rate: number): Promise<SoundStore>
}

const indexing = { fileKind: soundFiles }
const { noun } = soundFiles

/** Indexes the recordings below a folder without decoding any. The options say where the labels are: in a table, in
 *  names, else in class folders. Where no group was asked for, one that the file names show is proposed. */
export async function indexSounds(
  dir: string,
  { clean, ...options }: LabelOptions & { clean?: string | undefined } = {},
): Promise<FolderIndex> {
  checkLabelOptions(options)
  const { labels } = options
  const found =
    labels !== undefined
      ? await indexTable(dir, { ...options, labels }, indexing)
      : options.labelRegex !== undefined || options.labelOf !== undefined
        ? await indexNames(dir, options, indexing)
        : indexFolder(dir, options, indexing)
  const index = clean === undefined ? found : applyDecisions(found, readDecisions(clean))
  const grouped = index.items.some(item => item.group !== undefined) || index.fixed || options.timeColumn !== undefined
  const proposal = grouped ? undefined : proposeGroup(index)
  return proposal ? { ...index, choices: [...index.choices, proposal] } : index
}

/** The rate at which recordings are decoded first: that of the speech embedding. */
export const firstRate = 16_000

/** Scans and decodes in one go, or opens the recordings that an earlier run decoded. Damaged ones, copies, leaks and
 *  conflicts are left out and listed; silent, clipped and short ones are listed and kept. Throws if more than
 *  `maxDamaged` of them are damaged, or if too few are left to train and to validate. */
export async function openSounds(index: FolderIndex, options: Omit<CacheOptions, 'rate'>): Promise<Sounds> {
  const { dir, task, drawn, options: plan } = index
  const problems = index.problems.filter(({ kind }) => kind !== 'single-picture' && kind !== 'one-sided')
  const hashes = await contentHashes(index.items, options)
  const numbers = new Map<string, number>()
  const contents: Content[] = []
  let items: (Item & { hash: string })[] = []
  index.items.forEach((item, i) => {
    const content = hashes[i]!
    if (!('hash' in content)) {
      problems.push({ ...content, file: relative(dir, item.file), kept: false, counted: true })
      return
    }
    const { hash } = content
    if (!numbers.has(hash)) {
      numbers.set(hash, contents.length)
      contents.push({ file: item.file, ...(item.raw && { raw: item.raw }), hash })
    }
    items.push({ sound: numbers.get(hash)!, hash, ...item })
  })
  const store = await cacheSounds(contents, { ...options, rate: firstRate })
  items = items.filter(item => {
    const row = store.rows[item.sound]!
    const file = relative(dir, item.file)
    if ('reason' in row) problems.push({ kind: 'damaged', file, reason: row.reason, kept: false, counted: true })
    else for (const fault of faultsOf(row.heard)) problems.push({ ...fault, file, kept: true, counted: false })
    return 'offset' in row
  })
  refuseDamaged(
    index,
    problems.filter(problem => problem.counted),
    noun,
  )
  const heard = (number: number) => (store.rows[number] as KeptRow).heard
  if (drawn) for (const item of items) if (item.split === 'valid') item.split = 'train'
  const shared = index.fixed ? [] : sharedParts(items, { dir, most: plan.maxLeftOut, noun })
  const once = dropCopies(items, { ...index, noun })
  if (drawn) drawSplit(once.items, { ...plan, task, noun })
  const left = index.fixed
    ? { ...index, items: once.items, problems: [] }
    : dropEmptyClasses(once.items, { ...index, noun })
  const unchecked = index.fixed ? [] : uncheckedLabels(left.classes, left.items, { drawn, noun })
  const rates = index.fixed ? [] : unevenRates(left.items, { classes: left.classes, task, heard })
  const choices = [...index.choices, ...shared, ...unjudged(left, { drawn, task, fixed: index.fixed, noun }), ...rates]
  const all = [...problems, ...once.problems, ...left.problems, ...unchecked]
  const data = describe({ ...index, classes: left.classes, problems: all, choices }, left.items)
  checkEnough(data, index)
  refuseConflicts(once.problems, index, noun, correctFiles(task))
  return {
    data,
    hash: number => contents[number]!.hash,
    heard,
    seconds: number => heard(number).frames / heard(number).rate,
    at: async rate => (rate === firstRate ? store : cacheSounds(contents, { ...options, rate })),
  }
}

function describe(
  { dir, task, classes, problems, choices }: FolderIndex,
  hashed: (Item & { hash: string })[],
): SoundDataset {
  const items = hashed.map(({ hash, ...item }) => item)
  const counts = task === 'regression' ? [] : classes.map(name => ({ name, train: 0, valid: 0, test: 0 }))
  if (task !== 'regression') for (const { labels, split } of items) for (const label of labels) counts[label]![split]++
  const sum = createHash('sha256').update(JSON.stringify(classes))
  for (const { hash, labels, values, split } of hashed) sum.update(JSON.stringify([hash, values ?? labels, split]))
  const of = (split: Split) => items.filter(item => item.split === split)
  return { dir, task, classes, items, counts, problems, choices, fingerprint: sum.digest('hex'), of }
}

function checkEnough({ dir, task, classes, problems, of }: SoundDataset, { fixed }: FolderIndex): void {
  const count = (kind: Problem['kind']) => problems.filter(problem => problem.kind === kind && !problem.kept).length
  const why = (['damaged', 'missing', 'conflict', 'leak', 'duplicate', 'cleaned'] as const)
    .filter(kind => count(kind) > 0)
    .map(kind => `${count(kind)} ${kind}`)
  const after = why.length > 0 ? ` after the scan left out ${why.join(', ')}` : ''
  const refuse = (what: string) => {
    throw new DataError(`${dir} has ${what}${after}. Add recordings.`)
  }
  if (fixed) {
    if (of('test').length === 0) refuse('no usable recordings to evaluate on')
    return
  }
  const least = 'at least two are needed'
  if (task === 'single' && classes.length < 2)
    refuse(`${plural(classes.length, 'class', 'classes')} with usable training recordings; ${least}`)
  if (task === 'multi' && classes.length === 0) refuse('no training recording with a label; at least one is needed')
  if (of('train').length < 2) refuse(`${plural(of('train').length, 'recording')} for training; ${least}`)
  if (of('valid').length === 0)
    refuse('no recordings for validation; at least one class needs two different recordings')
}
