import { TrainingError } from '../../base/errors.ts'
import { purpose, rng } from '../../base/random.ts'

/** A metric of the whole set, and the interval that contains it for 95 % (or `level`) of the bootstrap sets. */
export type Interval = { value: number; low: number; high: number }

/** The percentile bootstrap (Efron 1979): the metric of `rounds` sets of `n` samples, drawn from the set with
 *  replacement, without their tails. `metric` gets sample numbers [n] and must not keep them; a round for which it
 *  returns NaN is left out. The same seed gives the same interval.
 *
 *  `bootstrap(rows => accuracy(take(predicted, rows), take(actual, rows)), actual.length)` */
export function bootstrap(
  metric: (samples: Int32Array) => number,
  n: number,
  options: { seed?: number; rounds?: number; level?: number } = {},
): Interval {
  return bootstrapEach(samples => [metric(samples)], n, options)[0]!
}

/** The same for several metrics, which `metrics` returns together: they share the sets that are drawn. */
export function bootstrapEach(
  metrics: (samples: Int32Array) => readonly number[],
  n: number,
  { seed = 0, rounds = 1000, level = 0.95 }: { seed?: number; rounds?: number; level?: number } = {},
): Interval[] {
  if (!Number.isInteger(n) || n < 1) throw new TrainingError(`bootstrap: got ${n} samples; expected at least one`)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new TrainingError(`bootstrap: got ${rounds} rounds; expected at least one, 1000 for a steady interval`)
  if (!(level > 0 && level < 1)) throw new TrainingError(`bootstrap: got level ${level}; expected a share as 0.95`)
  const samples = Int32Array.from({ length: n }, (_, i) => i)
  const whole = metrics(samples)
  const values = whole.map(() => new Float64Array(rounds))
  for (let round = 0; round < rounds; round++) {
    const random = rng(seed, round, 0, purpose.bootstrap)
    for (let i = 0; i < n; i++) samples[i] = random.integer(n)
    for (const [m, value] of metrics(samples).entries()) values[m]![round] = value
  }
  return whole.map((value, m) => {
    const sorted = values[m]!.filter(v => !Number.isNaN(v)).sort()
    return { value, low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) }
  })
}

/** The rows of a set by their numbers. values: [N, columns] → [rows, columns]. */
export function take(values: ArrayLike<number>, rows: ArrayLike<number>, columns = 1): Float64Array<ArrayBuffer> {
  const taken = new Float64Array(rows.length * columns)
  for (let i = 0, at = 0; i < rows.length; i++)
    for (let c = 0; c < columns; c++) taken[at++] = values[rows[i]! * columns + c]!
  return taken
}

/** Linear between the two nearest, as NumPy's. sorted: rising. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN]
  return low + (high - low) * (at - Math.floor(at))
}
