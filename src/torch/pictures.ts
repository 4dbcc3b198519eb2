import { native } from './native.ts'

/** How {@link decodeJpeg} fits a picture: larger ones are resized to the short side, antialiased, and what lies beyond
 *  `aspect` short sides is cut off at both ends alike. */
export interface JpegFit {
  short?: number | undefined
  aspect?: number | undefined
  interpolation?: 'bilinear' | 'bicubic' | undefined
  /** The most pixels that a file may have. */
  limit: number
}

/** A picture of 8-bit RGB. */
export interface Rgb {
  /** [height, width, 3] */
  data: Uint8Array
  height: number
  width: number
}

const numbers = ({ short = 0, aspect = Number.POSITIVE_INFINITY, interpolation, limit }: JpegFit) =>
  [short, aspect, interpolation === 'bicubic', limit] as const

/** Decodes baseline JPEG to upright RGB on a thread of its own; `undefined` for any other JPEG and for one that is
 *  damaged in the least (`native/pictures/`). The bytes must not change meanwhile; `room` gives memory for the pixels. */
export async function decodeJpeg(
  bytes: Uint8Array,
  fit: JpegFit,
  room: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
): Promise<Rgb | undefined> {
  const size = native.planJpeg(bytes, ...numbers(fit))
  if (!size) return undefined
  const [height, width] = size
  const data = room(height * width * 3)
  return (await native.decodeJpeg(bytes, ...numbers(fit), data)) ? { data, height, width } : undefined
}

/** The same of a file that is still the one of that stamp: its size, inode and times of change, as `hashes.ts` writes
 *  them; without one, of whatever is there. The path is text, or bytes where it is no UTF-8. `data` is a part of `room`, which must be large enough for any. */
export async function decodeJpegFile(
  path: string | Uint8Array,
  stamp: string | undefined,
  fit: JpegFit,
  room: Uint8Array,
): Promise<Rgb | undefined> {
  const size = await native.decodeJpegFile(path, stamp ?? '', ...numbers(fit), room)
  if (!size) return undefined
  const [height, width] = size
  return { data: room.subarray(0, height * width * 3), height, width }
}
