import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import { turn } from '../../train/stop.ts'
import { wordsOf } from './tfidf.ts'

/** Pairs of texts that are nearly the same, by their numbers, and the sets that they form. */
export interface NearCopies {
  pairs: { a: number; b: number; similarity: number }[]
  groups: number[][]
}

/** How alike two texts must be to the net to be compared word by word, and how many of their words must then agree. */
const [alike, shared] = [0.8, 0.6]
const neighbours = 5
const block = 512

/** Finds texts that are nearly the same: the net says which to compare (the nearest by cosine), and the words decide: the
 *  share of their triples of words that both have (Broder 1997). Texts on one subject alone do not count.
 *  features: [N × F]. */
export async function nearCopies(
  features: Float32Array,
  texts: readonly string[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<NearCopies> {
  const count = texts.length
  const width = features.length / Math.max(1, count)
  const unit = new Float32Array(features.length)
  for (let i = 0; i < count; i++) {
    const row = features.subarray(i * width, (i + 1) * width)
    const norm = Math.hypot(...row) || 1
    for (let j = 0; j < width; j++) unit[i * width + j] = row[j]! / norm
  }
  const shingles = new Map<number, Set<string>>()
  const of = (i: number) => {
    if (!shingles.has(i)) shingles.set(i, triplesOf(texts[i]!))
    return shingles.get(i)!
  }
  const pairs: NearCopies['pairs'] = []
  const k = Math.min(count, neighbours + 1)
  for (let from = 0; from < count && k > 1; from += block) {
    await turn(signal)
    const rows = Math.min(block, count - from)
    const found = noGrad(() =>
      scope(() => {
        const all = fromArray(unit, [count, width], { copy: false })
        const [values, indexes] = aten.topk(all.narrow(0, from, rows).matmul(all.transpose(0, 1)), k)
        return { values: values.data() as Float32Array, indexes: indexes.data() as BigInt64Array }
      }),
    )
    for (let i = 0; i < rows; i++)
      for (let n = 0; n < k; n++) {
        const [a, b] = [from + i, Number(found.indexes[i * k + n])]
        if (b <= a || found.values[i * k + n]! < alike) continue
        const similarity = jaccard(of(a), of(b))
        if (similarity >= shared) pairs.push({ a, b, similarity })
      }
  }
  pairs.sort((p, q) => q.similarity - p.similarity || p.a - q.a || p.b - q.b)
  return { pairs, groups: setsOf(pairs) }
}

/** Triples of neighbouring words; of a shorter text the words themselves. */
function triplesOf(text: string): Set<string> {
  const words = wordsOf(text)
  if (words.length < 5) return new Set(words)
  return new Set(words.slice(2).map((word, i) => `${words[i]} ${words[i + 1]} ${word}`))
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0
  for (const triple of a) if (b.has(triple)) both++
  const all = a.size + b.size - both
  return all === 0 ? 0 : both / all
}

/** The sets that pairs connect, the largest first. */
function setsOf(pairs: NearCopies['pairs']): number[][] {
  const root = new Map<number, number>()
  const find = (i: number): number => {
    const up = root.get(i) ?? i
    return up === i ? i : find(up)
  }
  for (const { a, b } of pairs) {
    const [p, q] = [find(a), find(b)]
    root.set(Math.max(p, q), Math.min(p, q))
    root.set(Math.min(p, q), Math.min(p, q))
  }
  const sets = new Map<number, number[]>()
  for (const i of new Set(pairs.flatMap(({ a, b }) => [a, b]))) sets.set(find(i), [...(sets.get(find(i)) ?? []), i])
  return [...sets.values()].map(set => set.sort((a, b) => a - b)).sort((a, b) => b.length - a.length || a[0]! - b[0]!)
}
