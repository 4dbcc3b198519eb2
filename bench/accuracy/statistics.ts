/** Means, intervals and ranks of the accuracy bench. */
import { purpose, rng } from '../../src/base/random.ts'
import { mean, type Predicted, scorer } from './scores.ts'

/** Of values that differ by their seed. `error`: the standard error of the mean; null for a single value. */
export interface Mean {
  mean: number
  error: number | null
  n: number
}

export function meanOf(values: readonly number[]): Mean {
  const [n, m] = [values.length, mean(values)]
  const error = n < 2 ? null : Math.sqrt(values.reduce((sum, v) => sum + (v - m) ** 2, 0) / (n - 1) / n)
  return { mean: m, error, n }
}

export type Range = [low: number, high: number]

/** Quantiles 0.975 of Student's t with 1 to 30 degrees of freedom. */
const t975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]

/** The interval of Student's t that contains the mean of such values with 95 %; null for fewer than two. With more than
 *  31 values the quantile is an expansion in 1 / df, which is right to 0.001 there. */
export function tInterval(values: readonly number[]): Range | null {
  const { mean: m, error, n } = meanOf(values)
  if (error === null) return null
  const half = (t975[n - 2] ?? 1.95996 + 2.3723 / (n - 1) + 2.82 / (n - 1) ** 2) * error
  return [m - half, m + half]
}

/** The place of each value among all, 1 for the largest; equal values share the mean of their places. */
export const ranks = (values: readonly number[]): number[] =>
  values.map(v => {
    const above = values.filter(other => other > v).length
    const equal = values.filter(other => other === v).length
    return above + (equal + 1) / 2
  })

/** How the score of a set varies with its test pictures: for each of `rounds` bootstrap samples, the mean over the seeds
 *  for each program. `runs`: for each seed the predictions of the programs, for the same files in the same order. A
 *  picture that is in the test part of several seeds is drawn with all of them, so that seeds never count as more
 *  pictures than there are. Every program gets the same samples, so that differences of the results are paired. */
export function resampled(
  runs: readonly (readonly Predicted[])[],
  { rounds = 2000, seed = 0, key = 0 }: { rounds?: number; seed?: number; key?: number } = {},
): Float64Array[] {
  const pictures = [...new Set(runs.flatMap(([first]) => first!.files))]
  const place = new Map(pictures.map((file, i) => [file, i]))
  const seeds = runs.map(run => {
    const at = new Map(run[0]!.files.map((file, row) => [place.get(file)!, row]))
    for (const { files } of run)
      if (files.length !== run[0]!.files.length || files.some((file, i) => file !== run[0]!.files[i]))
        throw new Error('resampled: the programs of a seed have different test pictures')
    return { at, scorers: run.map(scorer) }
  })
  const programs = runs[0]!.length
  const results = Array.from({ length: programs }, () => new Float64Array(rounds))
  for (let round = 0; round < rounds; round++) {
    const random = rng(seed, round, key, purpose.bootstrap)
    const drawn = Array.from(pictures, () => random.integer(pictures.length))
    const rows = seeds.map(({ at }) => Int32Array.from(drawn.flatMap(picture => at.get(picture) ?? [])))
    results.forEach((values, program) => {
      values[round] = mean(seeds.map(({ scorers }, s) => scorers[program]!(rows[s]!)))
    })
  }
  return results
}

/** The middle 95 % of the values, NaN left out. */
export function middle(values: ArrayLike<number>): Range {
  const sorted = Float64Array.from(values)
    .filter(v => !Number.isNaN(v))
    .sort()
  const at = (q: number) => {
    const place = q * (sorted.length - 1)
    const [low, high] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN]
    return low + (high - low) * (place - Math.floor(place))
  }
  return [at(0.025), at(0.975)]
}
