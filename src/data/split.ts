import { AnnealError } from '../base/errors.ts'
import { purpose, rng, shuffle } from '../base/random.ts'
import type { Item } from './types.ts'

/** Draws validation items from each class's own, a share of `valid` rounded, at least one where it has two, and never
 *  all. A function of the seed and the items' order alone; test items are left as they are. */
export function drawSplit<T extends Pick<Item, 'labels' | 'split'>>(
  items: readonly T[],
  { valid, seed }: { valid: number; seed: number },
): T[] {
  const pools = groups(items)
  const chosen = new Set<T>()
  for (const [label, pool] of pools) {
    const count = pool.length < 2 ? 0 : Math.min(pool.length - 1, Math.max(1, Math.round(pool.length * valid)))
    for (const item of shuffle([...pool], rng(seed, label, 0, purpose.split)).slice(0, count)) chosen.add(item)
  }
  return items.map(item => (item.split === 'test' ? item : { ...item, split: chosen.has(item) ? 'valid' : 'train' }))
}

function groups<T extends Pick<Item, 'labels' | 'split'>>(items: readonly T[]): Map<number, T[]> {
  const pools = new Map<number, T[]>()
  for (const item of items) {
    if (item.split === 'test') continue
    const label = item.labels[0] ?? 0
    const pool = pools.get(label)
    if (pool) pool.push(item)
    else pools.set(label, [item])
  }
  return pools
}

/** Refuses shares and seeds that can't be. */
export function checkSplit({ valid, seed }: { valid: number; seed: number }): void {
  if (!(valid > 0 && valid < 1))
    throw new AnnealError(
      `valid is the share of the pictures kept for validation, between 0 and 1; got ${valid}. Try 0.2.`,
    )
  if (!Number.isSafeInteger(seed)) throw new AnnealError(`the seed must be a whole number, got ${seed}. Try 42.`)
}
