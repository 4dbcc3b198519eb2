import type { Metadata, Sharp } from 'sharp'
import { AnnealError, ImageError } from '../../base/errors.ts'
import type { Picture, Pixels } from '../types.ts'
import type { RgbOptions } from './format.ts'
import { checkPixels, checkValues } from './limits.ts'
import { type Depth, pixelArrays, type Raster } from './raster.ts'
import { type FitOptions, planFit } from './resize.ts'
import { decodedAlone, sharp } from './sharp.ts'
import { fromCmyk } from './tiff-colours.ts'

/** A format that libvips reads, and the corrections that make the result agree with other programs. */
export interface VipsFormat {
  /** Its name in messages. */
  name: string
  /** Decodes and fits most files without libvips' threads and copies; undefined for the others. */
  fast?(
    bytes: Uint8Array,
    options: FitOptions & { limit: number },
    room: RgbOptions['room'],
  ): Promise<Picture | undefined>
  /** Changes bytes of the header by which libvips would not recognise the format. */
  known?(bytes: Uint8Array): Uint8Array
  /** The bytes to decode; throws if they have a damage that libvips would not report or not name. */
  checked?(bytes: Uint8Array): Uint8Array
  /** The fault in bytes that libvips could not read, if its own message is not clear enough. */
  faultOf?(bytes: Uint8Array): string | undefined
  /** If given, all warnings of its library mean damage, except those that match. Default: warnings concern metadata,
   *  not pixels. */
  harmless?: RegExp
  /** Whether the messages of its library are clear enough to be shown unchanged. */
  plainSpoken?: boolean
}

/** How libvips opens a picture. */
interface Opening {
  limit: number
  /** The number of the picture in a file of several. */
  page?: number | undefined
  ignoreIcc: boolean
}

/** Decodes one picture that libvips reads to RGB; see `decode`. `page`: the number of the page in a file of several. */
export async function decodeRgb(
  bytes: Uint8Array,
  format: VipsFormat,
  limit: number,
  { page, ...fit }: RgbOptions & { page?: number },
): Promise<Picture> {
  const picture = await format.fast?.(bytes, { ...fit, limit }, fit.room)
  if (picture) return picture
  bytes = checked(bytes, format)
  const header = await readHeader(bytes, format, limit, page)
  if (header.space === 'cmyk' && !header.hasProfile) {
    const raster = await decodeAsIs(bytes, format, limit, page)
    return rgbOf({ ...raster, data: fromCmyk(raster.data, raster.channels), channels: 3, alpha: false }, fit)
  }
  return opened(bytes, format, { limit, page, ignoreIcc: header.space !== 'cmyk' }, input => render(input, header, fit))
}

/** Fits an 8-bit picture in grey or colour, with or without transparency, and converts it to RGB. */
export function rgbOf({ data, width, height, channels, alpha }: Raster, fit: FitOptions): Promise<Picture> {
  const raw = { width, height, channels: channels as 1 | 2 | 3 | 4 }
  return decodedAlone(() => render(sharp(data, { raw }), { width, height, hasAlpha: alpha }, fit))
}

/** The bytes in a form for libvips; throws if they are damaged. */
const checked = (bytes: Uint8Array, { checked, known }: VipsFormat): Uint8Array => (checked ?? known)?.(bytes) ?? bytes

/** Opens a picture and returns the result of `work`. */
async function opened<T>(
  bytes: Uint8Array,
  format: VipsFormat,
  { limit, page, ignoreIcc }: Opening,
  work: (input: Sharp) => Promise<T>,
): Promise<T> {
  const attempt = (failOn: 'warning' | 'error') =>
    alone(bytes, format, () =>
      work(
        sharp(bytes, {
          failOn,
          autoOrient: true,
          limitInputPixels: limit,
          ignoreIcc,
          ...(page !== undefined && { page }),
        }),
      ),
    )
  if (!format.harmless) return attempt('error')
  try {
    return await attempt('warning')
  } catch (error) {
    if (!format.harmless.test(String(error))) throw error
    return attempt('error')
  }
}

/** Reads the header, with width and height of the upright picture. */
async function readHeader(bytes: Uint8Array, format: VipsFormat, limit: number, page?: number): Promise<Metadata> {
  const header = await alone(bytes, format, () =>
    sharp(bytes, { limitInputPixels: false, ...(page !== undefined && { page }) }).metadata(),
  )
  const { width, height, orientation = 1 } = header
  checkPixels(width, height, limit)
  return orientation >= 5 ? { ...header, width: height, height: width } : header
}

