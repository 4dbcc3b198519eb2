import { AnnealError } from '../base/errors.ts'

/** The most pixels that a picture may have: 16,383 x 16,383, libvips' own limit. */
export const LIMIT_INPUT_PIXELS = 0x3fff * 0x3fff

/** Refuses a picture that is larger than the limit. */
export function checkPixels(width: number, height: number, limit: number): void {
  if (width * height <= limit) return
  const count = (n: number) => n.toLocaleString('en-US')
  throw new AnnealError(`it has ${count(width)} x ${count(height)} pixels, the limit is ${count(limit)} in all`)
}
