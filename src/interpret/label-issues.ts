import { relative } from 'node:path'
import type { Item, Task } from '../data/types.ts'
import type { IssuePicture, NearDuplicateGroup } from '../runs/index.ts'
import { labelIssues, labelIssuesMulti } from '../train/metrics.ts'

/** Names of what is shown, and how. */
export interface CleanOptions {
  /** Files are shown relative to this folder. */
  dir: string
  task: Task
  classes: readonly string[]
  /** A small picture of a sample as a JPEG in base64; empty where there is nothing to show. */
  show(item: Item): Promise<string>
  /** How many at most. */
  most?: number
}

/** Pictures whose label is likely wrong, the surest first, as `interpret.json` has them. probabilities: [N × classes] of
 *  models that did not learn from the picture (`outOfFold`, or a validation). Numbers have no wrong label: [] for
 *  `regression`. */
export async function issuePictures(
  items: readonly Item[],
  probabilities: Float32Array,
  { dir, task, classes, show, most = 60 }: CleanOptions,
): Promise<IssuePicture[]> {
  const shown = async (item: Item, given: string, suggested: string, score: number): Promise<IssuePicture> => ({
    file: relative(dir, item.file),
    given,
    suggested,
    score,
    ...(task === 'multi' ? { labels: item.labels.map(l => classes[l]!) } : {}),
    thumbnail: await show(item),
  })
  const n = classes.length
  if (task === 'regression') return []
  if (task === 'single') {
    const found = labelIssues(
      probabilities,
      Int32Array.from(items, item => item.labels[0]!),
      n,
    ).slice(0, most)
    return Promise.all(
      found.map(({ index, given, suggested, score }) =>
        shown(items[index]!, classes[given]!, classes[suggested]!, score),
      ),
    )
  }
  const targets = new Float32Array(items.length * n)
  for (const [i, { labels }] of items.entries()) for (const label of labels) targets[i * n + label] = 1
  const words = (label: number, there: number) => `${there ? '' : 'not '}${classes[label]}`
  const found = labelIssuesMulti(probabilities, targets, n).slice(0, most)
  return Promise.all(
    found.map(({ index, label, given, suggested, score }) =>
      shown(items[index]!, words(label, given), words(label, suggested), score),
    ),
  )
}

/** Pairs of samples by their numbers, and the sets that they form. */
export interface Pairs {
  pairs: readonly { a: number; b: number; similarity: number }[]
  groups: readonly (readonly number[])[]
}

/** Sets of pictures that are nearly the same, as `interpret.json` has them: first those that lie in several parts, which
 *  tell each other's answer, then by similarity. At most twelve pictures a set. */
export async function duplicatePictures(
  items: readonly Item[],
  { pairs, groups }: Pairs,
  { dir, task, classes, show, most = 60 }: CleanOptions,
): Promise<NearDuplicateGroup[]> {
  const best = new Map<number, number>()
  for (const { a, b, similarity } of pairs)
    for (const i of [a, b]) best.set(i, Math.max(similarity, best.get(i) ?? similarity))
  const label = ({ labels, values }: Item) =>
    task === 'regression' ? (values ?? []).join(', ') : labels.map(l => classes[l]!).join(', ')
  const sets = groups
    .map(group => ({
      group,
      apart: new Set(group.map(i => items[i]!.split)).size > 1,
      similarity: group.reduce((most, i) => Math.max(most, best.get(i)!), -1),
    }))
    .sort((a, b) => Number(b.apart) - Number(a.apart) || b.similarity - a.similarity)
  return Promise.all(
    sets.slice(0, most).map(async ({ group, similarity }) => ({
      similarity,
      pictures: await Promise.all(
        group.slice(0, 12).map(async i => ({
          file: relative(dir, items[i]!.file),
          label: label(items[i]!),
          part: items[i]!.split,
          thumbnail: await show(items[i]!),
        })),
      ),
    })),
  )
}
