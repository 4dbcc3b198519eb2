import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { FileKind, Indexing } from '../files/file-kind.ts'
import type { FolderIndex } from '../labels/from-folders.ts'
import { indexRows } from '../labels/index-rows.ts'
import type { Known } from '../labels/known-classes.ts'
import { listingOf, nameIn, naturalOrder, splits as splitOrder } from '../labels/name-patterns.ts'
import type { LabelOptions } from '../labels/options.ts'
import type { Answers } from '../labels/types.ts'
import type { Choice, Split, Task } from '../types.ts'
import { type Shards, splitsOf } from './find.ts'
import { readBeside } from './manifest.ts'
import { tarAt } from './members.ts'
import { type ShardSample, samplesOf } from './samples.ts'

interface Row extends ShardSample {
  tar: string
  split: Split | undefined
}

/** Indexes the labelled pictures in tars. The labels stand in the tars; the parts are found by the names of the tars. Samples
 *  are ordered by part, class and name, or as the index of `anneal shard` says, never by the tar that they lie in: so training on
 *  shards is the same, bit by bit, as on the files that they were made of. */
export function indexShards(
  shards: Shards,
  options: LabelOptions,
  { fileKind, known }: Indexing & { known?: Known },
): FolderIndex {
  refuseOtherLabels(shards, options)
  const { manifest, names, source } = readBeside(shards)
  const splits = splitsOf(shards)
  const rows = shards.tars.flatMap((tar, i): Row[] => {
    const samples = samplesOf(tarAt(tar), { manifest, names, source, fileKind })
    const promised = manifest?.shards.find(({ file }) => tar === `${shards.dir}/${file}`)?.samples
    if (promised !== undefined && promised !== samples.length)
      throw new DataError(
        `${tar} holds ${plural(samples.length, 'sample')}, and ${source} says ${promised}; expected the file as it was written. Copy it again.`,
      )
    return samples.map(sample => ({ ...sample, tar, split: splits?.[i] }))
  })
  if (rows.length === 0)
    throw new DataError(
      `${shards.given} holds no ${fileKind.noun.many}; expected tars with ${fileKind.noun.many} and labels in them.`,
    )
  const task = manifest?.task ?? taskOf(shards, rows)
  sort(rows, manifest?.order ?? (task === 'single' ? 'class' : 'file'))
  const places = rows.map(({ tar, name }) => ({ file: `${tar}/${name}` }))
  const listing = listingOf(shards.dir, places, { problems: [], fileKind })
  const where = (row: number) => nameIn(listing, row)
  const groups = rows.some(({ group }) => group !== undefined) ? rows.map(({ group = '' }) => group) : undefined
  const times = rows.every(({ time }) => time !== undefined) ? rows.map(({ time }) => time!) : undefined
  return indexRows(
    {
      listing,
      files: Array.from(rows.keys()),
      answers: answersOf(shards, rows, { task, targets: manifest?.classes }),
      splits: splits && rows.map(({ split }) => split!),
      ...(!known && { groups, times }),
      where,
      source: shards.given,
      problems: [],
      choices: choicesOf(shards, { rows, splits, source, names }),
    },
    { ...options, task },
    known,
  )
}

function refuseOtherLabels({ given }: Shards, options: LabelOptions): void {
  for (const name of [
    'labels',
    'labelRegex',
    'labelOf',
    'targets',
    'splitColumn',
    'groupColumn',
    'timeColumn',
  ] as const)
    if (options[name] !== undefined && options[name] !== false)
      throw new DataError(
        `${option(name)} does not go with ${given}: labels, parts and groups of shards stand in them. Leave it out, or give it to \`anneal shard\`, which writes them.`,
      )
}

/** The kind of labels of the first sample; all others have to be of it. */
function taskOf({ given }: Shards, rows: readonly Row[]): Task {
  const kind = ({ single, values }: ShardSample): Task => (values ? 'regression' : single ? 'single' : 'multi')
  const first = rows[0]!
  const other = rows.find(row => kind(row) !== kind(first))
  if (other)
    throw new DataError(
      `${given}: ${first.tar}/${first.name} has ${words[kind(first)]}, and ${other.tar}/${other.name} has ${words[kind(other)]}; expected one kind of label. Make the shards of one kind.`,
    )
  return kind(first)
}
const words: Record<Task, string> = { single: 'one class', multi: 'a list of labels', regression: 'numbers' }

function sort(rows: Row[], by: 'class' | 'file'): void {
  const byName = (a: Row, b: Row) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.tar < b.tar ? -1 : 1)
  if (by === 'file') rows.sort(byName)
  else {
    const numbers = new Map(
      [...new Set(rows.map(({ labels }) => labels![0]!))].sort(naturalOrder).map((name, i) => [name, i]),
    )
    const place = ({ split = 'train', labels }: Row) =>
      splitOrder.indexOf(split) * numbers.size + numbers.get(labels![0]!)!
    rows.sort((a, b) => place(a) - place(b) || byName(a, b))
  }
}

function answersOf(
  { given }: Shards,
  rows: readonly Row[],
  { task, targets }: { task: Task; targets: readonly string[] | undefined },
): Answers {
  const labels = rows.map(row => row.labels)
  if (task !== 'regression') return { task, labels, targets: [], choices: [] }
  const names = [...(targets ?? Object.keys(rows[0]!.values!))]
  const values = rows.map(({ tar, name, values: own = {} }) =>
    names.map(target => {
      const value = own[target]
      if (value === undefined)
        throw new DataError(
          `${given}: ${tar}/${name} has no number for ${target}; expected ${names.join(', ')}. Correct its JSON.`,
        )
      return value
    }),
  )
  return { task, labels: rows.map(() => []), values, targets: names, choices: [] }
}

function choicesOf(
  { tars }: Shards,
  {
    rows,
    splits,
    source,
    names,
  }: {
    rows: readonly Row[]
    splits: Split[] | undefined
    source: string | undefined
    names: readonly string[] | undefined
  },
): Choice[] {
  const choices: Choice[] = [
    {
      what: 'shards',
      value: plural(tars.length, 'tar'),
      reason: `${plural(rows.length, 'sample')}; ${names ? `${source} names ${plural(names.length, 'class', 'classes')}` : 'their labels are taken as they are written'}`,
    },
  ]
  if (splits)
    choices.push({ what: 'split', value: 'by shard', reason: 'the name of every tar has train, valid or test in it' })
  return choices
}

/** The paths of all pictures in tars, labelled or not, in the order of the tars and their members. */
export const picturesInTars = ({ tars }: Shards, fileKind: FileKind): string[] =>
  tars.flatMap(tar =>
    [...tarAt(tar).members.keys()].filter(name => fileKind.isNamed(name)).map(name => `${tar}/${name}`),
  )
