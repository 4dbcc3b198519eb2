import { purpose, rng } from '../../../base/random.ts'
import type { Encoded } from '../../types.ts'
import { checkColumns } from '../columns.ts'
import { normalQuantile } from './normal.ts'

/** How rows become the inputs of the net, fitted on training rows. Order of a row: numbers that are kept, flags of missing
 *  numbers, codes of categories. */
export interface TabmInputs {
  numbers: readonly NumberInput[]
  /** How many codes each category has. */
  categories: readonly { name: string; codes: number }[]
}

/** A number: its place among the quantiles of the training rows, as that of a standard normal distribution. */
export interface NumberInput {
  name: string
  /** Values of the training rows at equal shares, rising. A constant number has none, and is left out of the net. */
  quantiles: readonly number[]
  /** What a missing number becomes: the mean of the training rows. */
  mean: number
  /** Edges of the bins of its piecewise-linear encoding, rising: at least two. */
  edges: readonly number[]
  /** Training has rows without it: a flag says so. */
  flag: boolean
}

const mostQuantiles = 1000
const leastQuantiles = 10
const rowsOfQuantile = 30
/** scikit-learn keeps the shares of values at both ends away from 0 and 1 by this. */
export const leastShare = 1e-7
/** The noise that tells equal values apart, in standard deviations of the column, as in the authors' earlier code (Gorishniy et al.
 *  2021, arXiv:2106.11959). TabM's 1e-5 is so narrow that the rounding of a float32 sine moves a value which many rows have. */
const noise = 1e-3
const mostBins = 48
/** A bin is at least so wide, since a narrow one makes much of a rounding error. */
const leastWidth = 1e-3

/** Whether a number is an input of the net. */
export const isKept = ({ quantiles }: NumberInput): boolean => quantiles.length > 0

/** Fits the inputs on training rows, as TabM's authors do: scikit-learn's quantile transformer to a normal distribution, a flag
 *  for missing values, and bins at 48 quantiles. `seed`: of the noise. */
export function fitTabmInputs(x: Encoded, seed: number): TabmInputs {
  const width = x.numberNames.length
  const numbers = x.numberNames.map((name, c): NumberInput => {
    const column = Float64Array.from({ length: x.rows }, (_, row) => x.numbers[row * width + c]!)
    const known = column.filter(value => !Number.isNaN(value))
    const flag = known.length < x.rows
    const quantiles = quantilesOf(known, seed, c)
    if (quantiles.length === 0) return { name, quantiles, mean: 0, edges: [], flag }
    const normal = known.map(value => normalOf(value, quantiles))
    const mean = normal.reduce((sum, value) => sum + value, 0) / normal.length
    const all = column.map(value => (Number.isNaN(value) ? mean : normalOf(value, quantiles)))
    const edges = apart(sharesOf(all.sort(), Math.min(mostBins, x.rows - 1) + 1))
    return edges.length < 2 ? { name, quantiles: [], mean: 0, edges: [], flag } : { name, quantiles, mean, edges, flag }
  })
  return { numbers, categories: x.categoryNames.map((name, c) => ({ name, codes: x.cardinalities[c]! })) }
}

/** Values at equal shares of the column with a little noise; none if it is constant. */
function quantilesOf(known: Float64Array, seed: number, column: number): number[] {
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length
  const std = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length)
  if (!(std > 0)) return []
  const random = rng(seed, 0, column, purpose.mix)
  const spread = known.map(value => value + random.normal(0, noise * std)).sort()
  const count = Math.max(Math.min(Math.floor(known.length / rowsOfQuantile), mostQuantiles), leastQuantiles)
  return sharesOf(spread, count)
}

/** Rising values without those that are too near to the one before. */
function apart(values: readonly number[]): number[] {
  const kept: number[] = []
  for (const value of values) if (kept.length === 0 || value - kept.at(-1)! >= leastWidth) kept.push(value)
  return kept
}

/** `count` values of a sorted array at equal shares from its least to its greatest, by linear interpolation. */
function sharesOf(sorted: Float64Array, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const at = (i / (count - 1)) * (sorted.length - 1)
    const low = Math.floor(at)
    return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!)
  })
}

/** A value of a standard normal distribution at the share that `value` has among the quantiles. */
export function normalOf(value: number, quantiles: readonly number[]): number {
  const last = quantiles.length - 1
  let [low, high] = [0, last]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (value >= quantiles[middle]!) low = middle
    else high = middle
  }
  const width = quantiles[high]! - quantiles[low]!
  const inside = width > 0 ? (value - quantiles[low]!) / width : 0
  const share = (low + Math.min(Math.max(inside, 0), 1)) / last
  return normalQuantile(Math.min(Math.max(share, leastShare), 1 - leastShare))
}

/** Where the parts of a row lie. */
export function placesOf({ numbers, categories }: TabmInputs): { flags: number; codes: number; width: number } {
  const flags = numbers.filter(isKept).length
  const codes = flags + numbers.filter(({ flag }) => flag).length
  return { flags, codes, width: codes + categories.length }
}

/** Rows as the net takes them: float32 [rows × width]. */
export function tabmRows(inputs: TabmInputs, x: Encoded): Float32Array {
  checkColumns('tabm', inputs, x)
  const { numbers, categories } = inputs
  const { flags, codes, width } = placesOf(inputs)
  const out = new Float32Array(x.rows * width)
  for (let row = 0; row < x.rows; row++) {
    let at = row * width
    let flag = at + flags
    for (const [c, number] of numbers.entries()) {
      const value = x.numbers[row * numbers.length + c]!
      const missing = Number.isNaN(value)
      if (isKept(number)) out[at++] = missing ? number.mean : normalOf(value, number.quantiles)
      if (number.flag) out[flag++] = missing ? 1 : 0
    }
    for (const [c, category] of categories.entries()) {
      const code = x.categories[row * categories.length + c]!
      out[row * width + codes + c] = code < category.codes ? code : 1
    }
  }
  return out
}
