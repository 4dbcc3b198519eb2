import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import type { Format } from '../../data/files/sniff.ts'
import type { Picture } from '../types.ts'
import { decodeBmp } from './bmp.ts'
import { decodeHeic } from './heic.ts'
import { decodeRgb, type RgbOptions, rgbOf } from './libvips.ts'
import { readNetpbm } from './netpbm.ts'
import { fillMissing, flatten, type Raster, toBytes } from './raster.ts'
import { checkColours, isPlainPage, jpegInside, readTiffPage } from './tiff.ts'
import { fromCmyk } from './tiff-colours.ts'
import { readTiffPages, type TiffPage } from './tiff-tags.ts'

/** Decodes one picture of any format but npy to 8-bit RGB. Our own readers decode files that libvips does not read, or
 *  reads differently from other programs. */
export async function decodeToRgb(
  bytes: Uint8Array,
  format: Format,
  limit: number,
  fit: RgbOptions,
): Promise<Picture & { filled?: number }> {
  if (format === 'bmp') return rgbOf(decodeBmp(bytes, limit), fit)
  if (format === 'heic') return rgbOf(await decodeHeic(bytes, limit), fit)
  if (format === 'netpbm') return rasterToRgb(readNetpbm(bytes, limit), fit)
  if (format === 'tiff') return tiffToRgb(bytes, limit, fit)
  return decodeRgb(bytes, format, limit, fit)
}

async function tiffToRgb(file: Uint8Array, limit: number, fit: RgbOptions): Promise<Picture & { filled?: number }> {
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.length) // a Buffer's slices are no copies
  const page = readTiffPages(bytes, 'first')[0]!
  checkColours(page)
  checkBands(page)
  if (page.compression === 6) return decodeRgb(jpegInside(bytes, page), 'jpeg', limit, fit)
  if (!isForOwn(page)) return decodeRgb(bytes, 'tiff', limit, { ...fit, page: page.index })
  const raster = readTiffPage(bytes, page, limit)
  if (page.photometric === 5)
    return rasterToRgb({ ...raster, data: fromCmyk(raster.data, page.bands), channels: 3, alpha: false }, fit)
  return rasterToRgb(raster, fit)
}

/** Whether libvips reads this page differently from other programs: YCbCr or Lab outside of JPEG, CMYK without a
 *  profile, depths other than 1 to 8 and 16 bits, zstd, planes in tiles, an extra channel that is not transparency. */
function isForOwn(page: TiffPage): boolean {
  const { photometric, bits, format, compression, planar, chunk, extra, alpha, profile } = page
  if (!isPlainPage(page)) return false
  const inks = photometric === 5 && !profile
  const depth = format !== 1 || !([1, 2, 4, 8].includes(bits) || bits === 16)
  return inks || photometric >= 6 || depth || compression === 50000 || (planar && chunk.tiled) || (extra > 0 && !alpha)
}

/** Throws if the channels can't be shown as colours, or if there are too many. */
function checkBands({ photometric, bands, extra, alpha, bits, format }: TiffPage): void {
  if (photometric === 32803)
    throw new AnnealError("it is a camera's raw mosaic in TIFF, which is not read; develop it to JPEG, PNG or TIFF")
  const further = extra - (alpha ? 1 : 0)
  const most = photometric === 2 && bands === 4 ? 1 : 0 // a fourth of no meaning, as some writers pad
  const few = photometric === 2 ? bands < 3 : photometric === 5 && bands < 4
  if (further > most || few)
    throw new AnnealError(
      `it has ${plural(bands, 'channel')} that are not plain grey or colour; keep them all with channels: 'keep' (--channels keep)`,
    )
  if ((format !== 3 && bits > 16) || format === 2 || format > 3)
    if (photometric !== 8)
      throw new AnnealError(
        `it holds ${format === 2 ? 'signed ' : ''}numbers of ${bits} bits, and the file does not say which values are black and white; train with channels: 'copy' (--channels copy), which measures them`,
      )
}

/** Converts values to 8 bits and fits the picture; floats must be from 0 (black) to 1 (white). */
export async function rasterToRgb(raster: Raster, fit: RgbOptions): Promise<Picture & { filled?: number }> {
  const filled = fillMissing(raster)
  if (raster.data instanceof Float32Array) checkFloats(raster.data)
  const flat = raster.data instanceof Uint8Array ? raster : toBytes(flatten(raster))
  const picture = await rgbOf(coloursOnly(flat), fit)
  return { ...picture, ...(filled > 0 && { filled }) }
}

/** Drops a fourth channel that is not transparency. */
function coloursOnly(raster: Raster): Raster {
  const { data, channels, alpha, width, height } = raster
  if (channels !== 4 || alpha) return raster
  const out = new Uint8Array(width * height * 3)
  for (let i = 0, to = 0; i < data.length; i++) if (i % 4 !== 3) out[to++] = data[i]!
  return { ...raster, data: out, channels: 3 }
}

function checkFloats(data: Float32Array): void {
  let [low, high] = [0, 0]
  for (const value of data) {
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low >= -0.01 && high <= 1.01) return
  const say = (value: number) => Number(value.toPrecision(4))
  throw new AnnealError(
    `it holds floats from ${say(low)} to ${say(high)}, where 0 is black and 1 is white; train with channels: 'copy' (--channels copy), which measures the value of white`,
  )
}
