import { resample } from '../../runtime/sound/resample.ts'
import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import { turn } from '../../train/stop.ts'

/** Pairs of recordings that are nearly the same, by their numbers, and the sets that they form. */
export interface NearCopies {
  pairs: { a: number; b: number; similarity: number }[]
  groups: number[][]
}

/** So much of a recording is compared, in seconds. */
export const mostSeconds = 10
/** The rate at which waves are compared. */
const rate = 8000
/** Each recording is compared with its nearest by the net, if they are so near. */
const [neighbours, alike] = [4, 0.5]
/** From this agreement of their waves on two recordings count as nearly the same. Among 4,000 pairs of spoken digits (the
 *  same word by the same speaker) the highest agreement is 0.60; a copy that is shifted, quieter and noisy (20 dB) has 0.95
 *  or more, one without its highest fifth of pitch 0.69, one without its first quarter mostly 0.62 or more. */
const same = 0.62

/** Finds recordings that are nearly the same: a copy in another format, rate or loudness, with noise, or cut at its ends. The
 *  net says which to compare (the nearest by cosine of centred features), and the waves decide: their highest correlation
 *  at any shift, after loud frequencies are made quieter (divided by the root of their amplitude), so that two voices of
 *  one pitch do not agree. features: [N × F]; wave: the first `mostSeconds` of a
 *  recording, and their rate. */
export async function nearCopies(
  features: Float32Array,
  count: number,
  wave: (sample: number) => { samples: Float32Array; rate: number },
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<NearCopies> {
  const near = nearest(features, count)
  const heard = new Map<number, Float32Array>()
  const of = (i: number): Float32Array => {
    const known = heard.get(i)
    if (known) return known
    const { samples, rate: own } = wave(i)
    const made = sharpened(resample(samples, own, rate))
    heard.set(i, made)
    return made
  }
  const pairs: NearCopies['pairs'] = []
  for (const [a, others] of near.entries()) {
    await turn(signal)
    if (others.length === 0) continue
    const found = agreements(of(a), others.map(of))
    for (const [i, similarity] of found.entries()) if (similarity >= same) pairs.push({ a, b: others[i]!, similarity })
  }
  pairs.sort((p, q) => q.similarity - p.similarity || p.a - q.a || p.b - q.b)
  return { pairs, groups: setsOf(pairs) }
}

/** For each sample the later ones to compare it with: either is among the nearest of the other. */
function nearest(features: Float32Array, count: number): number[][] {
  const near: Set<number>[] = Array.from({ length: count }, () => new Set())
  const k = Math.min(neighbours, count - 1)
  if (k < 1) return []
  const rows = Math.max(1, Math.min(count, Math.floor(2 ** 24 / count)))
  noGrad(() =>
    scope(() => {
      const all = fromArray(features, [count, features.length / count], { copy: false })
      const centred = all.sub(aten.mean(all, [0], { keepdim: true }))
      const unit = centred.div(aten.clamp(aten.norm(centred, 2, [1], { keepdim: true }), { min: 1e-12 }))
      for (let from = 0; from < count; from += rows)
        scope(() => {
          const n = Math.min(rows, count - from)
          const products = unit.narrow(0, from, n).matmul(unit.transpose(0, 1))
          aten.diagonal(products.narrow(1, from, n)).fill_(-2)
          const [values, indexes] = aten.topk(products, k)
          const [likeness, numbers] = [values.data() as Float32Array, indexes.data() as BigInt64Array]
          for (let i = 0; i < n * k; i++) {
            const [a, b] = [from + Math.floor(i / k), Number(numbers[i])]
            if (likeness[i]! >= alike) near[Math.min(a, b)]!.add(Math.max(a, b))
          }
        })
    }),
  )
  return near.map(others => [...others].sort((a, b) => a - b))
}

/** Pre-emphasis: high pitches are made louder, as they are quieter in most sounds. */
const sharpened = (x: Float32Array): Float32Array => x.map((v, i) => v - 0.95 * (i > 0 ? x[i - 1]! : 0))

/** The highest correlation of a wave with each of the others at any shift, from 0 to 1; 0 for silence. */
function agreements(a: Float32Array, others: readonly Float32Array[]): Float32Array {
  const longest = others.reduce((most, { length }) => Math.max(most, length), 2)
  const size = 2 ** Math.ceil(Math.log2(a.length + longest))
  const n = others.length + 1
  const padded = new Float32Array(n * size)
  for (const [i, wave] of [a, ...others].entries()) padded.set(wave, i * size)
  return noGrad(() =>
    scope(() => {
      const spectra = aten.fft_rfft(fromArray(padded, [n, size], { copy: false })) // complex: [n, bins]
      const amplitude = aten.abs(spectra)
      const floor = aten.clamp(aten.amax(amplitude, { dim: [1], keepdim: true }).mul(1e-3), { min: 1e-12 })
      const root = aten.sqrt(aten.maximum(amplitude, floor))
      const flat = spectra.div(root)
      // Parseval: the first and the last bin count once, all others twice.
      const squares = aten.pow(amplitude.div(root), 2)
      const ends = squares.select(1, 0).add(squares.select(1, size / 2))
      const energy = aten.sum(squares, [1]).mul(2).sub(ends).div(size).data() as Float32Array
      const product = aten.conj_physical(flat.narrow(0, 1, n - 1)).mul(flat.narrow(0, 0, 1))
      const waves = aten.fft_irfft(product, { n: size })
      const most = aten.amax(aten.abs(waves), { dim: [1] }).data() as Float32Array
      return most.map((top, i) => {
        const scale = Math.sqrt(energy[0]! * energy[i + 1]!)
        return scale > 0 ? Math.min(1, top / scale) : 0
      })
    }),
  )
}

/** The sets that pairs connect, the largest first. */
function setsOf(pairs: NearCopies['pairs']): number[][] {
  const set = new Map<number, number[]>()
  for (const { a, b } of pairs) {
    const [p, q] = [set.get(a) ?? [a], set.get(b) ?? [b]]
    if (p === q) continue
    const joined = [...p, ...q]
    for (const i of joined) set.set(i, joined)
  }
  return [...new Set(set.values())]
    .map(group => group.sort((a, b) => a - b))
    .sort((a, b) => b.length - a.length || a[0]! - b[0]!)
}
