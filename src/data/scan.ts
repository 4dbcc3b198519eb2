import { relative } from 'node:path'
import { AnnealError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { type CacheOptions, type Content, cachePictures } from './cache.ts'
import { dropCopies, dropEmptyClasses } from './clean.ts'
import { type FolderIndex, type FolderOptions, indexFolder, singles } from './folder.ts'
import { contentHashes, sha256 } from './hashes.ts'
import { drawSplit } from './split.ts'
import type { ClassCount, Item, Picture, Problem, Split, Task } from './types.ts'

/** Labelled pictures after the scan: what can't be used is out of `items` and in `problems`. */
export interface ImageData {
  /** Absolute. */
  dir: string
  task: Task
  classes: string[]
  items: Item[]
  counts: ClassCount[]
  problems: Problem[]
  of(split: Split): Item[]
  /** 64 hexadecimal digits that change with any picture, label, order or split, and with nothing else. */
  fingerprint: string
}

/** Scanned data with its decoded pictures. */
export interface Pictures {
  data: ImageData
  /** The decoded picture of `item.picture`; a view that may be shared, not to be written to. */
  picture(number: number): Picture
  /** Size of the decoded pictures. */
  bytes: number
}

/** Indexes a folder of pictures without decoding any: see {@link indexFolder}. */
export async function imageFolder(dir: string, options: FolderOptions = {}): Promise<FolderIndex> {
  return indexFolder(dir, options)
}

/** Scans and decodes in one go, or opens what an earlier run decoded. Damaged pictures, copies, leaks and conflicts are
 *  left out and listed; where validation is drawn, it is drawn anew from what is left. Throws where more than
 *  `maxDamaged` of the pictures are damaged, or fewer than two classes are left. */
export async function openPictures(index: FolderIndex, options: CacheOptions): Promise<Pictures> {
  const { dir, options: given } = index
  const problems = index.problems.filter(problem => problem.kind !== 'single-picture')
  const hashes = await contentHashes(dir, index.items, options)
  const numbers = new Map<string, number>()
  const contents: Content[] = []
  let items: (Item & { hash: string })[] = []
  index.items.forEach((item, i) => {
    const hash = hashes[i]!
    if (typeof hash !== 'string') {
      problems.push({ ...hash, file: relative(dir, item.file), kept: false, counted: true })
      return
    }
    if (!numbers.has(hash)) {
      numbers.set(hash, contents.length)
      contents.push({ file: item.file, ...(item.raw && { raw: item.raw }), hash })
    }
    items.push({ ...item, picture: numbers.get(hash)!, hash })
  })
  const store = await cachePictures(contents, options)

  items = items.filter(item => {
    const row = store.rows[item.picture]!
    if ('offset' in row) return true
    problems.push({ kind: 'damaged', file: relative(dir, item.file), reason: row.reason, kept: false, counted: true })
    return false
  })
  checkDamaged(index, problems)
  if (index.drawn) items = items.map(item => (item.split === 'valid' ? { ...item, split: 'train' } : item))
  const once = dropCopies(items, index)
  items = index.drawn ? drawSplit(once.items, given) : once.items
  const left = dropEmptyClasses(items, index.classes)
  problems.push(...once.problems, ...left.problems, ...singles(left.classes, left.items))
  const data = describe({ ...index, classes: left.classes, problems }, left.items)
  checkEnough(data)
  return { data, picture: number => store.picture(number), bytes: store.bytes }
}

function describe(
  { dir, task, classes, problems }: Pick<FolderIndex, 'dir' | 'task' | 'classes' | 'problems'>,
  hashed: (Item & { hash: string })[],
): ImageData {
  const items = hashed.map(({ hash, ...item }) => item)
  const counts = classes.map(name => ({ name, train: 0, valid: 0, test: 0 }))
  for (const { labels, split } of items) for (const label of labels) counts[label]![split]++
  const lines = hashed.map(({ hash, labels, values, split }) => `${hash} ${values ?? labels} ${split}`)
  const fingerprint = sha256(JSON.stringify([classes, lines]))
  const of = (split: Split) => items.filter(item => item.split === split)
  return { dir, task, classes, items, counts, problems, fingerprint, of }
}

function checkDamaged({ dir, items, problems: before, options }: FolderIndex, problems: Problem[]): void {
  const damaged = problems.filter(problem => problem.counted)
  const total = items.length + before.filter(problem => problem.counted).length
  if (damaged.length <= options.maxDamaged * total) return
  const lines = damaged.slice(0, 10).map(({ file, reason }) => `  ${file}: ${reason}`)
  if (damaged.length > 10) lines.push(`  and ${damaged.length - 10} more`)
  throw new AnnealError(
    `${damaged.length} of the ${plural(total, 'picture')} in ${dir} can not be used, ${percent(damaged.length / total)}, more than the ${percent(options.maxDamaged)} that training puts up with. Repair or remove them, or raise maxDamaged (--max-damaged):\n${lines.join('\n')}`,
  )
}

function checkEnough({ dir, classes, counts, problems }: ImageData): void {
  const count = (kind: Problem['kind']) => problems.filter(problem => problem.kind === kind).length
  const why = (['damaged', 'conflict', 'leak', 'duplicate'] as const)
    .filter(kind => count(kind) > 0)
    .map(kind => `${count(kind)} ${kind}`)
  const after = why.length > 0 ? ` after the scan left out ${why.join(', ')}` : ''
  if (classes.length < 2)
    throw new AnnealError(
      `${dir} has ${plural(classes.length, 'class', 'classes')} with usable training pictures${after}; at least two are needed. Add pictures.`,
    )
  if (counts.every(({ valid }) => valid === 0))
    throw new AnnealError(
      `${dir} has no pictures for validation${after}; at least one class needs two different pictures. Add pictures.`,
    )
}
