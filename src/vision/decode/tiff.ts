import { ImageError } from '../../base/errors.ts'
import type { Pixels } from '../types.ts'
import { checkValues } from './limits.ts'
import { type Depth, pixelArrays, type Raster, upright } from './raster.ts'
import { type NumberType, readNumbers } from './sample-types.ts'
import { codecName, codecs, undoPredictor, unpack } from './tiff-codecs.ts'
import { fromLab, fromYcbcr, spreadYcbcr } from './tiff-colours.ts'
import type { TiffPage } from './tiff-tags.ts'

/** Whether {@link readTiffPage} reads a page; the others (JPEG inside, fax) are ordinary pictures that libvips reads.
 *  libvips in turn reads no more than 4 bands of 64 bits, no planes in tiles, no zstd, no YCbCr or Lab but in JPEG. */
export const isPlainPage = ({ compression, photometric, reversedBits }: TiffPage): boolean =>
  !reversedBits &&
  [0, 1, 2, 3, 4, 5, 6, 8, 9, 32803, 34892].includes(photometric) &&
  (codecs.has(compression) || (compression > 9 && compression !== 50001))

/** Throws for colours that can't be read. */
export function checkColours({ photometric, compression }: TiffPage): void {
  const name = { 4: undefined, 10: 'ITULab', 32844: 'LogL', 32845: 'LogLuv' }[photometric]
  if (name) throw new ImageError(`its TIFF colours are ${name}, which is not read; convert it to RGB`)
  if (!codecs.has(compression) && ![2, 3, 4, 6, 7, 50001].includes(compression))
    throw new ImageError(
      `its TIFF data are packed as ${codecName(compression)}, which is not read; convert it to deflate`,
    )
}

/** The type of a page's values once it is read. */
export const depthOfPage = ({ bits, format, photometric }: TiffPage): Depth =>
  (format !== 1 && photometric !== 8) || bits > 16 ? 'float32' : bits > 8 ? 'uint16' : 'uint8'

/** The JPEG file inside an old-style TIFF file; throws if it is not a whole one. */
export function jpegInside(bytes: Uint8Array, { stream }: TiffPage): Uint8Array {
  const inside = stream && bytes.subarray(...stream)
  if (inside?.[0] !== 0xff || inside[1] !== 0xd8)
    throw new ImageError('its TIFF data are packed as old-style JPEG, which is not read; convert it to PNG or JPEG')
  return inside
}

/** Reads one page: 1 to 8 bits as uint8 (fewer than 8 are scaled up to 255), 9 to 16 as uint16, all others as float32.
 *  A palette is converted to RGB. If white is zero, whole numbers are inverted. Floats that the file marks as missing
 *  become NaN. */
export function readTiffPage(bytes: Uint8Array, page: TiffPage, limit: number): Raster {
  const { width, height, bands, bits, compression, photometric, palette } = page
  if (!codecs.has(compression))
    throw new ImageError(
      `its TIFF data are packed as ${codecName(compression)}, which is not read; convert it to deflate`,
    )
  checkValues({ width, height, channels: photometric === 3 ? 3 : bands, depth: depthOfPage(page) }, limit)
  let raster: Raster = {
    data: readSamples(bytes, page, limit),
    width,
    height,
    channels: bands,
    alpha: page.alpha && bands > 1,
  }
  if (photometric === 3 && palette && bands === 1 && bits <= 8)
    raster = { ...raster, data: colours(raster.data, palette, bits), channels: 3 }
  else if (bits < 8) scaleUp(raster.data, 255 / (2 ** bits - 1))
  if (photometric === 6) fromYcbcr(raster.data, page)
  if (photometric === 8 || photometric === 9) fromLab(raster.data, { signed: photometric === 8 })
  if (bits > 8 && bits < 16) raster.white = 2 ** bits - 1
  if (photometric === 0 && page.format === 1 && bits <= 16) invert(raster, bits < 8 ? 255 : 2 ** bits - 1)
  if (page.missing !== undefined && raster.data instanceof Float32Array) {
    const missing = Math.fround(page.missing)
    for (let i = 0; i < raster.data.length; i++) if (raster.data[i] === missing) raster.data[i] = Number.NaN
  }
  return upright(raster, page.orientation)
}

