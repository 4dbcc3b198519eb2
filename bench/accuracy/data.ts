/** Sets of labelled pictures for the accuracy bench: read, divided and written, so that every program of the bench gets
 *  exactly the same files in each part. */
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../../src/base/archive.ts'
import { purpose, rng, shuffle } from '../../src/base/random.ts'
import type { LabelOptions } from '../../src/data/index.ts'
import { dropCopies } from '../../src/data/split/drop-duplicates.ts'
import { iterativeParts, rankedParts } from '../../src/data/split/stratify.ts'
import type { Split, Task } from '../../src/data/types.ts'
import { indexPictures } from '../../src/vision/index.ts'

/** A labelled picture. `labels`: indexes of its classes; `values`: its targets, for regression. */
export interface Sample {
  file: string
  labels: readonly number[]
  values?: readonly number[]
  split: Split
}

/** `names`: the classes, or the targets for regression. `drawn`: the parts that the source does not give; the bench
 *  draws them for each seed, and until then their samples are in `train`. */
export interface PictureSet {
  name: string
  task: Task
  names: readonly string[]
  samples: readonly Sample[]
  drawn: { valid: boolean; test: boolean }
}

const partFolders: Record<Split, string> = { train: 'train', valid: 'validation', test: 'test' }

/** How labels are read from a table: options of Anneal by their names in the library. */
type Reading = Pick<LabelOptions, 'labels' | 'labelColumn' | 'targets' | 'task' | 'delimiter' | 'splitColumn'>

/** Reads a set: a folder with train (validation) test; a folder of class folders; `FOLDER:TABLE.csv`; or a folder with
 *  pictures and labels.csv. A file set.json in the folder holds options for the labels, such as
 *  `{"task": "multi", "delimiter": " "}`. Exact copies are left out as Anneal leaves them out, before anything is
 *  drawn. */
export async function readSet(source: string): Promise<PictureSet> {
  const [, folder, table] = /^(.+):([^:]+\.(?:csv|tsv|jsonl|parquet))$/.exec(source) ?? [undefined, source, undefined]
  const inside = (name: string) => join(resolve(folder!), name)
  const labels = table ? (existsSync(table) ? resolve(table) : inside(table)) : inside('labels.csv')
  const options = existsSync(inside('set.json'))
    ? (JSON.parse(readFileSync(inside('set.json'), 'utf8')) as Reading)
    : {}
  const reading = table || existsSync(labels) ? { ...options, labels } : options
  const { dir, task, classes, items, drawn } = await indexPictures(folder!, { seed: 1, ...reading })
  const sorted = items.map(item => ({
    ...item,
    split: drawn && item.split === 'valid' ? ('train' as const) : item.split,
    hash: createHash('sha256').update(readFileSync(item.file)).digest('hex'),
  }))
  const left = dropCopies(sorted, { dir, classes, task }).items
  return {
    name: basename(resolve(folder!)),
    task,
    names: classes,
    samples: left.map(({ file, labels, values, split }) => ({ file, labels, ...(values ? { values } : {}), split })),
    drawn: { valid: drawn, test: !left.some(({ split }) => split === 'test') },
  }
}

/** Draws about `share` of the samples, each label (or each range of the first target) by its share. True: drawn. */
export function draw(samples: readonly Sample[], task: Task, share: number, seed: number): boolean[] {
  const into = { shares: [1 - share, share], folds: false }
  const parts =
    task === 'regression'
      ? rankedParts(
          Float64Array.from(samples, ({ values }) => values![0]!),
          into,
          seed,
        )
      : iterativeParts(
          samples.map(({ labels }) => labels),
          into,
          seed,
        )
  return Array.from(parts, part => part === 1)
}

/** The shares of an undivided set that become its test part, and of the rest its validation part. */
export const shares = { test: 0.3, valid: 0.2 }

