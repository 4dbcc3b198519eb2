import { relative } from 'node:path'
import { type Noun, pictures } from '../files/file-kind.ts'
import type { Item, Problem, ProblemKind, Split, Task } from '../types.ts'

/** Of copies in several splits, those in the split with the highest rank stay. */
const rank: Record<Split, number> = { train: 0, valid: 1, test: 2 }

/** Leaves out exact copies of a picture (same `hash` of the content) by three rules, in this order:
 *  1. leak: a picture in two splits stays only in test; if it is not in test, only in valid;
 *  2. conflict: all copies with different labels in one split are left out, because the right label is unknown; for
 *     multi-label data the first copy stays, with the labels that all copies share;
 *  3. duplicate: of copies with the same label, the first stays. */
export function dropCopies<T extends Item & { hash: string }>(
  items: readonly T[],
  {
    dir,
    classes,
    task,
    noun: { one } = pictures,
  }: { dir: string; classes: readonly string[]; task: Task; noun?: Noun | undefined },
): { items: T[]; problems: Problem[] } {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.hash)
    if (group) group.push(item)
    else groups.set(item.hash, [item])
  }
  const problems: Problem[] = []
  const dropped = new Set<T>()
  const agreed = new Map<T, readonly number[]>()
  const drop = (kind: ProblemKind, item: T, reason: string) => {
    if (!agreed.has(item)) dropped.add(item)
    problems.push({ kind, file: relative(dir, item.file), reason, kept: agreed.has(item), counted: false })
  }
  const named = (item: T) => relative(dir, item.file)
  const labelsOf = ({ labels, values }: T) =>
    (values ?? labels.map(label => `"${classes[label]}"`)).join(', ') || 'without a label'
  for (const group of groups.values()) {
    if (group.length < 2) continue
    const last = group.reduce((most, item) => Math.max(most, rank[item.split]), 0)
    const judges = group.filter(item => rank[item.split] === last)
    for (const item of group)
      if (rank[item.split] < last) {
        const other = judges[0]!
        const label = sameLabels(other, item) ? '' : `, where its label is ${labelsOf(other)}`
        drop('leak', item, `the same ${one} is in ${other.split}: ${named(other)}${label}`)
      }
    const first = judges[0]!
    const differing = judges.find(item => !sameLabels(item, first))
    if (differing) {
      const common = first.labels.filter(label => judges.every(({ labels }) => labels.includes(label)))
      if (task === 'multi') agreed.set(first, common)
      for (const item of judges) {
        const other = sameLabels(first, item) ? differing : first
        const kept = agreed.has(item) ? `; it stays as ${labelsOf({ ...item, labels: common })}` : ''
        drop('conflict', item, `the same ${one} is also ${labelsOf(other)}: ${named(other)}${kept}`)
      }
    } else for (const item of judges.slice(1)) drop('duplicate', item, `the same ${one} is ${named(first)}`)
  }
  const left = items.filter(item => !dropped.has(item))
  return { items: left.map(item => ({ ...item, labels: agreed.get(item) ?? item.labels })), problems }
}

const sameLabels = (a: Item, b: Item) => String(a.labels) === String(b.labels) && String(a.values) === String(b.values)

/** Leaves out classes without training pictures, and renumbers the others. The pictures of these classes in valid and
 *  test are left out too; multi-label pictures stay, without this label. Regression data is not changed. */
export function dropEmptyClasses<T extends Item>(
  items: readonly T[],
  { classes, task, noun: { one } = pictures }: { classes: readonly string[]; task: Task; noun?: Noun | undefined },
): { items: T[]; classes: string[]; problems: Problem[] } {
  if (task === 'regression') return { items: [...items], classes: [...classes], problems: [] }
  const trained = new Set<number>()
  const elsewhere = new Map<number, number>()
  for (const { labels, split } of items)
    for (const label of labels)
      if (split === 'train') trained.add(label)
      else elsewhere.set(label, (elsewhere.get(label) ?? 0) + 1)
  const numbers = new Map<number, number>()
  const problems: Problem[] = []
  for (const [label, name] of classes.entries()) {
    if (trained.has(label)) {
      numbers.set(label, numbers.size)
      continue
    }
    const others = elsewhere.get(label) ?? 0
    const fate = task === 'multi' ? 'lose this label' : 'are left out'
    const reason = `no training ${one} of this class is left${others > 0 ? `; its ${others} in valid and test ${fate}` : ''}`
    problems.push({ kind: 'empty-class', file: name, reason, kept: false, counted: false })
  }
  const alone = new Map(Array.from(numbers, ([label, number]) => [label, [number]])) // shared
  const numbered = ({ labels }: T) =>
    (labels.length === 1 && alone.get(labels[0]!)) || labels.flatMap(label => numbers.get(label) ?? [])
  const left = task === 'multi' ? items : items.filter(item => item.labels.every(label => trained.has(label)))
  return {
    items: left.map(item => ({ ...item, labels: numbered(item) })),
    classes: classes.filter((_, label) => trained.has(label)),
    problems,
  }
}
