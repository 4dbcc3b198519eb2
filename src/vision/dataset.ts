import { createHash } from 'node:crypto'
import { relative } from 'node:path'
import { ImageError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { correctFiles, refuseConflicts, refuseDamaged } from '../data/labels/after-scan.ts'
import { checkLabelOptions } from '../data/labels/check-options.ts'
import { type FolderIndex, indexFolder } from '../data/labels/from-folders.ts'
import { indexNames } from '../data/labels/from-names.ts'
import { indexTable } from '../data/labels/from-table.ts'
import type { FolderOptions, LabelOptions } from '../data/labels/options.ts'
import { shardsAt } from '../data/shards/find.ts'
import { indexShards } from '../data/shards/from-shards.ts'
import { drawSplit, uncheckedLabels, unjudged } from '../data/split/draw-split.ts'
import { dropCopies, dropEmptyClasses } from '../data/split/drop-duplicates.ts'
import { sharedParts } from '../data/split/shared-parts.ts'
import type { Choice, ClassCount, Problem, Split, Task } from '../data/types.ts'
import { type CacheOptions, type Content, cachePictures } from './cache/cache.ts'
import { contentHashes } from './cache/hashes.ts'
import { pictureFiles } from './decode/formats.ts'
import type { Item, Picture } from './types.ts'

/** Labelled pictures after the scan. Those that can't be used are in `problems` and not in `items`. */
export interface ImageDataset {
  /** Absolute path of the folder. */
  dir: string
  task: Task
  /** Names of the classes; of the targets for the task `regression`. */
  classes: string[]
  items: Item[]
  /** Pictures per class and split. A picture of several classes counts for each; empty for the task `regression`. */
  counts: ClassCount[]
  /** Pictures of each split, and those among them that have no label (`multi` only). */
  pictures: Record<Split, number>
  bare: Record<Split, number>
  problems: Problem[]
  /** Decisions about the labels that the options did not make. */
  choices: Choice[]
  of(split: Split): Item[]
  /** 64 hexadecimal digits that change only if a picture, a label, the order or the split changes. */
  fingerprint: string
}

/** Scanned data with its decoded pictures. */
export interface Pictures {
  data: ImageDataset
  /** The decoded picture of `item.picture`: a view that may be shared; do not write to it. */
  picture(number: number): Picture
  /** The sha256 of the content of that picture's file. */
  hash(number: number): string
  /** Size of the decoded pictures. */
  bytes: number
}

const ofPictures = { fileKind: pictureFiles }

/** Indexes a folder of pictures without decoding any: see {@link indexFolder}. */
export async function imageFolder(dir: string, options: FolderOptions = {}): Promise<FolderIndex> {
  return indexFolder(dir, options, ofPictures)
}

/** Indexes the pictures below a folder without decoding any. The options say where the labels are: in a table
 *  ({@link indexTable}), in names ({@link indexNames}), else in class folders ({@link indexFolder}), or in the tars of a folder
 *  or a pattern ({@link indexShards}). */
export async function indexPictures(dir: string, options: LabelOptions = {}): Promise<FolderIndex> {
  checkLabelOptions(options)
  const shards = shardsAt(dir)
  if (shards) return indexShards(shards, options, ofPictures)
  const { labels } = options
  if (labels !== undefined) return indexTable(dir, { ...options, labels }, ofPictures)
  if (options.labelRegex !== undefined || options.labelOf !== undefined) return indexNames(dir, options, ofPictures)
  return indexFolder(dir, options, ofPictures)
}

/** Scans and decodes in one go, or opens the pictures that an earlier run decoded. Damaged pictures, copies, leaks and
 *  conflicts are left out and listed. If the validation split is drawn at random, it is drawn again from the rest.
 *  Throws if more than `maxDamaged` of the pictures are damaged, or if too few are left to train and to validate. */
export async function openPictures(index: FolderIndex, options: CacheOptions): Promise<Pictures> {
  const { dir, task, drawn, options: plan } = index
  const problems = index.problems.filter(({ kind }) => kind !== 'single-picture' && kind !== 'one-sided')
  const hashes = await contentHashes(dir, index.items, options)
  const numbers = new Map<string, number>()
  const contents: Content[] = []
  let items: (Item & { hash: string })[] = []
  index.items.forEach((item, i) => {
    const content = hashes[i]!
    if (!('hash' in content)) {
      problems.push({ ...content, file: relative(dir, item.file), kept: false, counted: true })
      return
    }
    const { hash, stamp } = content
    if (!numbers.has(hash)) {
      numbers.set(hash, contents.length)
      contents.push({
        file: item.file,
        ...(item.raw && { raw: item.raw }),
        ...(item.bands && { bands: item.bands }),
        hash,
        ...(stamp && { stamp }),
      })
    }
    items.push({ picture: numbers.get(hash)!, hash, ...item }) // in this order, or each takes three times the memory
  })
  const store = await cachePictures(contents, options)

  items = items.filter(item => {
    const row = store.rows[item.picture]!
    if ('offset' in row) {
      if (row.filled) problems.push(filledIn(relative(dir, item.file), row.filled))
      return true
    }
    problems.push({ kind: 'damaged', file: relative(dir, item.file), reason: row.reason, kept: false, counted: true })
    return false
  })
  refuseDamaged(
    index,
    problems.filter(problem => problem.counted),
    pictureFiles.noun,
    ImageError,
  )
  if (drawn) for (const item of items) if (item.split === 'valid') item.split = 'train'
  const shared = index.fixed ? [] : sharedParts(items, { dir, most: plan.maxLeftOut })
  const once = dropCopies(items, index)
  if (drawn) drawSplit(once.items, { ...plan, task })
  const left = index.fixed ? { ...index, items: once.items, problems: [] } : dropEmptyClasses(once.items, index)
  const unchecked = index.fixed ? [] : uncheckedLabels(left.classes, left.items, { drawn })
  const all = [...problems, ...once.problems, ...left.problems, ...unchecked]
  const choices = [...index.choices, ...shared, ...unjudged(left, { drawn, task, fixed: index.fixed })]
  const data = describe({ ...index, classes: left.classes, problems: all, choices }, left.items)
  checkEnough(data, index)
  refuseConflicts(once.problems, index, pictureFiles.noun, correctFiles(task))
  return {
    data,
    picture: number => store.picture(number),
    hash: number => contents[number]!.hash,
    bytes: store.bytes,
  }
}

const filledIn = (file: string, count: number): Problem => ({
  kind: 'missing-values',
  file,
  reason: `${plural(count, 'missing value')} (NaN or nodata) became the mean of ${count === 1 ? 'its channel' : 'their channels'}`,
  kept: true,
  counted: false,
})

function describe(
  { dir, task, classes, problems, choices }: FolderIndex,
  hashed: (Item & { hash: string })[],
): ImageDataset {
  const items = hashed.map(({ hash, ...item }) => item)
  const counts = task === 'regression' ? [] : classes.map(name => ({ name, train: 0, valid: 0, test: 0 }))
  const pictures = { train: 0, valid: 0, test: 0 }
  const bare = { train: 0, valid: 0, test: 0 }
  for (const { labels, split } of items) {
    pictures[split]++
    if (task === 'multi' && labels.length === 0) bare[split]++
    for (const label of labels) counts[label]![split]++
  }
  const fingerprint = fingerprintOf(classes, hashed)
  const of = (split: Split) => items.filter(item => item.split === split)
  return { dir, task, classes, items, counts, pictures, bare, problems, choices, fingerprint, of }
}

/** The sha256 of the JSON of classes and lines, computed piece by piece. */
function fingerprintOf(classes: readonly string[], items: readonly (Item & { hash: string })[]): string {
  const sum = createHash('sha256').update(`[${JSON.stringify(classes)},[`)
  items.forEach(({ hash, labels, values, split }, i) => {
    sum.update(`${i > 0 ? ',' : ''}${JSON.stringify(`${hash} ${values ?? labels} ${split}`)}`)
  })
  return sum.update(']]').digest('hex')
}

function checkEnough({ dir, task, classes, pictures, problems }: ImageDataset, { fixed }: FolderIndex): void {
  const count = (kind: Problem['kind']) => problems.filter(problem => problem.kind === kind && !problem.kept).length
  const why = (['damaged', 'missing', 'conflict', 'leak', 'duplicate', 'cleaned'] as const)
    .filter(kind => count(kind) > 0)
    .map(kind => `${count(kind)} ${kind}`)
  const after = why.length > 0 ? ` after the scan left out ${why.join(', ')}` : ''
  if (fixed) {
    if (pictures.test > 0) return
    throw new ImageError(`${dir} has no usable pictures to evaluate on${after}. Add pictures.`)
  }
  if (task === 'single' && classes.length < 2)
    throw new ImageError(
      `${dir} has ${plural(classes.length, 'class', 'classes')} with usable training pictures${after}; at least two are needed. Add pictures.`,
    )
  if (task === 'multi' && classes.length === 0)
    throw new ImageError(`${dir} has no training picture with a label${after}; at least one is needed. Add pictures.`)
  if (pictures.train < 2)
    throw new ImageError(
      `${dir} has ${plural(pictures.train, 'picture')} for training${after}; at least two are needed. Add pictures.`,
    )
  if (pictures.valid === 0)
    throw new ImageError(
      `${dir} has no pictures for validation${after}; ${task === 'single' ? 'at least one class needs two different pictures' : 'expected at least one'}. Add pictures.`,
    )
}
