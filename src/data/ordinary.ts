import type { Metadata, Sharp } from 'sharp'
import { AnnealError } from '../base/errors.ts'
import { decodeJpeg } from '../torch/index.ts'
import { decodeBmp } from './bmp.ts'
import { type FitOptions, planFit } from './fit.ts'
import { jpegFault } from './jpeg.ts'
import { checkPixels, checkValues } from './limits.ts'
import type { Format } from './magic.ts'
import { type Depth, pixelArrays, type Raster } from './raster.ts'
import { sharp } from './sharp.ts'
import type { Picture, Pixels } from './types.ts'

/** How to fit a picture, and where its pixels may go. */
interface RgbOptions extends FitOptions {
  room?: (bytes: number) => Uint8Array
}

/** Decodes one picture of a usual format to RGB; see `decode`. */
export async function decodeRgb(bytes: Uint8Array, format: Format, limit: number, fit: RgbOptions): Promise<Picture> {
  const source = format === 'bmp' ? decodeBmp(bytes, limit) : undefined
  if (source) {
    const input = sharp(source.data, { raw: { width: source.width, height: source.height, channels: 3 } })
    return render(input, source, fit)
  }
  // Most JPEG files in one call, without libvips' threads and copies.
  const picture = format === 'jpeg' && (await decodeJpeg(bytes, { ...fit, limit }, fit.room))
  if (picture) return picture
  const header = await readHeader(bytes, limit)
  checkJpeg(bytes, format)
  const input = sharp(bytes, {
    failOn: 'warning',
    autoOrient: true,
    limitInputPixels: limit,
    ignoreIcc: header.space !== 'cmyk',
  })
  return render(input, header, fit)
}

function checkJpeg(bytes: Uint8Array, format: Format): void {
  const fault = format === 'jpeg' && jpegFault(bytes)
  if (fault) throw new AnnealError(fault)
}

/** What the header says, with upright width and height. */
async function readHeader(bytes: Uint8Array, limit: number, page?: number): Promise<Metadata> {
  const header = await sharp(bytes, { limitInputPixels: false, ...(page !== undefined && { page }) }).metadata()
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
    throw new AnnealError(
      `it decodes to ${info.channels} channels, expected 3; keep them all with channels: 'keep' (--channels keep)`,
    )
  return { data, height: info.height, width: info.width }
}

/** Decodes one picture of a usual format as the file holds it, upright, at full size: grey stays one channel,
 *  transparency one more, CMYK four; 16 bits stay 16. Of a file of several pictures the one numbered `page`. */
export async function decodeAsIs(bytes: Uint8Array, format: Format, limit: number, page?: number): Promise<Raster> {
  if (format === 'bmp') return { ...decodeBmp(bytes, limit), channels: 3, alpha: false }
  const header = await readHeader(bytes, limit, page)
  checkJpeg(bytes, format)
  const { width, height, channels, space, hasAlpha } = header
  const depth = depthNamed(header.depth)
  checkValues({ width, height, channels, depth }, limit)
  const input = sharp(bytes, {
    failOn: 'warning',
    autoOrient: true,
    limitInputPixels: limit,
    ignoreIcc: true,
    ...(page !== undefined && { page }),
  })
  // Brought to 8-bit grey, libvips would drop transparency: as colour it gives grey three times and transparency.
  const twice = space === 'b-w' && channels === 2
  const { data, info } = await input
    .toColourspace(twice ? 'srgb' : (space ?? 'srgb'))
    .raw({ depth: depth === 'uint8' ? 'uchar' : depth === 'uint16' ? 'ushort' : 'float' })
    .toBuffer({ resolveWithObject: true })
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

/** What the header of a usual picture says of its channels. */
export async function probeOrdinary(bytes: Uint8Array): Promise<{ channels: number; depth: Depth }> {
  const { channels, depth } = await sharp(bytes, { limitInputPixels: false }).metadata()
  return { channels, depth: depthNamed(depth) }
}

/** libvips repeats itself over several lines, with prefixes: the first cause alone. */
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
