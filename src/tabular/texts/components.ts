import { aten, fromArray, scope } from '../../torch/index.ts'
import type { ColumnEncoding, FrameColumn, RowNumbers } from '../types.ts'
import { packed, unpacked } from './packed.ts'

type TextEncoding = Extract<ColumnEncoding, { kind: 'text' }>
type Words = Extract<FrameColumn, { type: 'words' }>

/** Numbers that a column of texts becomes, as in skrub's TextEncoder. */
export const mostComponents = 30

/** A direction in which texts differ less than this, as a share of the largest, is rounding. */
const negligible = 1e-9

/** Texts that the components are found from, evenly taken where there are more. */
const mostTexts = 50_000

/** The directions in which the vectors of the training rows differ most (principal components; Pearson 1901), from the
 *  rows that hold a text. Each keeps its length: the first ones count most. Returns undefined if fewer than two different
 *  texts are there. */
export function fitComponents(column: Words, rows: RowNumbers): TextEncoding | undefined {
  const { vectors, values } = column
  if (!vectors) return undefined
  const filled = rows.filter(row => values.codes[row]! >= 0)
  const step = Math.max(1, Math.ceil(filled.length / mostTexts))
  const some = filled.filter((_, i) => i % step === 0)
  const different = new Set(Array.from(some, row => values.codes[row]!)).size
  const { width, name, digest } = vectors
  if (different < 2) return undefined
  return scope(() => {
    const x = new Float32Array(some.length * width)
    for (const [i, row] of some.entries()) x.set(vectorOf(vectors, values.codes[row]!), i * width)
    const all = fromArray(x, [some.length, width]).to('float64')
    const mean = all.mean([0])
    const centred = all.sub(mean)
    const [powers, directions] = aten.linalg_eigh(centred.transpose(0, 1).matmul(centred))
    const power = powers.data() as Float64Array // ascending
    const count = power.slice(-mostComponents).filter(v => v > negligible * power.at(-1)!).length
    const axes = directions.transpose(0, 1).contiguous().data() as Float64Array // [width × width], the last one first
    const basis = new Float32Array(count * width)
    for (let k = 0; k < count; k++) {
      const axis = axes.subarray((width - 1 - k) * width, (width - k) * width)
      basis.set(signed(axis), k * width)
    }
    return {
      column: column.name,
      kind: 'text' as const,
      net: { name, digest },
      width,
      components: count,
      mean: packed(Float32Array.from(mean.data() as Float64Array)),
      basis: packed(basis),
    }
  })
}

/** An eigenvector has no sign of its own: its largest number becomes positive, so that all machines agree. */
function signed(axis: Float64Array): Float64Array {
  const largest = axis.reduce((most, v) => (Math.abs(v) > Math.abs(most) ? v : most), 0)
  return largest < 0 ? axis.map(v => -v) : axis
}

const vectorOf = ({ values, width }: NonNullable<Words['vectors']>, code: number): Float32Array =>
  values.subarray(code * width, (code + 1) * width)

/** The numbers that a row of texts becomes: the components of its text, then what the linear model says of it. Each
 *  different text is computed once. `row` has answers of its own where it was trained on (`withAnswers`). */
export function textNumbers(column: Words, encoding: TextEncoding): (row: number) => Float32Array {
  const { components, linear } = encoding
  const { told, values, vectors } = column
  const outputs = linear?.says.length ?? 0
  const centre = unpacked(encoding.mean)
  const compute = projected(unpacked(encoding.basis), components)
  const answer = linear && projected(unpacked(linear.weight), outputs)
  const known = new Map<number, Float32Array>()
  const none = new Float32Array(components + outputs).fill(Number.NaN)
  const ofCode = (code: number): Float32Array => {
    const before = known.get(code)
    if (before) return before
    const vector = vectorOf(vectors!, code)
    const out = new Float32Array(components + outputs)
    compute(
      vector.map((v, i) => v - centre[i]!),
      out,
      0,
    )
    answer?.(vector, out, components)
    for (let k = 0; k < outputs; k++) out[components + k]! += linear!.bias[k]!
    known.set(code, out)
    return out
  }
  return row => {
    const code = values.codes[row]!
    if (code < 0) return none
    const numbers = ofCode(code)
    if (!told || !linear || Number.isNaN(told[row * outputs]!)) return numbers
    const own = numbers.slice()
    own.set(told.subarray(row * outputs, (row + 1) * outputs), components)
    return own
  }
}

/** Products with `count` rows of weights, written from `at` on. */
const projected =
  (rows: Float32Array, count: number) =>
  (vector: Float32Array, out: Float32Array, at: number): void => {
    const width = vector.length
    for (let k = 0; k < count; k++) {
      let sum = 0
      for (let i = 0; i < width; i++) sum += vector[i]! * rows[k * width + i]!
      out[at + k] = sum
    }
  }

/** The names of these numbers. */
export const textNames = ({ column, components, linear }: TextEncoding): string[] => [
  ...Array.from({ length: components }, (_, k) => `${column} ${k + 1}`),
  ...(linear?.says ?? []).map(name => `${column} says ${name}`),
]