/** The set with every part: the parts that its source lacks are drawn from the training part, anew for each seed. */
export function divided(set: PictureSet, seed: number): PictureSet {
  let { samples } = set
  for (const part of ['test', 'valid'] as const) {
    if (!set.drawn[part]) continue
    const pool = samples.filter(({ split }) => split === 'train')
    const chosen = draw(pool, set.task, shares[part], 10 * seed + (part === 'test' ? 1 : 2))
    const moved = new Set(pool.filter((_, i) => chosen[i]))
    samples = samples.map(sample => (moved.has(sample) ? { ...sample, split: part } : sample))
  }
  return { ...set, samples, drawn: { valid: false, test: false } }
}

/** At most `most` samples, each label by its share. The order stays. */
export function limited(samples: readonly Sample[], task: Task, most: number, seed: number): Sample[] {
  if (samples.length <= most) return [...samples]
  for (let wanted = most; ; wanted--) {
    const chosen = draw(samples, task, wanted / samples.length, seed)
    const left = samples.filter((_, i) => chosen[i])
    if (left.length <= most) return left
  }
}

/** `perClass` samples of each class, fewer where a class has no more. The order stays. */
export function fewOfEach(samples: readonly Sample[], perClass: number, seed: number): Sample[] {
  const kept = new Set(
    [...new Set(samples.map(({ labels }) => labels[0]!))].flatMap(label => {
      const own = samples.filter(({ labels }) => labels[0] === label)
      return shuffle(own, rng(seed, label, purpose.split)).slice(0, perClass)
    }),
  )
  return samples.filter(sample => kept.has(sample))
}

/** How a set lies in a folder. `paths`: of each sample below `folder`, in the order of `samples`. `reading`: how the
 *  table of several labels or of targets is read; nothing for class folders. */
export interface Written {
  folder: string
  paths: string[]
  reading?: Reading & { labels: string }
}

/** Writes a set into a new folder: `PART/CLASS/FILE`, or images/ with labels.csv (file, labels or targets, split) and
 *  set.json. `links`: as symbolic links instead of copies. */
export function writeSet(folder: string, { task, names, samples }: PictureSet, { links = false } = {}): Written {
  const taken = new Set<string>()
  const paths = samples.map(({ file, labels, split }, i) => {
    const inside = task === 'single' ? join(partFolders[split], names[labels[0]!]!) : 'images'
    const plain = join(inside, basename(file))
    const path = taken.has(plain) ? join(inside, `${i}-${basename(file)}`) : plain
    taken.add(path)
    return path
  })
  rmSync(folder, { recursive: true, force: true })
  paths.forEach((path, i) => {
    const to = join(folder, path)
    mkdirSync(dirname(to), { recursive: true })
    if (links) symlinkSync(resolve(samples[i]!.file), to)
    else copyFileSync(samples[i]!.file, to)
  })
  if (task === 'single') return { folder, paths }
  const delimiter = names.some(name => name.includes(' ')) ? '|' : ' '
  const heads = task === 'multi' ? ['labels'] : names
  const rows = samples.map(({ labels, values, split }, i) => [
    paths[i]!,
    ...(task === 'multi' ? [labels.map(label => names[label]).join(delimiter)] : values!.map(String)),
    partFolders[split],
  ])
  const text = [['file', ...heads, 'split'], ...rows].map(row => row.map(quoted).join(',')).join('\n')
  const [how, table] = [join(folder, 'set.json'), join(folder, 'labels.csv')]
  const columns =
    task === 'multi'
      ? { task, labelColumn: 'labels', delimiter, splitColumn: 'split' }
      : { task, targets: [...names], splitColumn: 'split' }
  writeFileSync(table, `${text}\n`)
  writeFileSync(how, `${JSON.stringify(columns, null, 2)}\n`)
  return { folder, paths, reading: { ...columns, labels: table } }
}

const quoted = (cell: string) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

/** Writes a set as one whole folder; a folder that is there stays. */
export const keepSet = async (folder: string, set: PictureSet): Promise<string> =>
  makeFolder(folder, async temp => {
    writeSet(temp, set)
  })

/** The numbers of training, validation and test samples. */
export const partsOf = ({ samples }: PictureSet): [number, number, number] => {
  const of = (part: Split) => samples.filter(({ split }) => split === part).length
  return [of('train'), of('valid'), of('test')]
}

/** The same in words. */
export const counted = (set: PictureSet): string => partsOf(set).join(' / ')