async function render(
  input: Sharp,
  { width, height, hasAlpha }: { width: number; height: number; hasAlpha?: boolean },
  fit: FitOptions,
): Promise<Picture> {
  const { before, resize, after } = planFit(width, height, fit)
  if (before) input.extract(before)
  if (hasAlpha) input.flatten({ background: 'white' })
  if (resize)
    input.resize(resize.width, resize.height, {
      fit: 'fill',
      kernel: fit.interpolation === 'bicubic' ? 'cubic' : 'linear',
    })
  if (after) input.extract(after)
  const { data, info } = await input.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  if (info.channels !== 3)
    throw new ImageError(
      `it decodes to ${info.channels} channels, expected 3; keep them all with channels: 'keep' (--channels keep)`,
    )
  return { data, height: info.height, width: info.width }
}

/** Decodes one picture that libvips reads without changing its channels, upright, at full size: grey stays one channel,
 *  transparency adds one, CMYK has four; 16 bits stay 16. `page`: the number of the picture in a file of several. */
export async function decodeAsIs(bytes: Uint8Array, format: VipsFormat, limit: number, page?: number): Promise<Raster> {
  bytes = checked(bytes, format)
  const header = await readHeader(bytes, format, limit, page)
  const { width, height, channels, space, hasAlpha } = header
  const depth = depthNamed(header.depth)
  checkValues({ width, height, channels, depth }, limit)
  // Converting to 8-bit grey, libvips would drop transparency; as colour it gives grey three times, and transparency.
  const twice = space === 'b-w' && channels === 2
  const { data, info } = await opened(bytes, format, { limit, page, ignoreIcc: true }, input =>
    (space === 'cmyk' ? input.pipelineColourspace('cmyk') : input) // else inks go through a profile and back
      .toColourspace(twice ? 'srgb' : (space ?? 'srgb'))
      .raw({ depth: depth === 'uint8' ? 'uchar' : depth === 'uint16' ? 'ushort' : 'float' })
      .toBuffer({ resolveWithObject: true }),
  )
  const values = typed(data, depth)
  const size = { height: info.height, width: info.width, alpha: hasAlpha === true }
  if (!twice) return { data: values, channels: info.channels, ...size }
  return { data: values.filter((_, i) => i % 4 === 0 || i % 4 === 3), channels: 2, ...size }
}

const depthNamed = (depth?: string): Depth => (depth === 'ushort' ? 'uint16' : depth === 'uchar' ? 'uint8' : 'float32')

function typed(bytes: Buffer, depth: Depth): Pixels {
  const pixels = pixelArrays[depth]
  const own = bytes.byteOffset % pixels.BYTES_PER_ELEMENT === 0 ? bytes : Uint8Array.from(bytes)
  return new pixels(own.buffer as ArrayBuffer, own.byteOffset, own.length / pixels.BYTES_PER_ELEMENT)
}

/** The channels of a picture that libvips reads, from its header. */
export async function probeByVips(bytes: Uint8Array, format: VipsFormat): Promise<{ channels: number; depth: Depth }> {
  const plain = format.known?.(bytes) ?? bytes
  const { channels, depth } = await alone(bytes, format, () => sharp(plain, { limitInputPixels: false }).metadata())
  return { channels, depth: depthNamed(depth) }
}

/** As `decodedAlone`; the reason from libvips gets the name of the format, except where its library's reasons are clear
 *  enough. */
async function alone<T>(bytes: Uint8Array, format: VipsFormat, work: () => Promise<T>): Promise<T> {
  try {
    return await decodedAlone(work)
  } catch (error) {
    const reason = plainReason(error)
    if (error instanceof AnnealError || format.plainSpoken || reason.includes('channels: ')) throw error
    const fault = format.faultOf?.(bytes)
    if (fault) throw new ImageError(fault, { cause: error })
    throw new ImageError(`its ${format.name} data are cut off or corrupt (${reason})`, { cause: error })
  }
}

/** The first cause in an error of libvips, which has several lines with prefixes. */
export function plainReason(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n')
  const known = lines.map(line =>
    line.replace(/^Input (buffer|Buffer) has corrupt header: ?/, '').replace(/^\w+: /, ''),
  )
  const reason = known.find(line => line.trim() !== '')?.trim() || 'its header is corrupt'
  return /channel limit|samples out of range|vector must have/.test(reason)
    ? `it has too many channels for a colour picture; keep them all with channels: 'keep' (--channels keep)`
    : reason
}
