import { native } from './native.ts'

/** What {@link decodeJpeg} is asked for: the JPEG of `width` x `height` is decoded at 1 / `shrink` (1, 2, 4 or 8), resized
 *  to `across` x `down` where that differs, turned by its EXIF `orientation` (1 to 8), and what lies at (`left`, `top`)
 *  of that is kept, `outWidth` x `outHeight`. */
export interface JpegJob {
  width: number
  height: number
  shrink: 1 | 2 | 4 | 8
  across: number
  down: number
  cubic: boolean
  orientation: number
  left: number
  top: number
  outWidth: number
  outHeight: number
}

/** Decodes baseline JPEG to RGB on a thread of its own: `[outHeight, outWidth, 3]`, or `undefined` for any other JPEG and
 *  for one that is damaged in the least; see `native/pictures/`. The bytes must not change meanwhile. */
export async function decodeJpeg(bytes: Uint8Array, job: JpegJob): Promise<Uint8Array | undefined> {
  const { width, height, shrink, across, down, cubic, orientation, left, top, outWidth, outHeight } = job
  const numbers = [width, height, shrink, across, down, +cubic, orientation, left, top, outWidth, outHeight]
  const out = Buffer.allocUnsafeSlow(outWidth * outHeight * 3)
  return (await native.decodeJpeg(bytes, numbers, out)) ? out : undefined
}
