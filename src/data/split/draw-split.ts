import { relative } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { purpose, rng, shuffle } from '../../base/random.ts'
import { type Noun, pictures } from '../files/file-kind.ts'
import type { Choice, Item, Problem, Split, Task } from '../types.ts'
import { balanceGroups, type Group } from './group-split.ts'
import { validCount } from './spread-labels.ts'
import { iterativeParts, rankedParts } from './stratify.ts'

/** How pictures are divided into training and validation. */
export interface SplitPlan {
  /** The share of the pictures for validation. */
  valid: number
  seed: number
  /** Cross-validation instead of a share: the number of folds, of which one validates. */
  folds?: number | undefined
  /** The fold that validates, counted from 0. */
  fold?: number | undefined
  /** `time`: the latest share validates. */
  by?: 'labels' | 'time' | undefined
}

type Dividable = Pick<Item, 'labels' | 'values' | 'split' | 'group' | 'time'>

/** Draws the validation items and sets `split` of all items except test items. The result depends only on the seed and
 *  the order of the items. A label with two or more items is on both sides if possible. The first fitting rule:
 *  - time: the latest share; items with the same time stay together;
 *  - groups: no group is on both sides; labels and sizes are balanced (`group-split.ts`);
 *  - single-label: the share of each class, rounded, at least one of two items, and never all;
 *  - multi-label: iterative stratification (`stratify.ts`);
 *  - regression: items are sorted by the first number, and one of each run of neighbours validates.
 *  Folds are divided the same way. An item that must be trained on in every fold is in no fold. */
export function drawSplit(items: readonly Dividable[], plan: SplitPlan & { task?: Task; noun?: Noun }): void {
  const pool = items.some(item => item.split === 'test') ? items.filter(item => item.split !== 'test') : items
  const parts = divide(pool, plan)
  const validating = plan.folds ? (plan.fold ?? 0) : 1
  pool.forEach((item, i) => {
    item.split = parts[i] === validating ? 'valid' : 'train'
  })
}

/** The part of each item. Without folds: 0 trains, 1 validates. With folds: the number of the fold, or -1 if the item
 *  trains in all folds. */
function divide(pool: readonly Dividable[], plan: SplitPlan & { task?: Task; noun?: Noun }): ArrayLike<number> {
  const { valid, seed, folds, task = 'single', noun = pictures } = plan
  const { one, many } = noun
  const parts = folds
    ? { shares: Array.from({ length: folds }, () => 1 / folds), folds: true }
    : { shares: [1 - valid, valid], folds: false }
  if (plan.by === 'time') return latest(pool, valid, noun)
  if (pool.some(item => item.group !== undefined)) {
    const { groups, member } = groupsOf(pool, task)
    checkGroups(groups.length, folds)
    const places = balanceGroups(groups, parts, rng(seed, 0, 2, purpose.split))
    return member.map(group => places[group]!)
  }
  if (folds && folds > pool.length)
    throw new DataError(
      `${folds} folds of ${plural(pool.length, one, many)}: expected at least as many ${many} as folds.`,
    )
  if (task === 'regression') return rankedParts(Float64Array.from(pool, firstValue), parts, seed)
  if (task === 'multi')
    return iterativeParts(
      pool.map(item => item.labels),
      parts,
      seed,
    )
  return folds ? dealt(pool, folds, seed) : drawn(pool, valid, seed)
}

const firstValue = ({ values }: Dividable): number => values?.[0] ?? 0

function drawn(items: readonly Dividable[], valid: number, seed: number): Int8Array {
  const parts = new Int8Array(items.length)
  for (const [label, pool] of byClass(items))
    for (const i of shuffle(pool, rng(seed, label, 0, purpose.split)).subarray(0, validCount(pool.length, valid)))
      parts[i] = 1
  return parts
}

/** Deals the items of each class to the folds in turn. Each class continues at the fold where the last one stopped. */
function dealt(items: readonly Dividable[], folds: number, seed: number): Int32Array {
  const parts = new Int32Array(items.length).fill(-1)
  let next = 0
  for (const [label, pool] of [...byClass(items)].sort(([a], [b]) => a - b))
    if (pool.length > 1) for (const i of shuffle(pool, rng(seed, label, 0, purpose.split))) parts[i] = next++ % folds
  return parts
}

