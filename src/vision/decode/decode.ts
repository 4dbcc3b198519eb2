import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { AnnealError, fileReason, ImageError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { readMember } from '../../data/shards/members.ts'
import type { Place } from '../../data/types.ts'
import type { Picture } from '../types.ts'
import type { ImageFormat, RgbOptions, RgbPicture } from './format.ts'
import { supportedFormat } from './formats.ts'
import { plainReason } from './libvips.ts'
import { checkValues, LIMIT_INPUT_PIXELS } from './limits.ts'
import { copyToThree, depthOf, fillMissing, flatten, type Raster, stackRasters, stretch, toBytes } from './raster.ts'
import { type FitOptions, fitRaster } from './resize.ts'
import { rasterToRgb } from './to-rgb.ts'

/** How a picture's channels are decoded.
 *  - `rgb`: always red, green and blue of 8 bits: grey is copied, transparency laid on white, 16 bits are scaled
 *  - `copy`: 16 bits and floats stay, one or two channels are copied until there are three; 8-bit pictures as `rgb`
 *  - `keep`: channels and type are the file's: grey stays 1, RGBA and CMYK 4, of a TIFF file all bands and pages */
export type ChannelMode = 'rgb' | 'copy' | 'keep'

/** Which channels a decoded picture has. */
export interface ChannelOptions {
  channels?: ChannelMode
  /** With `copy`: the values of black and white in pictures of 16 bits and floats. Default: 0 and 65535, 0 and 1. */
  range?: readonly [low: number, high: number] | undefined
}

/** How a picture is decoded. */
export interface DecodeOptions extends FitOptions, ChannelOptions {
  /** Larger pictures are refused from their header. */
  limitInputPixels?: number
  /** Gives memory for the pixels, if the decoder can use memory from outside. */
  room?: (bytes: number) => Uint8Array
}

/** A decoded picture of a file. */
export interface Decoded extends Picture {
  /** How many values were not finite (or the file's mark for missing values) and were replaced by the mean of their
   *  channel. */
  filled?: number
}

/** Decodes the bytes of one picture. EXIF orientation is applied; of an animation the first frame. As `rgb`, CMYK goes
 *  through its profile and other profiles are left alone, as PIL does; 16 bits are scaled to 8; transparent pixels are
 *  laid on white, as a web page shows them (PIL would show the hidden colours).
 *  Throws an AnnealError whose message is the reason alone, for example `premature end of JPEG image`. */
export async function decode(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Decoded> {
  const { channels = 'rgb', limitInputPixels: limit = LIMIT_INPUT_PIXELS } = options
  return withReason(async () => {
    const format = supportedFormat(bytes)
    if (channels === 'rgb' && !format.isArray) return toRgb(bytes, format, limit, options)
    const { use, depth } = await format.probe(bytes)
    if (channels === 'copy' && use === 'picture' && depth === 'uint8' && !format.isArray)
      return toRgb(bytes, format, limit, options)
    const pages = channels !== 'keep' && use === 'picture' ? 'first' : 'all'
    const raster = await format.decode(bytes, { limit, pages })
    if (channels === 'rgb' && !(raster.data instanceof Uint8Array && [1, 3].includes(raster.channels)))
      throw new ImageError(
        `it holds ${depth} values of ${plural(raster.channels, 'channel')}, expected uint8 of 1 or 3; keep it as it is with channels: 'keep' (--channels keep)`,
      )
    return finish(raster, options)
  })
}

/** Decodes one picture to RGB of 8 bits: as its format does it best, else by its values. */
const toRgb = async (bytes: Uint8Array, format: ImageFormat, limit: number, fit: RgbOptions): Promise<RgbPicture> =>
  format.decodeRgb?.(bytes, limit, fit) ?? rasterToRgb(await format.decode(bytes, { limit, pages: 'first' }), fit)

/** Decodes a picture that lies in several files, one or more channels each, in their order. As `rgb` up to three
 *  channels are copied until there are three, with their type scaled to 8 bits. */
export async function decodeBands(
  place: Place,
  contents: readonly Uint8Array[],
  options: DecodeOptions,
): Promise<Decoded> {
  if (contents.length === 1) return decode(contents[0]!, options)
  const { limitInputPixels: limit = LIMIT_INPUT_PIXELS } = options
  const names = filesOf(place).map(({ file }) => basename(file))
  const parts: Raster[] = []
  for (const [i, bytes] of contents.entries())
    parts.push(
      await withReason(async () => supportedFormat(bytes).decode(bytes, { limit, pages: 'all' }), `${names[i]}: `),
    )
  return withReason(async () => finish(stackRasters(parts, names), options))
}

/** Converts raw pixels as `decode` converts a file that holds them; with `stacked` as `decodeBands` converts several
 *  files of one channel each. May change the given values. */
export async function decodeRaster(
  raster: Raster,
  { stacked = false, ...options }: DecodeOptions & { stacked?: boolean } = {},
): Promise<Decoded> {
  const { channels: mode = 'rgb', limitInputPixels: limit = LIMIT_INPUT_PIXELS } = options
  return withReason(async () => {
    const { channels } = raster
    const depth = depthOf(raster.data)
    checkValues({ ...raster, depth }, limit)
    const asBytes = mode === 'rgb' || (mode === 'copy' && depth === 'uint8')
    if (stacked || !asBytes) return finish(raster, options)
    if (channels > 4)
      throw new ImageError(
        `it has ${plural(channels, 'channel')}; expected 1 to 4 (grey, or red, green and blue, each alone or with alpha)`,
      )
    return rasterToRgb(raster, options)
  })
}

function finish(raster: Raster, { channels = 'rgb', range, ...fit }: DecodeOptions): Decoded {
  const filled = fillMissing(raster)
  if (channels === 'keep') raster = fitRaster(raster, fit)
  else {
    raster = copyToThree(fitRaster(flatten(raster), fit))
    if (range) raster = stretch(raster, range)
    if (channels === 'rgb') raster = toBytes(raster)
  }
  const { data, height, width } = raster
  return { data, height, width, channels: raster.channels, ...(filled > 0 && { filled }) }
}

async function withReason<T>(work: () => Promise<T>, before = ''): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AnnealError && before === '') throw error
    throw new ImageError(`${before}${error instanceof AnnealError ? error.message : plainReason(error)}`, {
      cause: error,
    })
  }
}

