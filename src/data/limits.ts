import { AnnealError } from '../base/errors.ts'

/** The most pixels that a picture may have: 16,383 x 16,383, libvips' own limit. */
export const LIMIT_INPUT_PIXELS = 0x3fff * 0x3fff

const count = (n: number) => n.toLocaleString('en-US')

/** Refuses a picture that is larger than the limit. */
export function checkPixels(width: number, height: number, limit: number): void {
  if (width * height <= limit) return
  throw new AnnealError(`it has ${count(width)} x ${count(height)} pixels, the limit is ${count(limit)} in all`)
}

/** Refuses a picture of any channels and type that takes more memory than the largest in 8-bit colour. */
export function checkValues(
  { width, height, channels, bytes }: { width: number; height: number; channels: number; bytes: number },
  limit: number,
): void {
  checkPixels(width, height, limit)
  if (width * height * channels * bytes <= 3 * limit) return
  throw new AnnealError(
    `it has ${count(width)} x ${count(height)} pixels of ${count(channels)} channels, ${count(width * height * channels * bytes)} bytes; the limit is ${count(3 * limit)}`,
  )
}
