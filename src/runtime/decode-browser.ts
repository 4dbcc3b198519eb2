import type { Card } from '../onnx/card.ts'
import { type BitmapLike, type CanvasLike, type FrameLike, type ImageLike, scope, type VideoLike } from './dom.ts'
import { asStored, drawn } from './draw.ts'
import { RunError, reasonOf } from './errors.ts'
import type { Header } from './exif.ts'
import { type Format, formatOf } from './format.ts'
import { readHeader } from './header.ts'
import { bytesOf, isBytes, readsPng } from './input.ts'
import { checkPixels, isRaw, kindOf, toModelPixels } from './pixels.ts'
import type { BlobLike, Host, RawPixels } from './types.ts'

/** A picture to predict: the bytes of a file (`Uint8Array`, `ArrayBuffer`, `Blob`, `File`), pixels (`ImageData`, or raw
 *  ones), or what a canvas can draw: `ImageBitmap`, canvas, image, video (its present frame), `VideoFrame`. */
export type Input =
  | Uint8Array
  | ArrayBuffer
  | BlobLike
  | RawPixels
  | BitmapLike
  | CanvasLike
  | ImageLike
  | VideoLike
  | FrameLike

/** Formats that browsers decode as training does. */
const read: readonly Format[] = ['JPEG', 'PNG', 'GIF', 'WebP', 'AVIF']

/** The pixels of an input, upright, by training's rules. */
export async function decode(
  input: Input,
  card: Card,
  { limitPixels, decode }: Parameters<Host<Input>['decode']>[2],
): Promise<RawPixels> {
  if (typeof input !== 'object' || input === null) return (await import('./element.ts')).refused(input)
  if (isRaw(input)) {
    const image = kindOf(input) === 'ImageData'
    // Opaque: an ImageData has an alpha channel even where its picture has none.
    return image && card.input.mode === 'keep'
      ? toModelPixels(input, { ...card.input, channels: 3, mode: 'rgb' })
      : input
  }
  if (isBytes(input)) {
    const bytes = await bytesOf(input)
    return decode ? decode(bytes) : decodeFile(bytes, card, limitPixels)
  }
  const keep = card.input.mode === 'keep' && card.input.channels !== 3
  if (keep) return (await import('./element.ts')).keepRefused(card)
  return (await import('./element.ts')).decodeElement(input, limitPixels)
}

/** Decodes the bytes of a file. */
async function decodeFile(bytes: Uint8Array, card: Card, limit: number): Promise<RawPixels> {
  const format = await formatOf(bytes, read)
  const header = await readHeader(bytes, format)
  checkPixels(header.width, header.height, limit)
  if (format === 'PNG' && readsPng()) return (await import('./png.ts')).decodePng(bytes, header.orientation)
  const picture = await decodeByBrowser(bytes, header, limit)
  if (card.input.mode !== 'keep') return picture
  if (header.channels === 3) return picture
  if (header.channels !== 1) return (await import('./element.ts')).keepRefused(card)
  return { ...picture, data: picture.data.filter((_, i) => i % 3 === 0), channels: 1 }
}

/** Decodes by the browser. EXIF of formats other than JPEG is applied here, since browsers differ. */
async function decodeByBrowser(bytes: Uint8Array, header: Header, limit: number) {
  const { format, orientation, orientationAt, transparent } = header
  const own = format !== 'JPEG' && orientationAt !== undefined
  const film = format === 'AVIF' && bytes[11] === 0x73 // avis
  if (own || film) bytes = Uint8Array.from(bytes)
  if (own) bytes[orientationAt.at + (orientationAt.little ? 0 : 1)] = 1
  if (film) bytes[11] = 0x66 // avif: the still picture of the file, as in training
  // As in training, CMYK goes through its profile, and other profiles are left alone.
  const convert = header.channels === 4 && header.profile
  let bitmap: BitmapLike
  try {
    const how = convert ? { ...asStored, colorSpaceConversion: 'default' } : asStored
    bitmap = await scope.createImageBitmap!(new scope.Blob([bytes]), how)
  } catch (cause) {
    throw new RunError(
      'picture',
      `its ${format} data are cut off or corrupt, or of a kind that this browser does not read (${reasonOf(cause)})`,
      { cause },
    )
  }
  try {
    const { width, height } = bitmap
    checkPixels(width, height, limit)
    // Beside the frame of a GIF without transparency libvips has black.
    const picture = drawn(bitmap, { width, height, ...(transparent === false && { background: '#000' }) })
    return own ? (await import('./upright.ts')).upright(picture, orientation) : picture
  } finally {
    bitmap.close()
  }
}
