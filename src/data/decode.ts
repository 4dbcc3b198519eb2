import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'
import { AnnealError } from '../base/errors.ts'
import { decodeBmp } from './bmp.ts'
import { jpegFault } from './jpeg.ts'
import { checkPixels, LIMIT_INPUT_PIXELS } from './limits.ts'
import { describeBytes, type Format, MAGIC_BYTES, pictureFormat } from './magic.ts'
import type { Picture, Place } from './types.ts'

/** Changes whenever the same file would decode to other pixels; part of the cache's key. */
export const DECODER_VERSION = `1/${sharp.versions.vips}`

// One thread a picture: many pictures in flight use the cores better than many threads on one.
sharp.concurrency(1)
sharp.cache(false)

/** How a picture is decoded. */
export interface DecodeOptions {
  /** The short side in pixels; smaller pictures are left as they are. Default: no resizing. */
  short?: number
  /** Antialiased, as torchvision's `resize(antialias=True)` within 1/255 on average. */
  interpolation?: 'bilinear' | 'bicubic'
  /** The longest side kept, in short sides: what lies beyond is cut off at both ends alike. */
  aspect?: number
  /** Larger pictures are refused from their header. */
  limitInputPixels?: number
}

/** Decodes the bytes of one picture to RGB. EXIF orientation is applied; grey is copied to three channels; CMYK goes
 *  through its profile and other profiles are left alone, as PIL does; 16 bits are scaled to 8; transparent pixels are
 *  laid on white, as a page shows them (PIL would bring out what is hidden below); of an animation the first frame.
 *  Throws an AnnealError whose message is the reason alone, for example `premature end of JPEG image`. */
export async function decode(
  bytes: Uint8Array,
  { short, interpolation = 'bilinear', aspect, limitInputPixels = LIMIT_INPUT_PIXELS }: DecodeOptions = {},
): Promise<Picture> {
  const format = pictureFormat(bytes.subarray(0, MAGIC_BYTES))
  if (!format) throw new AnnealError(describeBytes(bytes.subarray(0, MAGIC_BYTES)))
  if (UNSUPPORTED.has(format)) throw new AnnealError(`${format} pictures are not supported; convert to JPEG or PNG`)
  try {
    const source = format === 'bmp' ? decodeBmp(bytes, limitInputPixels) : undefined
    const header = source ?? (await readHeader(bytes, limitInputPixels))
    if (format === 'jpeg') {
      const fault = jpegFault(bytes)
      if (fault) throw new AnnealError(fault)
    }
    const input = source
      ? sharp(source.data, { raw: { width: source.width, height: source.height, channels: 3 } })
      : sharp(bytes, {
          failOn: 'warning',
          autoOrient: true,
          limitInputPixels,
          ignoreIcc: !('space' in header) || header.space !== 'cmyk',
        })
    return await render(input, header, short, interpolation, aspect)
  } catch (error) {
    if (error instanceof AnnealError) throw error
    throw new AnnealError(plainReason(error), { cause: error })
  }
}

const UNSUPPORTED = new Set<Format>(['jxl', 'jp2', 'psd'])

/** Upright width and height, from the header alone. */
async function readHeader(bytes: Uint8Array, limit: number) {
  const { width, height, orientation = 1, space, hasAlpha } = await sharp(bytes, { limitInputPixels: false }).metadata()
  checkPixels(width, height, limit)
  return orientation >= 5 ? { width: height, height: width, space, hasAlpha } : { width, height, space, hasAlpha }
}

async function render(
  input: Sharp,
  from: { width: number; height: number; hasAlpha?: boolean },
  short: number | undefined,
  interpolation: 'bilinear' | 'bicubic',
  aspect = Number.POSITIVE_INFINITY,
): Promise<Picture> {
  let { width, height } = from
  const longest = Math.max(1, Math.floor(Math.min(width, height) * aspect))
  // A strip is cut before it is resized, all else after, because cutting first forgoes JPEG's scaled decoding.
  if (Math.max(width, height) > 4 * longest) {
    const [w, h] = [Math.min(width, longest), Math.min(height, longest)]
    input.extract({ left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h })
    ;[width, height] = [w, h]
  }
  if (from.hasAlpha) input.flatten({ background: 'white' })
  if (short !== undefined && short < Math.min(width, height)) {
    const scale = short / Math.min(width, height)
    ;[width, height] = width < height ? [short, Math.trunc(height * scale)] : [Math.trunc(width * scale), short]
    input.resize(width, height, { fit: 'fill', kernel: interpolation === 'bicubic' ? 'cubic' : 'linear' })
  }
  const most = Math.max(1, Math.floor(Math.min(width, height) * aspect))
  if (Math.max(width, height) > most) {
    const [w, h] = [Math.min(width, most), Math.min(height, most)]
    input.extract({ left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h })
  }
  const { data, info } = await input.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  if (info.channels !== 3) throw new AnnealError(`it decodes to ${info.channels} channels, expected 3`)
  return { data, height: info.height, width: info.width }
}

/** libvips repeats itself over several lines, with prefixes: the first cause alone. */
function plainReason(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n')
  const known = lines.map(line =>
    line.replace(/^Input (buffer|Buffer) has corrupt header: ?/, '').replace(/^\w+: /, ''),
  )
  return known.find(line => line.trim() !== '')?.trim() || 'its header is corrupt'
}

/** Reads a whole regular file; a FIFO or device is refused without waiting on it. */
export async function readPicture({ file, raw }: Place): Promise<Uint8Array> {
  const handle = await open(raw ? Buffer.from(raw) : file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new AnnealError('it is no regular file')
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Decodes one file; its error names the file and the reason. */
export async function decodeFile(place: Place | string, options?: DecodeOptions): Promise<Picture> {
  const where = typeof place === 'string' ? { file: place } : place
  try {
    return await decode(await readPicture(where), options)
  } catch (error) {
    throw new AnnealError(`${where.file} is no picture that can be used: ${fileReason(error)}.`, { cause: error })
  }
}

/** The reason why a file could not be opened or decoded, in a few words. */
export function fileReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'it does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'it is a folder'
  return error instanceof Error ? error.message : String(error)
}
