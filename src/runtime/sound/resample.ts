/** The zero crossings of the sinc on each side. */
export const crossings = 24
/** The share of the lower Nyquist frequency that passes. */
export const passes = 0.97

/** Changes the rate of one channel, piece by piece. */
export interface Resampler {
  /** The samples that are complete with this piece. */
  push(piece: Float32Array): Float32Array
  /** The rest: nothing comes after the end. */
  end(): Float32Array
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))

/** Resamples by a windowed sinc (cosine squared, 24 zero crossings), whatever the two rates are: the filter of
 *  torchaudio's `sinc_interp_hann`. n samples become ⌈n · to / from⌉. The same kernel reads training data and inputs of
 *  a prediction, and pieces give the same samples as the whole. */
export function resampler(from: number, to: number): Resampler {
  if (from === to) return { push: piece => piece, end: () => new Float32Array(0) }
  const divisor = greatestDivisor(from, to)
  const [old, now] = [from / divisor, to / divisor]
  const base = Math.min(1, now / old) * passes // cutoff, in half cycles of an old sample
  const reach = Math.ceil(crossings / base)
  const taps = 2 * reach + 2
  const kernels = new Map<number, Float64Array>()
  // Output n lies at n · old / now; kernel p is for those whose fraction is p / now.
  const kernelOf = (p: number): Float64Array => {
    const known = kernels.get(p)
    if (known) return known
    const kernel = Float64Array.from({ length: taps }, (_, k) => {
      const t = (k - reach - p / now) * base
      if (Math.abs(t) >= crossings) return 0
      const window = Math.cos((t * Math.PI) / crossings / 2) ** 2
      return base * window * (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t))
    })
    kernels.set(p, kernel)
    return kernel
  }
  let kept = new Float32Array(reach) // the samples before the first one are zeros
  let [first, seen, next] = [-reach, 0, 0] // position of kept[0]; samples so far; number of the next output
  const produce = (piece: Float32Array, until: number): Float32Array => {
    const all = new Float32Array(kept.length + piece.length)
    all.set(kept)
    all.set(piece, kept.length)
    const end = first + all.length
    const out = new Float32Array(Math.max(0, Math.ceil(((end - reach - 1) * now) / old) - next + 1))
    let count = 0
    for (; next < until; next++) {
      const whole = Math.floor((next * old) / now)
      if (whole + reach + 1 >= end) break
      const kernel = kernelOf(next * old - whole * now)
      const start = whole - reach - first
      let sum = 0
      for (let k = 0; k < taps; k++) sum += kernel[k]! * all[start + k]!
      out[count++] = sum
    }
    const wanted = Math.floor((next * old) / now) - reach
    kept = all.slice(Math.max(0, wanted - first))
    first = end - kept.length
    return out.subarray(0, count)
  }
  return {
    push(piece) {
      seen += piece.length
      return produce(piece, Number.POSITIVE_INFINITY)
    },
    end: () => produce(new Float32Array(taps), Math.ceil((seen * now) / old)),
  }
}

/** A whole channel at another rate. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  const by = resampler(from, to)
  return joined([by.push(samples), by.end()])
}

/** Pieces as one array. */
export function joined(pieces: readonly Float32Array[]): Float32Array {
  if (pieces.length === 1) return pieces[0]!
  const all = new Float32Array(pieces.reduce((sum, p) => sum + p.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