/** All samples of a page, [height, width, bands]. */
function readSamples(bytes: Uint8Array, page: TiffPage, limit: number): Pixels {
  const { width, height, bands, planar, chunk } = page
  const type = numberType(page)
  if (page.photometric >= 6 && page.photometric <= 9) checkThree(page)
  const perChunk = planar ? 1 : bands
  const across = Math.ceil(width / chunk.width)
  const down = Math.ceil(height / chunk.height)
  const count = across * down * (planar ? bands : 1)
  if (!(chunk.width > 0 && chunk.height > 0 && chunk.offsets.length >= count && chunk.sizes.length >= count))
    throw new ImageError(`its TIFF directory names ${chunk.offsets.length} of ${count} strips or tiles`)
  checkValues(
    { ...chunk, channels: perChunk, depth: page.bits > 16 ? 'float32' : page.bits > 8 ? 'uint16' : 'uint8' },
    limit,
  )
  checkLength(bytes, page)
  const out = new pixelArrays[depthOfPage(page)](width * height * bands)
  for (let n = 0; n < count; n++) {
    const [x, y] = [(n % across) * chunk.width, (Math.floor(n / across) % down) * chunk.height]
    const rows = Math.min(chunk.height, chunk.tiled ? chunk.height : height - y)
    const samples = readChunk(bytes, page, { n, rows, type })
    if (!samples) continue
    const band = planar ? Math.floor(n / (across * down)) : 0
    const [w, h] = [Math.min(chunk.width, width - x), Math.min(rows, height - y)]
    for (let r = 0; r < h; r++) {
      const from = r * chunk.width * perChunk
      const to = ((y + r) * width + x) * bands + band
      if (perChunk === bands) out.set(samples.subarray(from, from + w * bands), to)
      else for (let i = 0; i < w; i++) out[to + i * bands] = samples[from + i]!
    }
  }
  return out
}

/** One strip or tile as numbers; undefined for a tile that was never written. */
function readChunk(
  bytes: Uint8Array,
  page: TiffPage,
  { n, rows, type }: { n: number; rows: number; type: NumberType | 'bits' },
): Pixels | undefined {
  const { bits, compression, chunk, planar } = page
  const [offset, size] = [chunk.offsets[n]!, chunk.sizes[n]!]
  if (size === 0) return undefined
  if (!(offset + size <= bytes.length)) throw new ImageError('its TIFF data are cut off')
  if (isSubsampled(page)) return readBlocks(bytes.subarray(offset, offset + size), page, rows)
  const bands = planar ? 1 : page.bands
  const row = Math.ceil((chunk.width * bands * bits) / 8)
  const raw = unpack(bytes.subarray(offset, offset + size), compression, row * rows)
  if (type === 'bits') return unpackSamples(raw, { bits, perRow: chunk.width * bands, rows })
  undoPredictor(raw, { ...page, width: chunk.width, bands, size: bits / 8 })
  return readNumbers(raw, type, true)
}

const isSubsampled = ({ photometric, ycbcr: { across, down } }: TiffPage) =>
  photometric === 6 && (across !== 1 || down !== 1)

/** Throws unless YCbCr has three bands of 8 bits (Lab: 8 or 16), and subsampled YCbCr has 1, 2 or 4 pixels per colour
 *  sample each way, unseparated bands and no predictor. */