/** The indexes of each class's items. They are counted first, because there may be a million. */
function byClass(items: readonly Dividable[]): Map<number, Uint32Array> {
  const counts = new Map<number, number>()
  for (const { labels } of items) counts.set(labels[0] ?? 0, (counts.get(labels[0] ?? 0) ?? 0) + 1)
  const pools = new Map(Array.from(counts, ([label, count]) => [label, new Uint32Array(count)]))
  items.forEach(({ labels: [label = 0] }, i) => {
    const left = counts.get(label)!
    const pool = pools.get(label)!
    pool[pool.length - left] = i
    counts.set(label, left - 1)
  })
  return pools
}

function latest(pool: readonly Dividable[], valid: number, { one, many }: Noun): Int8Array {
  const order = pool.map((_, i) => i).sort((a, b) => pool[a]!.time! - pool[b]!.time! || a - b)
  const starts = order.flatMap((i, at) => (at > 0 && pool[i]!.time! > pool[order[at - 1]!]!.time! ? [at] : []))
  if (starts.length === 0)
    throw new DataError(
      `a split by time needs at least two different times; ${plural(pool.length, `${one} has`, `${many} have`)} the same time. Leave out ${option('timeColumn')}, or correct the times.`,
    )
  const wanted = pool.length - validCount(pool.length, valid)
  const start = starts.reduce((best, at) => (Math.abs(at - wanted) < Math.abs(best - wanted) ? at : best))
  const parts = new Int8Array(pool.length)
  for (const i of order.slice(start)) parts[i] = 1
  return parts
}

/** The groups with their labels, and the group of each item. For a regression, the label is the quintile of the
 *  number. */
function groupsOf(pool: readonly Dividable[], task: Task): { groups: Group[]; member: Int32Array } {
  const fifths = task === 'regression' ? quantiles(Float64Array.from(pool, firstValue), 5) : undefined
  const numbers = new Map<string, number>()
  const groups: { size: number; counts: Map<number, number> }[] = []
  const member = Int32Array.from(pool, ({ labels, group }, i) => {
    const key = group === undefined ? `${i}` : `=${group}`
    const number = numbers.get(key) ?? groups.push({ size: 0, counts: new Map() }) - 1
    numbers.set(key, number)
    const { counts } = groups[number]!
    groups[number]!.size++
    for (const label of fifths ? [fifths[i]!] : labels) counts.set(label, (counts.get(label) ?? 0) + 1)
    return number
  })
  return { groups, member }
}

function quantiles(values: Float64Array, count: number): Int32Array {
  const parts = new Int32Array(values.length)
  Array.from(values.keys())
    .sort((a, b) => values[a]! - values[b]! || a - b)
    .forEach((i, at) => {
      parts[i] = Math.floor((at * count) / values.length)
    })
  return parts
}

function checkGroups(count: number, folds = 2): void {
  if (count < folds)
    throw new DataError(
      `${plural(count, 'group')} can not be divided into ${folds} parts without a group on both sides; expected at least ${folds} groups.`,
    )
}

/** Throws if a group lies in two given splits. If validation is still to be drawn (`drawn`), train and valid count as
 *  one split. */
export function checkGroupsApart(
  items: readonly (Pick<Item, 'file' | 'group' | 'split'> & { where?: string })[],
  { dir, drawn, noun = pictures }: { dir: string; drawn: boolean; noun?: Noun },
): void {
  const first = new Map<string, (typeof items)[number]>()
  const side = (split: Split) => (drawn && split === 'valid' ? 'train' : split)
  const named = (item: (typeof items)[number]) => `${relative(dir, item.file)}${item.where ? ` (${item.where})` : ''}`
  for (const item of items) {
    if (item.group === undefined) continue
    const before = first.get(item.group)
    if (!before) first.set(item.group, item)
    else if (side(before.split) !== side(item.split))
      throw new DataError(
        `group "${item.group}" is in ${side(before.split)}, ${named(before)}, and in ${side(item.split)}, ${named(item)}; expected each group on one side. Move its ${noun.many} to one side, or let Anneal draw the split.`,
      )
  }
}

