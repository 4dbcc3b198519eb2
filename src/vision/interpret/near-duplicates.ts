import { TrainingError } from '../../base/errors.ts'
import { aten, fromArray, keep, noGrad, scope, type Tensor } from '../../torch/index.ts'
import { turn } from '../../train/stop.ts'
import { type Picture, preview } from '../index.ts'

/** Two pictures that are almost the same, by sample number, `a` before `b`. */
export interface NearDuplicate {
  a: number
  b: number
  /** Cosine of their features after the mean of all is subtracted, at most 1. */
  similarity: number
  /** Their distance (1 − similarity) divided by that of their neighbours: 0 for a copy, about 1 for two of many similar
   *  pictures. */
  ratio: number
  /** Bits in which their difference hashes differ, if `picture` was given. */
  bits?: number
}
/** All pairs, the closest first, and the groups that they form. */
export interface NearDuplicates {
  pairs: NearDuplicate[]
  /** Samples that are connected by pairs, in rising order; the largest groups first. */
  groups: number[][]
}
/** The limits within which two pictures count as almost the same. */
export interface DuplicateOptions {
  /** The highest ratio of a pair. */
  threshold?: number
  /** The pictures themselves: with them a pair with a ratio up to `loose` also counts if its hashes agree. */
  picture?: ((sample: number) => Picture) | undefined
  loose?: number
  /** Two hashes that differ in at most this many of 64 bits are of one picture. */
  bits?: number
  /** A pair with at least this similarity counts whatever its neighbours are: films and bursts have many similar
   *  pictures. */
  surely?: number
  /** The number of the neighbour that shows the usual distance of such pictures. */
  neighbour?: number
  /** One number per sample (its split): then only pairs across splits count, which leak. */
  parts?: ArrayLike<number> | undefined
  device?: string
  signal?: AbortSignal | undefined
  onRows?: (done: number, total: number) => void
}

/** Finds pictures that are almost the same: their features are far closer to each other than to the tenth neighbour of
 *  either. A fixed limit of similarity does not work: the similarity of different pictures depends on the data (0.81
 *  for photos of clothes, 0.58 for blood cells). features: [N × F], of a frozen body. Memory grows with N, not N²; time
 *  with N². */
export async function nearDuplicates(
  features: Float32Array,
  count: number,
  {
    threshold = 0.6,
    picture,
    loose = 0.9,
    bits: most = 6,
    surely = 0.95,
    neighbour = 10,
    parts,
    device = 'cpu',
    signal,
    onRows,
  }: DuplicateOptions = {},
): Promise<NearDuplicates> {
  if (count === 0 || features.length % count !== 0)
    throw new TrainingError(
      `nearDuplicates: got ${features.length} numbers for ${count} pictures; expected as many for each`,
    )
  // With few pictures a third of them may be copies of each other, so a nearer neighbour is used.
  const k = Math.max(1, Math.min(neighbour, Math.floor(count / 3)))
  const near = count > 1 ? await nearest(features, count, { k, device, signal, onRows }) : undefined
  if (!near) return { pairs: [], groups: [] }
  const far = (i: number) => 1 - near.similarity[i * k + k - 1]!
  const hashes = new Map<number, PictureHash>()
  const hash = (i: number) => {
    if (!hashes.has(i)) hashes.set(i, pictureHash(picture!(i)))
    return hashes.get(i)!
  }
  const found = new Map<number, NearDuplicate>()
  for (let i = 0; i < count; i++)
    for (let n = 0; n < k; n++) {
      const j = near.index[i * k + n]!
      const [a, b] = [Math.min(i, j), Math.max(i, j)]
      if ((parts && parts[i] === parts[j]) || found.has(a * count + b)) continue
      const similarity = Math.min(1, near.similarity[i * k + n]!)
      const ratio = (1 - similarity) / Math.max(1e-6, (far(i) + far(j)) / 2)
      if (!(ratio < (picture ? loose : threshold) || similarity > surely)) continue
      const bits = picture && hashDistance(hash(a), hash(b))
      if (ratio < threshold || similarity > surely || bits! <= most)
        found.set(a * count + b, { a, b, similarity, ratio, ...(bits === undefined ? {} : { bits }) })
    }
  const pairs = [...found.values()].sort((p, q) => q.similarity - p.similarity || p.a - q.a || p.b - q.b)
  return { pairs, groups: setsOf(pairs) }
}

