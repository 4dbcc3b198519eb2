import { relative } from 'node:path'
import type { Item, Problem, ProblemKind, Split } from './types.ts'

/** Which copies count: those in the split that judges last. */
const rank: Record<Split, number> = { train: 0, valid: 1, test: 2 }

/** Leaves out exact copies of a picture (`hash` of its content), by three rules, one after the other:
 *  1. leak: a picture that lies in two splits stays only in the one that judges last: test, then valid, then train;
 *  2. conflict: a picture under two labels in one split is left out altogether, as nobody can say which is right;
 *  3. duplicate: of copies under one label the first stays. */
export function dropCopies<T extends Item & { hash: string }>(
  items: readonly T[],
  { dir, classes }: { dir: string; classes: readonly string[] },
): { items: T[]; problems: Problem[] } {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.hash)
    if (group) group.push(item)
    else groups.set(item.hash, [item])
  }
  const problems: Problem[] = []
  const dropped = new Set<T>()
  const drop = (kind: ProblemKind, item: T, reason: string) => {
    dropped.add(item)
    problems.push({ kind, file: relative(dir, item.file), reason, kept: false, counted: false })
  }
  const named = (item: T) => relative(dir, item.file)
  const labelsOf = ({ labels, values }: T) =>
    (values ?? labels.map(label => `"${classes[label]}"`)).join(', ') || 'without a label'
  for (const group of groups.values()) {
    if (group.length < 2) continue
    const last = Math.max(...group.map(item => rank[item.split]))
    const judges = group.filter(item => rank[item.split] === last)
    for (const item of group)
      if (rank[item.split] < last) {
        const other = judges[0]!
        const label = sameLabels(other, item) ? '' : `, and there it is ${labelsOf(other)}`
        drop('leak', item, `the same picture is in ${other.split}: ${named(other)}${label}`)
      }
    const first = judges[0]!
    if (judges.some(item => !sameLabels(item, first)))
      for (const item of judges) {
        const other = judges.find(another => !sameLabels(another, item))!
        drop('conflict', item, `the same picture is also ${labelsOf(other)}: ${named(other)}`)
      }
    else for (const item of judges.slice(1)) drop('duplicate', item, `the same picture is ${named(first)}`)
  }
  return { items: items.filter(item => !dropped.has(item)), problems }
}

const sameLabels = (a: Item, b: Item) => String(a.labels) === String(b.labels) && String(a.values) === String(b.values)

/** Leaves out classes without training pictures, with what they have elsewhere, and numbers the rest anew. */
export function dropEmptyClasses<T extends Item>(
  items: readonly T[],
  classes: readonly string[],
): { items: T[]; classes: string[]; problems: Problem[] } {
  const trained = new Set(items.filter(item => item.split === 'train').flatMap(item => item.labels))
  const kept = classes.filter((_, label) => trained.has(label))
  const problems = classes.flatMap((name, label): Problem[] => {
    if (trained.has(label)) return []
    const others = items.filter(item => item.labels.includes(label)).length
    const reason = `no training picture of this class is left${others > 0 ? `; its ${others} in valid and test are left out` : ''}`
    return [{ kind: 'empty-class', file: name, reason, kept: false, counted: false }]
  })
  const numbers = new Map(kept.map((name, number) => [classes.indexOf(name), number]))
  const renumbered = items
    .filter(item => item.labels.every(label => trained.has(label)))
    .map(item => ({ ...item, labels: item.labels.map(label => numbers.get(label)!) }))
  return { items: renumbered, classes: kept, problems }
}
