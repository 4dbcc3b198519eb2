import type { Card } from '../onnx/card.ts'
import type { BitmapLike, CanvasLike, FrameLike, ImageLike, VideoLike } from './dom.ts'
import { scope } from './dom.ts'
import { drawn } from './draw.ts'
import { RunError, reasonOf } from './errors.ts'
import { type Format, formatOf } from './format.ts'
import { type Header, readHeader } from './header.ts'
import { bytesOf, isBytes, refuseInput } from './input.ts'
import { checkPixels, isRaw, kindOf, toModelPixels } from './pixels.ts'
import { decodePng, readsPng } from './png.ts'
import type { BlobLike, Host, RawPixels } from './types.ts'
import { upright } from './upright.ts'

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
/** Pixels as they are stored: no alpha multiplied in, no profile applied. */
const asStored = { imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'none' }

/** What may be given as a picture, for errors. */
const expected =
  'a Blob, the bytes of a picture file, ImageData, ImageBitmap, canvas, image, video, or raw pixels { data, width, height, channels }'

/** The pixels of an input, upright, by training's rules. */
export async function decode(
  input: Input,
  card: Card,
  { limitPixels, decode }: Parameters<Host<Input>['decode']>[2],
): Promise<RawPixels> {
  if (typeof input !== 'object' || input === null) refuseInput(input, expected)
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
  if (keep) throw keepRefused(card)
  return decodeElement(input, limitPixels)
}

const keepRefused = ({ input: { channels } }: Card) =>
  new RunError(
    'picture',
    `the model was trained on ${channels} channels as they are in files, which a browser does not give. Give its pixels: { data, width, height, channels: ${channels} }, or load(url, { decode })`,
  )

async function decodeElement(input: Exclude<Input, RawPixels>, limit: number): Promise<RawPixels> {
  const draw = (image: object, width: number, height: number) => {
    if (!(width > 0 && height > 0)) throw new RunError('picture', `it is ${width} x ${height} pixels large`)
    checkPixels(width, height, limit)
    return drawn(image, { width, height })
  }
  if ('naturalWidth' in input) {
    await input.decode().catch(cause => {
      throw new RunError('picture', `the image ${input.currentSrc} is not loaded (${reasonOf(cause)})`, { cause })
    })
    checkPixels(input.naturalWidth, input.naturalHeight, limit)
    const bitmap = await scope.createImageBitmap!(input, asStored)
    try {
      return draw(bitmap, bitmap.width, bitmap.height)
    } finally {
      bitmap.close()
    }
  }
  if ('videoWidth' in input) {
    if (input.readyState < 2)
      throw new RunError('picture', 'the video has no frame yet; wait for its event "loadeddata"')
    return draw(input, input.videoWidth, input.videoHeight)
  }
  if ('displayWidth' in input) return draw(input, input.displayWidth, input.displayHeight)
  if ('getContext' in input || 'close' in input) {
    const { width, height } = input as BitmapLike
    return draw(input, width, height)
  }
  return refuseInput(input, expected)
}

/** Decodes the bytes of a file. */
async function decodeFile(bytes: Uint8Array, card: Card, limit: number): Promise<RawPixels> {
  const format = formatOf(bytes, read)
  const header = readHeader(bytes, format)
  checkPixels(header.width, header.height, limit)
  if (format === 'PNG' && readsPng()) return upright(await decodePng(bytes), header.orientation)
  const picture = await decodeByBrowser(bytes, header, limit)
  if (card.input.mode !== 'keep') return picture
  if (header.channels === 3) return picture
  if (header.channels !== 1) throw keepRefused(card)
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
  let bitmap: BitmapLike
  try {
    bitmap = await scope.createImageBitmap!(new scope.Blob([bytes]), asStored)
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
    return own ? upright(picture, orientation) : picture
  } finally {
    bitmap.close()
  }
}