/** The k nearest of each sample by cosine of centred features, the nearest first: similarity and index, [N × k]. */
async function nearest(
  features: Float32Array,
  count: number,
  {
    k,
    device,
    signal,
    onRows,
  }: Required<Pick<DuplicateOptions, 'device'>> & Pick<DuplicateOptions, 'signal' | 'onRows'> & { k: number },
): Promise<{ similarity: Float32Array; index: Int32Array }> {
  const similarity = new Float32Array(count * k)
  const index = new Int32Array(count * k)
  const unit = noGrad(() => scope(() => keep(centred(features, count, device))))
  const rows = Math.max(1, Math.min(1024, Math.floor(2 ** 24 / count)))
  try {
    for (let start = 0; start < count; start += rows) {
      const n = Math.min(rows, count - start)
      noGrad(() =>
        scope(() => {
          const products = unit.narrow(0, start, n).matmul(unit.transpose(0, 1)) // [rows, N]
          aten.diagonal(products.narrow(1, start, n)).fill_(-2)
          const [values, indices] = aten.topk(products, k, { dim: 1 })
          similarity.set(values.to('float32', { device: 'cpu' }).contiguous().data() as Float32Array, start * k)
          index.set(indices.to('int32', { device: 'cpu' }).contiguous().data() as Int32Array, start * k)
        }),
      )
      onRows?.(start + n, count)
      await turn(signal)
    }
  } finally {
    unit.dispose()
  }
  return { similarity, index }
}

function centred(features: Float32Array, count: number, device: string): Tensor {
  const raw = fromArray(features, [count, features.length / count], { copy: false }).to('float32', { device })
  const x = raw.sub(raw.mean(0))
  return x.div(aten.clamp_min(x.pow(2).sum(1, { keepdim: true }).sqrt(), 1e-12))
}

function setsOf(pairs: readonly NearDuplicate[]): number[][] {
  const root = new Map<number, number>()
  const find = (i: number): number => {
    let top = i
    while (root.has(top)) top = root.get(top)!
    for (let at = i; at !== top; ) {
      const next = root.get(at)!
      root.set(at, top)
      at = next
    }
    return top
  }
  for (const { a, b } of pairs) {
    const [p, q] = [find(a), find(b)]
    if (p !== q) root.set(Math.max(p, q), Math.min(p, q))
  }
  const sets = new Map<number, number[]>()
  for (const i of [...new Set(pairs.flatMap(p => [p.a, p.b]))].sort((a, b) => a - b)) {
    const top = find(i)
    const set = sets.get(top)
    if (set) set.push(i)
    else sets.set(top, [i])
  }
  return [...sets.values()].sort((a, b) => b.length - a.length || a[0]! - b[0]!)
}

/** A difference hash: whether the pixel to the right is lighter, on a grid of 8 × 8; of the picture and its mirror
 *  image. */
export interface PictureHash {
  plain: readonly boolean[]
  mirrored: readonly boolean[]
}

/** The difference hash of a picture. */
export function pictureHash(picture: Picture): PictureHash {
  const grid = greyGrid(picture)
  const bits = (at: (column: number) => number, right: 1 | -1) =>
    Array.from({ length: 64 }, (_, i) => {
      const cell = (i >> 3) * 9 + at(i & 7)
      return grid[cell + right]! > grid[cell]!
    })
  return { plain: bits(c => c, 1), mirrored: bits(c => 8 - c, -1) }
}

/** Bits of 64 in which two hashes differ, or those of the mirror image if that is closer: 0 to 9 if one picture was
 *  encoded again or mirrored, about 28 for two random pictures. But plain scenes (a shirt on a wall) all have similar
 *  hashes. */
export function hashDistance(a: PictureHash, b: PictureHash): number {
  const differing = (bits: readonly boolean[]) => bits.filter((bit, i) => bit !== a.plain[i]).length
  return Math.min(differing(b.plain), differing(b.mirrored))
}

/** Mean lightness on a grid of 8 rows and 9 columns. */
function greyGrid(picture: Picture): Float64Array {
  const { data, height, width } = preview(picture)
  const sums = new Float64Array(72)
  const counts = new Float64Array(72)
  const ends = Array.from({ length: 9 }, (_, c) => Math.ceil(((c + 1) * width) / 9))
  for (let y = 0, x = 0, p = 0; y < height; y++, x = 0)
    for (let c = 0, cell = Math.floor((y * 8) / height) * 9; c < 9; c++, cell++) {
      counts[cell]! += ends[c]! - x
      let sum = sums[cell]!
      for (; x < ends[c]!; x++, p += 3) sum += 0.299 * data[p]! + 0.587 * data[p + 1]! + 0.114 * data[p + 2]!
      sums[cell] = sum
    }
  return sums.map((s, i) => s / Math.max(1, counts[i]!))
}
