import { aten, fromArray, scope } from '../../torch/index.ts'
import type { ColumnEncoding, FrameColumn, RowNumbers } from '../types.ts'

type TextEncoding = Extract<ColumnEncoding, { kind: 'text' }>
type Words = Extract<FrameColumn, { type: 'words' }>

/** Numbers that a column of texts becomes, as in skrub's TextEncoder. */
export const mostComponents = 30

/** Texts that the components are found from, evenly taken where there are more. */
const mostTexts = 50_000

/** The directions in which the vectors of the training rows differ most (principal components; Pearson 1901), from the
 *  rows that hold a text. Each keeps its length: the first ones count most. Returns undefined if fewer than two different
 *  texts are there. */
export function fitComponents(column: Words, rows: RowNumbers): { encoding: TextEncoding; share: number } | undefined {
  const { vectors, values } = column
  if (!vectors) return undefined
  const filled = rows.filter(row => values.codes[row]! >= 0)
  const step = Math.max(1, Math.ceil(filled.length / mostTexts))
  const some = filled.filter((_, i) => i % step === 0)
  const different = new Set(Array.from(some, row => values.codes[row]!)).size
  const { width, name, digest } = vectors
  const count = Math.min(mostComponents, width, different - 1)
  if (count < 1) return undefined
  return scope(() => {
    const x = new Float32Array(some.length * width)
    for (const [i, row] of some.entries()) x.set(vectorOf(vectors, values.codes[row]!), i * width)
    const all = fromArray(x, [some.length, width]).to('float64')
    const mean = all.mean([0])
    const centred = all.sub(mean)
    const [lengths, directions] = aten.linalg_eigh(centred.transpose(0, 1).matmul(centred))
    const power = Array.from(lengths.data() as Float64Array)
    const axes = directions.transpose(0, 1).contiguous().data() as Float64Array // [width × width], the last one first
    const basis = new Float32Array(count * width)
    for (let k = 0; k < count; k++) {
      const axis = axes.subarray((width - 1 - k) * width, (width - k) * width)
      basis.set(signed(axis), k * width)
    }
    const total = power.reduce((sum, v) => sum + Math.max(0, v), 0)
    const held = power.slice(-count).reduce((sum, v) => sum + Math.max(0, v), 0)
    return {
      encoding: {
        column: column.name,
        kind: 'text' as const,
        net: { name, digest },
        width,
        components: count,
        mean: packed(Float32Array.from(mean.data() as Float64Array)),
        basis: packed(basis),
      },
      share: total > 0 ? held / total : 1,
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

/** The components of the text with a code. Each different text is computed once. */
export function componentsOf(
  column: Words,
  { components, width, mean, basis }: TextEncoding,
): (code: number) => Float32Array {
  const vectors = column.vectors!
  const [centre, axes] = [unpacked(mean), unpacked(basis)]
  const known = new Map<number, Float32Array>()
  return code => {
    const before = known.get(code)
    if (before) return before
    const vector = vectorOf(vectors, code)
    const out = new Float32Array(components)
    for (let k = 0; k < components; k++) {
      let sum = 0
      for (let i = 0; i < width; i++) sum += (vector[i]! - centre[i]!) * axes[k * width + i]!
      out[k] = sum
    }
    known.set(code, out)
    return out
  }
}

const packed = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
const unpacked = (text: string): Float32Array => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)
