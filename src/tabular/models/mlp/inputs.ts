import type { Encoded } from '../../types.ts'
import { checkColumns } from '../columns.ts'

/** How rows become the inputs of the net, fitted on training rows (fastai's FillMissing and Normalize). */
export interface MlpInputs {
  /** A missing number becomes the median. If training has missing ones, a flag says so, as a category. */
  numbers: readonly { name: string; median: number; mean: number; std: number; flag: boolean }[]
  /** How many codes each category has. */
  categories: readonly { name: string; codes: number }[]
}

/** Codes of a flag: 0 known, 1 missing. fastai counts a third one for its embedding. */
const flagCodes = 3

/** The number of codes of each embedding: the categories, then the flags. */
export const embeddingCodes = ({ numbers, categories }: MlpInputs): number[] => [
  ...categories.map(c => c.codes),
  ...numbers.filter(n => n.flag).map(() => flagCodes),
]

/** Fits the inputs on training rows. */
export function fitMlpInputs(x: Encoded): MlpInputs {
  const width = x.numberNames.length
  const numbers = x.numberNames.map((name, c) => {
    const all = Float64Array.from({ length: x.rows }, (_, row) => x.numbers[row * width + c]!)
    const known = all.filter(value => !Number.isNaN(value)).sort()
    const half = known.length >> 1
    const median = known.length === 0 ? 0 : known.length % 2 ? known[half]! : (known[half - 1]! + known[half]!) / 2
    const filled = all.map(value => (Number.isNaN(value) ? median : value))
    const mean = filled.reduce((sum, value) => sum + value, 0) / x.rows
    const std = Math.sqrt(filled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.rows) || 1
    return { name, median, mean, std, flag: known.length < x.rows }
  })
  return { numbers, categories: x.categoryNames.map((name, c) => ({ name, codes: x.cardinalities[c]! })) }
}

/** Rows as the net takes them: float32 [rows × (numbers + embeddings)], the standardised numbers first, then codes. */
export function mlpRows(inputs: MlpInputs, x: Encoded): Float32Array {
  checkColumns('mlp', inputs, x)
  const { numbers, categories } = inputs
  const width = numbers.length + embeddingCodes(inputs).length
  const out = new Float32Array(x.rows * width)
  for (let row = 0; row < x.rows; row++) {
    const at = row * width
    let flag = at + numbers.length + categories.length
    for (const [c, { median, mean, std, flag: flagged }] of numbers.entries()) {
      const value = x.numbers[row * numbers.length + c]!
      out[at + c] = ((Number.isNaN(value) ? median : value) - mean) / std
      if (flagged) out[flag++] = Number.isNaN(value) ? 1 : 0
    }
    for (const [c, { codes }] of categories.entries()) {
      const code = x.categories[row * categories.length + c]!
      out[at + numbers.length + c] = code < codes ? code : 1
    }
  }
  return out
}
