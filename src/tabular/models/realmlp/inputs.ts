import { DataError } from '../../../base/errors.ts'
import type { Encoded } from '../../types.ts'

/** How rows become the inputs of RealMLP, fitted on training rows. Plain data: it stands beside the weights. */
export interface RealmlpInputs {
  numbers: readonly NumberInput[]
  categories: readonly CategoryInput[]
}

/** x → clip(scale · (x − median)); a missing value is the median. */
export interface NumberInput extends RobustScale {
  name: string
  /** A number with missing values in training has an input that says so: 1 or −1 before it is scaled. */
  missing?: RobustScale
}

/** A category of at most 8 words is one-hot, its columns scaled; the codes 0 (missing) and 1 (unknown) are all zeros.
 *  Two words are one column of −1 and 1, with 0 for the others. A category of more words is an embedding. */
export type CategoryInput =
  | { name: string; kind: 'one-hot'; words: number; columns: readonly RobustScale[] }
  | { name: string; kind: 'embedding'; codes: number }

/** A robust scale: 1 / (q75 − q25), or 2 / (max − min) where that is 0, or 0 for a constant. */
export interface RobustScale {
  median: number
  scale: number
}

/** Rows as the net takes them. */
export interface InputRows {
  rows: number
  /** [rows × dense]: numbers first, then the columns of missing values and one-hots. All within ±3. */
  dense: Float32Array
  /** [rows × embeddings]: rows of the table that holds all embeddings. */
  codes: BigInt64Array
}

/** Widths of the inputs. */
export interface InputWidths {
  numbers: number
  /** `numbers` and the columns that bypass the embedding of numbers. */
  dense: number
  embeddings: number
  /** Rows of the table of all embeddings. */
  codes: number
}

const mostOneHot = 8

/** Fits the inputs on training rows (Holzmüller et al. 2024, arXiv:2407.04491, appendix A.1). */
export function fitInputs(x: Encoded): RealmlpInputs {
  const numbers = x.numberNames.map((name, c): NumberInput => {
    const values = column(x.numbers, x.numberNames.length, c)
    const known = values.filter(value => !Number.isNaN(value))
    const input = { name, ...robustScale(known) }
    if (known.length === values.length) return input
    return { ...input, missing: robustScale(values.map(value => (Number.isNaN(value) ? 1 : -1))) }
  })
  const categories = x.categoryNames.map((name, c): CategoryInput => {
    const codes = x.cardinalities[c]!
    const words = codes - 2
    if (words > mostOneHot) return { name, kind: 'embedding', codes }
    const values = column(x.categories, x.categoryNames.length, c)
    const columns = Array.from({ length: oneHotWidth(words) }, (_, i) =>
      robustScale(Float32Array.from(values, code => oneHot(code, i, words))),
    )
    return { name, kind: 'one-hot', words, columns }
  })
  return { numbers, categories }
}

/** The widths that the net is made for. */
export function widthsOf({ numbers, categories }: RealmlpInputs): InputWidths {
  const embedded = categories.filter(c => c.kind === 'embedding')
  const flags = numbers.filter(n => n.missing).length
  const oneHots = categories.reduce((sum, c) => sum + (c.kind === 'one-hot' ? c.columns.length : 0), 0)
  return {
    numbers: numbers.length,
    dense: numbers.length + flags + oneHots,
    embeddings: embedded.length,
    codes: embedded.reduce((sum, c) => sum + c.codes, 0),
  }
}

/** Rows as the net takes them. Throws if their columns are not those of the training rows. */
export function inputRows(inputs: RealmlpInputs, x: Encoded): InputRows {
  checkColumns(inputs, x)
  const { dense: width, embeddings } = widthsOf(inputs)
  const dense = new Float32Array(x.rows * width)
  const codes = new BigInt64Array(x.rows * embeddings)
  const put = (c: number, values: ArrayLike<number>, { median, scale }: RobustScale) => {
    for (let row = 0; row < x.rows; row++) {
      const value = values[row]!
      dense[row * width + c] = Number.isNaN(value) ? 0 : clip(scale * (value - median))
    }
  }
  let at = inputs.numbers.length
  for (const [c, number] of inputs.numbers.entries()) {
    const values = column(x.numbers, x.numberNames.length, c)
    put(c, values, number)
    if (number.missing)
      put(
        at++,
        values.map(value => (Number.isNaN(value) ? 1 : -1)),
        number.missing,
      )
  }
  let [embedding, offset] = [0, 0]
  for (const [c, category] of inputs.categories.entries()) {
    const values = column(x.categories, x.categoryNames.length, c)
    if (category.kind === 'embedding') {
      for (let row = 0; row < x.rows; row++) {
        const code = values[row]! < category.codes ? values[row]! : 1
        codes[row * embeddings + embedding] = BigInt(offset + code)
      }
      offset += category.codes
      embedding++
    } else
      for (const [i, scale] of category.columns.entries())
        put(
          at++,
          Float32Array.from(values, code => oneHot(code, i, category.words)),
          scale,
        )
  }
  return { rows: x.rows, dense, codes }
}

function checkColumns({ numbers, categories }: RealmlpInputs, { numberNames, categoryNames }: Encoded): void {
  const [had, got] = [[...numbers, ...categories].map(c => c.name), [...numberNames, ...categoryNames]]
  if (had.length === got.length && had.every((name, i) => name === got[i])) return
  throw new DataError(
    `realmlp: the rows have the columns ${got.join(', ')}, the model was trained on ${had.join(', ')}; encode them with the model's own card`,
  )
}

const oneHotWidth = (words: number): number => (words === 2 ? 1 : words)
const oneHot = (code: number, i: number, words: number): number =>
  words === 2 ? (code === 2 ? -1 : code === 3 ? 1 : 0) : code === i + 2 ? 1 : 0

/** x / √(1 + (x / 3)²): within ±3. */
const clip = (x: number): number => x / Math.sqrt(1 + (x / 3) ** 2)

function column<T extends Float32Array | Int32Array>(values: T, width: number, c: number): T {
  const out = new (values.constructor as new (n: number) => T)(width ? values.length / width : 0)
  for (let row = 0; row < out.length; row++) out[row] = values[row * width + c]!
  return out
}

/** The robust scale of values without NaN. */
export function robustScale(values: Float32Array): RobustScale {
  if (values.length === 0) return { median: 0, scale: 0 }
  const sorted = values.toSorted()
  const quantile = (q: number) => {
    const at = q * (sorted.length - 1)
    const low = Math.floor(at)
    return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!)
  }
  const spread = quantile(0.75) - quantile(0.25)
  const range = sorted.at(-1)! - sorted[0]!
  return { median: quantile(0.5), scale: spread > 0 ? 1 / spread : range > 0 ? 2 / range : 0 }
}