function checkThree(page: TiffPage): void {
  const { photometric, bands, bits, format, planar, predictor } = page
  const { across, down } = page.ycbcr
  const named = photometric === 6 ? 'YCbCr' : 'Lab'
  const deep = photometric !== 6 && bits === 16
  if (bands !== 3 || (bits !== 8 && !deep) || (format !== 1 && photometric === 6) || format > 2)
    throw new ImageError(
      `it is a TIFF of ${named} in ${bands} channels of ${bits} bits, which is not read; convert it to RGB`,
    )
  if (!isSubsampled(page)) return
  if (![1, 2, 4].includes(across) || ![1, 2, 4].includes(down) || planar || predictor !== 1)
    throw new ImageError(
      `it is a TIFF of YCbCr with ${across} x ${down} pixels per colour sample, which is not read; convert it to RGB`,
    )
}

/** Reads a strip or tile of subsampled YCbCr. */
function readBlocks(packed: Uint8Array, { compression, chunk, ycbcr }: TiffPage, rows: number): Uint8Array {
  const { across, down } = ycbcr
  const size = Math.ceil(chunk.width / across) * Math.ceil(rows / down) * (across * down + 2)
  return spreadYcbcr(unpack(packed, compression, size), { width: chunk.width, rows, across, down })
}

/** Throws, before memory is taken, if the file is too short for its pixels: no compression expands a byte more than
 *  this. */
function checkLength(bytes: Uint8Array, page: TiffPage): void {
  const { width, height, bands, bits, compression, chunk } = page
  const most = compression === 1 ? (isSubsampled(page) ? 3 : 1) : compression === 50000 ? 65_536 : 4096
  if (chunk.sizes.every(size => size > 0) && width * height * bands * (bits / 8) > most * bytes.length)
    throw new ImageError('its TIFF data are cut off')
}

function numberType({ bits, format: given, predictor, photometric }: TiffPage): NumberType | 'bits' {
  const format = photometric === 8 ? 1 : given // the signs of Lab are handled later
  const type = `${format === 2 ? 'i' : format === 3 ? 'f' : 'u'}${bits / 8}`
  if (format <= 4 && (format === 3 ? [16, 32, 64].includes(bits) : [8, 16, 32, 64].includes(bits)))
    return type as NumberType
  if (format === 1 && bits < 16 && predictor === 1) return 'bits'
  throw new ImageError(
    `its TIFF values are of ${bits} bits (format ${format}), which is not supported; convert to 8, 16 or 32`,
  )
}

/** Unpacks samples that are not whole bytes: high bits first, each row begins at a byte. */
function unpackSamples(
  raw: Uint8Array,
  { bits, perRow, rows }: { bits: number; perRow: number; rows: number },
): Pixels {
  const out = new (bits > 8 ? Uint16Array : Uint8Array)(perRow * rows)
  const stride = Math.ceil((perRow * bits) / 8)
  for (let r = 0; r < rows; r++)
    for (let i = 0, held = 0, have = 0, at = r * stride; i < perRow; i++) {
      for (; have < bits; have += 8) held = ((held << 8) | raw[at++]!) & 0xffffff
      have -= bits
      out[r * perRow + i] = (held >> have) & ((1 << bits) - 1)
    }
  return out
}

function colours(indices: Pixels, palette: readonly number[], bits: number): Uint8Array {
  const size = 2 ** bits
  const shift = palette.some(value => value > 255) ? 8 : 0
  const out = new Uint8Array(indices.length * 3)
  for (let i = 0; i < indices.length; i++)
    for (let c = 0; c < 3; c++) out[3 * i + c] = (palette[c * size + indices[i]!] ?? 0) >> shift
  return out
}

function scaleUp(data: Pixels, factor: number): void {
  for (let i = 0; i < data.length; i++) data[i]! *= factor
}

/** Inverts values whose white is zero; transparency is unchanged. */
function invert({ data, channels, alpha }: Raster, white: number): void {
  for (let i = 0; i < data.length; i++) if (!(alpha && i % channels === channels - 1)) data[i] = white - data[i]!
}
