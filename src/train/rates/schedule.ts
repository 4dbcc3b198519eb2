import { TrainingError } from '../../base/errors.ts'

/** Maps progress `t` in [0, 1] to a value. It is a plain function: compose, plot or test it without a model. */
export type Schedule = (t: number) => number

/** One value throughout. */
export const constant =
  (value: number): Schedule =>
  () =>
    value

/** `from` to `to` in equal steps. */
export const linear =
  (from: number, to: number): Schedule =>
  t =>
    from + (to - from) * t

/** `from` to `to` in equal ratios: what the rate finder uses. */
export const exponential =
  (from: number, to: number): Schedule =>
  t =>
    from * (to / from) ** t

/** `from` to `to` along half a cosine. */
export const cosine =
  (from: number, to: number): Schedule =>
  t =>
    to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2

/** Runs each schedule over its share of the run; shares sum to 1. At a boundary the next schedule has begun. */
export function sequence(...parts: [share: number, schedule: Schedule][]): Schedule {
  const total = parts.reduce((sum, [share]) => sum + share, 0)
  if (!(Math.abs(total - 1) <= 1e-6) || parts.some(([share]) => share < 0))
    throw new TrainingError(
      `sequence: got shares ${parts.map(([share]) => share).join(', ')} with sum ${total}; expected shares of at least 0 that sum to 1`,
    )
  return t => {
    let start = 0
    for (const [share, schedule] of parts) {
      if (t < start + share - 1e-9) return schedule(Math.max(0, t - start) / share)
      start += share
    }
    return parts.at(-1)![1](1)
  }
}

/** Warm up to `max`, then anneal to almost nothing (Smith 2018, arXiv:1803.09820). Defaults are fastai's. */
export const oneCycle = (max: number, { warmup = 0.25, div = 25, finalDiv = 1e5 } = {}): Schedule =>
  sequence([warmup, cosine(max / div, max)], [1 - warmup, cosine(max, max / finalDiv)])

/** `cycles` cosines from 0 to `max` and back, each twice as long as the one before: the notes' cosine annealing with restarts
 *  and `cycleMult` 2, with a warm start of each cycle (`coslog4` of RealMLP, Holzmüller et al. 2024, arXiv:2407.04491). */
export const coslog =
  (max: number, cycles = 4): Schedule =>
  t =>
    (max * (1 - Math.cos(2 * Math.PI * Math.log2(1 + (2 ** cycles - 1) * t)))) / 2

/** 1 for the first half, then along a cosine to 0. */
export const flatCosine = (max: number): Schedule => sequence([0.5, constant(max)], [0.5, cosine(max, 0)])

/** The momentum of a one-cycle: low while the rate is high. Give it the `warmup` of its `oneCycle`. */
export const oneCycleMomentum = ({ warmup = 0.25, high = 0.95, low = 0.85, final = 0.95 } = {}): Schedule =>
  sequence([warmup, cosine(high, low)], [1 - warmup, cosine(low, final)])
