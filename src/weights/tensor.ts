/** The element types that weight files hold, by torch's names, with their size in bytes. */
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

/** An element type by torch's name: `float32`, `bfloat16`, `int64`, ... */
export type DTypeName = keyof typeof itemBytes

/** A tensor as bytes. `data` is contiguous, little-endian, row-major; it may be a view into the file as read, at any
 *  alignment, and tensors that share memory in the file may share it here: copy before writing into it. */
export interface StoredTensor {
  dtype: DTypeName
  shape: number[]
  data: Uint8Array
}

/** More dimensions than any weight has; a cap on what a hostile file can make us copy. */
export const maxDims = 64

/** How many elements a shape holds; `undefined` where that is no exact number, or a size is not a whole number >= 0. */
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
