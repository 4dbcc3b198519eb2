import type { Range } from './numbers.ts'

/** How the range of a tensor follows from its values on the calibration pictures. `minmax`: all of them. `percentile`: all
 *  but the outer 0.01 %. `mse`: the least squared error of rounding and clipping. (The least divergence of distributions,
 *  Migacz 2017, was the best of the four on none of five nets.) */
export const rangeMethods = ['minmax', 'percentile', 'mse'] as const
export type RangeMethod = (typeof rangeMethods)[number]

const half = 2048
/** More values of one tensor of one picture than these are sampled evenly. */
const most = 2 ** 15

/** The distribution of a tensor's values: the bins are even from -limit to limit, a power of two that grows with the
 *  values. Memory: 32 KB, for any number of values. */
export class Histogram {
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY
  /** Values that are exactly 0, which are stored without an error. */
  zeros = 0
  #bins = new Float64Array(2 * half)
  #limit = 2 ** -20

  /** Adds the values of one picture. */
  add(values: Float32Array): void {
    let [min, max] = [this.min, this.max]
    for (let i = 0; i < values.length; i++) {
      const v = values[i]!
      if (v < min) min = v
      if (v > max) max = v
      else if (!(v <= max)) max = Number.POSITIVE_INFINITY // no number; `finite` says so
    }
    this.min = min
    this.max = max
    const largest = Math.max(Math.abs(min), Math.abs(max))
    if (!(largest < Number.POSITIVE_INFINITY)) return
    while (this.#limit < largest) this.#double()
    // An odd step meets all columns of maps of even width.
    const step = values.length > most ? Math.ceil(values.length / most) | 1 : 1
    const toBin = half / this.#limit
    const last = 2 * half - 1
    for (let i = 0; i < values.length; i += step) {
      const v = values[i]!
      if (v === 0) this.zeros++
      else this.#bins[Math.min(last, Math.floor((v + this.#limit) * toBin))]!++
    }
  }

  /** Whether all values are finite numbers; there must be some. */
  get finite(): boolean {
    return this.max - this.min < Number.POSITIVE_INFINITY
  }

  /** The range for 255 steps. positive: only values above 0 matter, since a Relu follows. */
  range(method: RangeMethod, { positive = false } = {}): Range {
    const all = { low: positive ? Math.max(0, this.min) : this.min, high: this.max }
    const { counts, low, width } = this.#between(Math.min(0, all.low), Math.max(0, all.high))
    if (method === 'minmax' || counts.every(n => n === 0)) return all
    const found = searches[method]({ counts, low, width, zeros: this.zeros })
    return { low: Math.max(found.low, Math.min(0, all.low)), high: Math.min(found.high, Math.max(0, all.high)) }
  }

  #between(low: number, high: number) {
    const width = this.#limit / half
    const from = Math.max(0, Math.floor((low + this.#limit) / width))
    const to = Math.min(2 * half, Math.ceil((high + this.#limit) / width))
    return { counts: this.#bins.slice(from, Math.max(to, from + 1)), low: from * width - this.#limit, width }
  }

  #double(): void {
    const bins = new Float64Array(2 * half)
    for (let i = 0; i < 2 * half; i++) bins[half / 2 + (i >> 1)]! += this.#bins[i]!
    this.#bins = bins
    this.#limit *= 2
  }
}

/** Even bins from `low` on. */
interface Counts {
  counts: Float64Array
  low: number
  width: number
  zeros: number
}

const searches: Record<Exclude<RangeMethod, 'minmax'>, (counts: Counts) => Range> = {
  percentile: ({ counts, low, width, zeros }) => {
    const cut = 1e-4 * (counts.reduce((a, b) => a + b, 0) + zeros)
    let [from, to] = [0, counts.length]
    for (let sum = counts[from]!; sum <= cut && from < to - 1; sum += counts[from]!) from++
    for (let sum = counts[to - 1]!; sum <= cut && to > from + 1; sum += counts[to - 1]!) to--
    return { low: low + from * width, high: low + to * width }
  },
  mse: shrunk,
}

/** The range with the least error: both ends move inwards in turn, by hundredths of the whole. */
function shrunk(counts: Counts): Range {
  const { counts: bins, low, width } = counts
  let best = { low, high: low + bins.length * width }
  let least = squaredError(counts, best)
  const whole = best
  for (let turn = 0; turn < 2; turn++)
    for (const end of ['high', 'low'] as const)
      for (let percent = 20; percent <= 100; percent++) {
        const range = { ...best, [end]: (whole[end] * percent) / 100 }
        const error = squaredError(counts, range)
        if (error < least) [best, least] = [range, error]
      }
  return best
}

/** Expected squared error: rounding inside (step² / 12), the distance to the range outside. */
function squaredError({ counts, low, width }: Counts, range: Range): number {
  const rounding = ((range.high - range.low) / 255) ** 2 / 12
  let sum = 0
  for (let i = 0; i < counts.length; i++) {
    const n = counts[i]!
    if (n === 0) continue
    const at = low + (i + 0.5) * width
    const out = at > range.high ? at - range.high : at < range.low ? range.low - at : 0
    sum += n * (out === 0 ? rounding : out * out)
  }
  return sum
}