/** The files of a picture: one, or one per group of channels. */
export const filesOf = (place: Place): readonly Place[] => [place, ...(place.bands ?? [])]

/** The path to open it by. */
export const pathOf = ({ file, raw }: Place): string | Buffer => (raw ? Buffer.from(raw) : file)

/** Reads a whole regular file, or a member of a tar, into memory from `room`. Throws for a FIFO or device without waiting for
 *  it. */
export async function readPicture(
  place: Place,
  room: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
): Promise<Uint8Array> {
  const handle = await open(pathOf(place), constants.O_RDONLY | constants.O_NONBLOCK).catch(async error => {
    const bytes = (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? await readMember(place.file, room) : undefined
    if (bytes === undefined) throw error
    return bytes
  })
  if (handle instanceof Uint8Array) return handle
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new ImageError('it is no regular file')
    const bytes = room(stat.size + 1) // one more: a read that leaves it empty has come to the end
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    return bytesRead === stat.size ? bytes.subarray(0, bytesRead) : await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Decodes one file, or all that make one picture; its error names the file and the reason. */
export async function decodeFile(place: Place | string, options: DecodeOptions = {}): Promise<Decoded> {
  const where = typeof place === 'string' ? { file: place } : place
  let reading = where
  try {
    const contents: Uint8Array[] = []
    for (reading of filesOf(where)) contents.push(await readPicture(reading))
    reading = where
    return await decodeBands(where, contents, options)
  } catch (error) {
    throw new ImageError(`${reading.file} is no picture that can be used: ${fileReason(error)}.`, { cause: error })
  }
}
