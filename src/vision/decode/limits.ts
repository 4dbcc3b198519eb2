import { ImageError } from '../../base/errors.ts'

/** The most pixels that a picture may have: 16,383 x 16,383, libvips' own limit. */
export const LIMIT_INPUT_PIXELS = 0x3fff * 0x3fff

const count = (n: number) => n.toLocaleString('en-US')

/** Throws for a picture with more pixels than the limit. */
export function checkPixels(width: number, height: number, limit: number): void {
  if (width * height <= limit) return
  throw new ImageError(`it has ${count(width)} x ${count(height)} pixels, the limit is ${count(limit)} in all`)
}

const bytesOf = { uint8: 1, uint16: 2, float32: 4 }

/** Throws for a picture of any channels and type that takes more memory than the largest one in 8-bit colour. */
export function checkValues(
  { width, height, channels, depth }: { width: number; height: number; channels: number; depth: keyof typeof bytesOf },
  limit: number,
): void {
  checkPixels(width, height, limit)
  const bytes = width * height * channels * bytesOf[depth]
  if (bytes <= 3 * limit) return
  throw new ImageError(
    `it has ${count(width)} x ${count(height)} pixels of ${count(channels)} channels, ${count(bytes)} bytes; the limit is ${count(3 * limit)}`,
  )
}
