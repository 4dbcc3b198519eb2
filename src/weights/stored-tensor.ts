/** The element types of weight files by their torch names, with their size in bytes. */
export const itemBytes = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const

/** The torch name of an element type: `float32`, `bfloat16`, `int64`, ... */
export type DTypeName = keyof typeof itemBytes

/** A tensor as bytes. `data` is contiguous, little-endian and row-major. It may be a view into the bytes of the file,
 *  at any alignment, and tensors that share memory in the file may share it here, so copy it before you write into
 *  it. */
export interface StoredTensor {
  dtype: DTypeName
  shape: number[]
  data: Uint8Array
}

/** The largest number of dimensions; no weight has more. It limits what a hostile file can make us copy. */
export const maxDims = 64

/** The number of elements of a shape; `undefined` if it is not an exact number, or if a size is not a whole number >=
 *  0. */
export function countElements(shape: readonly number[]): number | undefined {
  if (shape.length > maxDims || !shape.every(size => Number.isSafeInteger(size) && size >= 0)) return undefined
  if (shape.includes(0)) return 0
  let count = 1
  for (const size of shape) {
    count *= size
    if (!Number.isSafeInteger(count)) return undefined
  }
  return count
}
