import { native } from './native.ts'

/** How {@link decodeJpeg} fits a picture: larger pictures are resized to the short side, antialiased, and a long side
 *  of more than `aspect` short sides is cut off equally at both ends. */
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

/** Decodes baseline JPEG to upright RGB on another thread; `undefined` for any other JPEG and for any damage
 *  (`native/pictures/`). The bytes must not change meanwhile; `room` gives memory for the pixels. */
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

/** Decodes the JPEG file at a path: text, or bytes if the path is not UTF-8. `data` is a part of `room`, which must be
 *  large enough for any picture. A file of up to `atOnce` bytes is decoded in the caller's thread, which takes less
 *  time than waking another. */
export async function decodeJpegFile(
  path: string | Uint8Array,
  fit: JpegFit,
  { room, atOnce = 0 }: { room: Uint8Array; atOnce?: number },
): Promise<Rgb | undefined> {
  const size = await native.decodeJpegFile(path, ...numbers(fit), room, atOnce)
  if (!size) return undefined
  const [height, width] = size
  return { data: room.subarray(0, height * width * 3), height, width }
}

/** A picture of 8-bit RGB in a file: its offset, and its size [height, width, 3]. */
export interface WrittenRgb {
  offset: number
  height: number
  width: number
}

/** A file by its path (bytes if that is not UTF-8) and its stamp: size, inode and times of change, as `hashes.ts`
 *  writes them. */
export interface StampedFile {
  path: string | Uint8Array
  stamp: string
}

const paths = (files: readonly StampedFile[]) => files.map(file => file.path)
const stamps = (files: readonly StampedFile[]) => files.map(file => file.stamp)

/** Decodes JPEG files whose stamps still match, with `threads` threads. The pixels are written to the open file `to`
 *  from the offset `end`, which moves on; other code may move it meanwhile too, by `Atomics`. */
export async function decodeJpegFiles(
  files: readonly StampedFile[],
  fit: JpegFit,
  { to, end, threads = 1 }: { to: number; end: BigInt64Array; threads?: number },
): Promise<(WrittenRgb | undefined)[]> {
  const made = await native.decodeJpegFiles(paths(files), stamps(files), ...numbers(fit), to, end, threads)
  return made.map(row => (row ? { offset: row[2], height: row[0], width: row[1] } : undefined))
}

/** The sha256 of each file whose stamp still matches, as 64 hexadecimal digits; of no file if the processor has no
 *  instructions for it. */
export async function hashFiles(files: readonly StampedFile[], threads = 1): Promise<(string | undefined)[]> {
  return (await native.hashFiles(paths(files), stamps(files), threads)).map(hash => hash ?? undefined)
}
