import { realpathSync } from 'node:fs'
import { relative } from 'node:path'
import { AnnealError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { splits } from '../labels/name-patterns.ts'
import type { Choice, Item, Split } from '../types.ts'

type Hashed = Pick<Item, 'file' | 'split'> & { hash: string }

/** Two parts that hold the same pictures. */
interface Overlap {
  /** The part that would lose them, and the one that keeps them. */
  from: Split
  to: Split
  /** Different pictures in both, in each. */
  shared: number
  ofFrom: number
  ofTo: number
  example: [Hashed, Hashed]
}

/** Looks for pictures (`hash` of their content) that lie in two of train, valid and test. Refuses where a part would lose more
 *  than `most` of its pictures by it: it is a copy of another part, or a link to it. What else is shared is said. */
export function sharedParts(
  items: readonly Hashed[],
  { dir, most = 0.5 }: { dir: string; most?: number | undefined },
): Choice[] {
  const first = new Map<Split, Map<string, Hashed>>(splits.map(split => [split, new Map()]))
  for (const item of items) {
    const own = first.get(item.split)!
    if (!own.has(item.hash)) own.set(item.hash, item)
  }
  const overlaps = (
    [
      ['valid', 'test'],
      ['train', 'valid'],
      ['train', 'test'],
    ] as const
  ).flatMap(([from, to]) => overlapOf(first, from, to))
  for (const overlap of overlaps) if (overlap.shared > most * overlap.ofFrom) throw samePictures(overlap, dir)
  return overlaps.map(overlap => ({
    what: 'the same pictures',
    value: `${overlap.shared.toLocaleString('en-US')} of the ${plural(overlap.ofTo, 'picture')} in ${overlap.to} ${overlap.shared === 1 ? 'is' : 'are'} in ${overlap.from} too`,
    reason: `such as ${shown(overlap, dir)}; they stay in ${overlap.to} alone, so that it judges nothing that was learned from`,
  }))
}

function overlapOf(first: ReadonlyMap<Split, Map<string, Hashed>>, from: Split, to: Split): Overlap[] {
  const [a, b] = [first.get(from)!, first.get(to)!]
  let [shared, example] = [0, undefined as [Hashed, Hashed] | undefined]
  for (const [hash, item] of a) {
    const other = b.get(hash)
    if (!other) continue
    shared++
    example ??= [item, other]
  }
  return example ? [{ from, to, shared, ofFrom: a.size, ofTo: b.size, example }] : []
}

const shown = ({ example: [a, b] }: Overlap, dir: string): string =>
  `${relative(dir, a.file)}, which is ${relative(dir, b.file)}`

function samePictures(overlap: Overlap, dir: string): AnnealError {
  const { from, to, shared, ofFrom, ofTo } = overlap
  const linked = sameFile(overlap.example)
  const all = shared === ofFrom && shared === ofTo
  const counts = `${shared.toLocaleString('en-US')} of the ${plural(ofFrom, 'picture')} in ${from} and of the ${ofTo.toLocaleString('en-US')} in ${to}`
  const instead =
    from === 'valid'
      ? `Validation would choose by the pictures that test. Take the ${from} part away, and validation is drawn from train; or give it pictures of its own`
      : `Nothing would be judged on pictures that were not learned from. Take the ${to} part away${to === 'valid' ? ', and validation is drawn from train' : ''}; or give it pictures of its own`
  const left = ofFrom - shared
  const limit = setting('maxLeftOut', Math.ceil((1000 * shared) / ofFrom) / 1000)
  const goOn =
    left === 0
      ? ''
      : ` To go on with the ${plural(left, 'picture')} that ${from} has alone: ${limit} (${percent(shared / ofFrom)} left out).`
  return new AnnealError(
    `${from} and ${to} of ${dir} are ${all ? '' : 'mostly '}the same pictures: ${counts}, such as ${shown(overlap, dir)}${linked ? ' (one is a link to the other)' : ''}. ${instead}.${goOn}`,
  )
}

function sameFile([a, b]: [Hashed, Hashed]): boolean {
  try {
    return realpathSync(a.file) === realpathSync(b.file)
  } catch {
    return false
  }
}
