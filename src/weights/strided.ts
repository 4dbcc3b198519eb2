import { countElements } from './tensor.ts'

/** A view of `numel` elements in memory: `offset` and `strides` count elements. */
export interface Strided {
  offset: number
  shape: readonly number[]
  strides: readonly number[]
}

/** The elements that a view reaches, as [first, last + 1); `undefined` where they are no exact numbers. */
export function extent({ offset, shape, strides }: Strided): [number, number] | undefined {
  if (countElements(shape) === undefined) return undefined
  if (shape.includes(0)) return [offset, offset]
  const end = shape.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, offset) + 1
  return Number.isSafeInteger(end) ? [offset, end] : undefined
}

/** Whether the view's elements lie in row-major order without gaps (sizes of 1 may have any stride). */
export function isContiguous({ shape, strides }: Strided): boolean {
  let expected = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return shape.includes(0)
    expected *= shape[d]!
  }
  return true
}

/** Copies a view of `source` out in row-major order. `item` is bytes per element; the extent must lie in `source`. */
export function gather(source: Uint8Array, view: Strided, item: number): Uint8Array {
  const { offset, shape, strides } = view
  const out = new Uint8Array(countElements(shape)! * item)
  if (out.length === 0) return out
  const index = shape.map(() => 0)
  let from = offset * item
  for (let to = 0; to < out.length; to += item) {
    for (let b = 0; b < item; b++) out[to + b] = source[from + b]!
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d]! * item
      if (++index[d]! < shape[d]!) break
      from -= shape[d]! * strides[d]! * item
      index[d] = 0
    }
  }
  return out
}
