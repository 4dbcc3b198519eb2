import { realpathSync } from 'node:fs'
import { relative } from 'node:path'
import { type AnnealError, DataError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { type Noun, pictures } from '../files/file-kind.ts'
import { splits } from '../labels/name-patterns.ts'
import type { Choice, Item, Split } from '../types.ts'

type Hashed = Pick<Item, 'file' | 'split'> & { hash: string }

/** Two parts with pictures in common. */
interface Overlap {
  /** The part that would lose these pictures, and the part that keeps them. */
  from: Split
  to: Split
  /** The number of different pictures in both parts, in `from` and in `to`. */
  shared: number
  ofFrom: number
  ofTo: number
  example: [Hashed, Hashed]
}

/** Finds pictures (by the `hash` of their content) that lie in two of train, valid and test. Throws if a part would
 *  lose more than the share `most` of its pictures: then it is a copy of another part, or a link to it. Returns a line
 *  for each other pair of parts with pictures in common. */
export function sharedParts(
  items: readonly Hashed[],
  { dir, most = 0.5, noun = pictures }: { dir: string; most?: number | undefined; noun?: Noun | undefined },
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
  for (const overlap of overlaps) if (overlap.shared > most * overlap.ofFrom) throw samePictures(overlap, { dir, noun })
  return overlaps.map(overlap => ({
    what: `the same ${noun.many}`,
    value: `${overlap.shared.toLocaleString('en-US')} of the ${plural(overlap.ofTo, noun.one, noun.many)} in ${overlap.to} ${overlap.shared === 1 ? 'is' : 'are'} in ${overlap.from} too`,
    reason: `such as ${shown(overlap, dir)}; they stay only in ${overlap.to}, so that no ${noun.one} is in two parts`,
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

function samePictures(overlap: Overlap, { dir, noun: { one, many } }: { dir: string; noun: Noun }): AnnealError {
  const { from, to, shared, ofFrom, ofTo } = overlap
  const linked = sameFile(overlap.example)
  const all = shared === ofFrom && shared === ofTo
  const counts = `${shared.toLocaleString('en-US')} of the ${plural(ofFrom, one, many)} in ${from} and of the ${ofTo.toLocaleString('en-US')} in ${to}`
  const instead =
    from === 'valid'
      ? `The model would be chosen by the ${many} that test it. Remove the ${from} part (validation is then drawn from train), or give it other ${many}`
      : `The model would be evaluated on the ${many} it was trained on. Remove the ${to} part${to === 'valid' ? ' (validation is then drawn from train)' : ''}, or give it other ${many}`
  const left = ofFrom - shared
  const limit = setting('maxLeftOut', Math.ceil((1000 * shared) / ofFrom) / 1000)
  const goOn =
    left === 0
      ? ''
      : ` To go on with the ${plural(left, one, many)} that only ${from} has: ${limit} (${percent(shared / ofFrom)} left out).`
  return new DataError(
    `${from} and ${to} of ${dir} are ${all ? '' : 'mostly '}the same ${many}: ${counts}, such as ${shown(overlap, dir)}${linked ? ' (one is a link to the other)' : ''}. ${instead}.${goOn}`,
  )
}

function sameFile([a, b]: [Hashed, Hashed]): boolean {
  try {
    return realpathSync(a.file) === realpathSync(b.file)
  } catch {
    return false
  }
}