/** Throws for a share, seed or fold out of range. */
export function checkSplit({ valid, seed, folds, fold, by }: SplitPlan): void {
  if (!(valid > 0 && valid < 1))
    throw new DataError(
      `${option('valid')} is the share of the samples kept for validation, between 0 and 1; got ${valid}. Try 0.2.`,
    )
  if (!Number.isSafeInteger(seed)) throw new DataError(`${option('seed')} is a whole number; got ${seed}. Try 42.`)
  if (folds === undefined) return
  if (!Number.isInteger(folds) || folds < 2 || folds > 1000)
    throw new DataError(`${option('folds')} is a whole number from 2 to 1000; got ${folds}. Try 5.`)
  if (fold !== undefined && !(Number.isInteger(fold) && fold >= 0 && fold < folds))
    throw new DataError(
      `${option('fold')} is the number of one of the ${folds} folds, from 0 to ${folds - 1}; got ${fold}.`,
    )
  if (by === 'time') throw new DataError('folds and a split by time contradict each other; leave one of them out.')
}

/** Reports labels with one picture, and labels that a drawn validation part can't check. Their pictures are kept. */
export function uncheckedLabels(
  classes: readonly string[],
  items: readonly Pick<Item, 'labels' | 'split'>[],
  { drawn, noun: { one, many } = pictures }: { drawn: boolean; noun?: Noun | undefined },
): Problem[] {
  const train = new Uint32Array(classes.length)
  const valid = new Uint32Array(classes.length)
  for (const { labels, split } of items)
    if (split !== 'test') for (const label of labels) (split === 'valid' ? valid : train)[label]!++
  const keep = { kept: true, counted: false } as const
  return classes.flatMap((file, label): Problem[] => {
    const [n, checked] = [train[label]! + valid[label]!, valid[label]!]
    if (n === 1)
      return [
        {
          kind: 'single-picture',
          file,
          reason: `this class has one ${one}; it is used for training, so none is left for validation`,
          ...keep,
        },
      ]
    if (!drawn || n === 0 || (checked > 0 && checked < n)) return []
    const side = checked > 0 ? 'validation' : 'training'
    return [{ kind: 'one-sided', file, reason: `its ${n} ${many} could not be divided: all are for ${side}`, ...keep }]
  })
}

/** Reports classes without a picture in a given validation or test part: that part can't evaluate them. */
export function unjudged(
  { classes, items }: { classes: readonly string[]; items: readonly Pick<Item, 'labels' | 'split'>[] },
  {
    drawn,
    task,
    fixed = false,
    noun: { one, many } = pictures,
  }: { drawn: boolean; task: Task; fixed?: boolean | undefined; noun?: Noun | undefined },
): Choice[] {
  if (task === 'regression' || fixed) return []
  return (['valid', 'test'] as const).flatMap((part): Choice[] => {
    if (drawn && part === 'valid') return []
    const there = new Set<number>()
    let count = 0
    for (const { labels, split } of items)
      if (split === part) {
        count++
        for (const label of labels) there.add(label)
      }
    const lacking = classes.filter((_, label) => !there.has(label))
    if (count === 0 || lacking.length === 0) return []
    const [them, how] = lacking.length === 1 ? ['it', 'this class'] : ['them', 'these classes']
    const draw = part === 'valid' ? ', or remove this part; validation is then drawn from train' : ''
    return [
      {
        what: part === 'valid' ? 'validation lacks' : 'test lacks',
        value: `${lacking.length} of ${plural(classes.length, 'class', 'classes')}: ${lacking.slice(0, 20).join(', ')}${lacking.length > 20 ? ', …' : ''}`,
        reason: `no ${one} in ${part} has ${how}, so the metrics say nothing about ${them}. Add ${many} of ${them} to ${part}${draw}`,
      },
    ]
  })
}
