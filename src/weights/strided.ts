import { countElements } from './stored-tensor.ts'

/** A view of `numel` elements in memory: `offset` and `strides` count elements. */
export interface Strided {
  offset: number
  shape: readonly number[]
  strides: readonly number[]
}

/** The elements that a view reaches, as [first, last + 1); `undefined` if these are not exact numbers. */
export function extent({ offset, shape, strides }: Strided): [number, number] | undefined {
  if (countElements(shape) === undefined) return undefined
  if (shape.includes(0)) return [offset, offset]
  const end = shape.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, offset) + 1
  return Number.isSafeInteger(end) ? [offset, end] : undefined
}

/** Whether the elements of a view lie in row-major order without gaps (a dimension of size 1 may have any stride). */
export function isContiguous({ shape, strides }: Strided): boolean {
  let expected = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return shape.includes(0)
    expected *= shape[d]!
  }
  return true
}

/** Copies a view of `source` in row-major order. `item`: bytes per element. The extent must lie in `source`. */
export function gather(source: Uint8Array, view: Strided, item: number): Uint8Array {
  const out = new Uint8Array(countElements(view.shape)! * item)
  if (out.length === 0) return out
  // Copies whole elements, or their 32-bit parts, as integers: a copy through floats may change a NaN.
  const Words: WordsOf = item === 1 ? Uint8Array : item === 2 ? Uint16Array : Uint32Array
  const parts = Math.ceil(item / 4)
  const bytes = Words.BYTES_PER_ELEMENT
  const { buffer, byteOffset, length } = source.byteOffset % bytes === 0 ? source : new Uint8Array(source)
  const from = new Words(buffer, byteOffset, Math.floor(length / bytes))
  const to = new Words(out.buffer)
  const shape = [...view.shape, parts]
  const strides = [...view.strides.map(s => s * parts), 1]
  copyRows(from, to, { offset: view.offset * parts, ...withoutOnes({ shape, strides }) })
  return out
}

interface WordsOf {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): Words
}
type Words = { [index: number]: number; readonly length: number }

const withoutOnes = ({ shape, strides }: Omit<Strided, 'offset'>) => {
  const long = (_: number, d: number) => shape[d] !== 1
  return { shape: shape.filter(long), strides: strides.filter(long) }
}

/** Copies in row-major order, one row of the last dimension at a time. */
function copyRows(from: Words, to: Words, { offset, shape, strides }: Strided): void {
  const [row = 1, step = 1] = [shape.at(-1), strides.at(-1)]
  const index = shape.map(() => 0)
  let begin = offset
  for (let at = 0; at < to.length; ) {
    for (let i = 0, j = begin; i < row; i++, j += step) to[at++] = from[j]!
    for (let d = shape.length - 2; d >= 0; d--) {
      begin += strides[d]!
      if (++index[d]! < shape[d]!) break
      begin -= shape[d]! * strides[d]!
      index[d] = 0
    }
  }
}
