import { AnnealError } from '../base/errors.ts'
import { checkValues } from './limits.ts'
import { type Depth, pixelArrays, type Raster, upright } from './raster.ts'
import { codecName, codecs, undoPredictor, unpack } from './tiff-codecs.ts'
import type { TiffPage } from './tiff-tags.ts'
import type { Pixels } from './types.ts'
import { type NumberType, readNumbers } from './values.ts'

/** Whether {@link readTiffPage} reads a page; the others (JPEG inside, fax, YCbCr, Lab) are ordinary pictures that
 *  libvips reads. libvips in turn reads no more than 4 bands of 64 bits, no planes in tiles, no zstd. */
export const isPlainPage = ({ compression, photometric, reversedBits }: TiffPage): boolean =>
  !reversedBits &&
  [0, 1, 2, 3, 4, 5, 32803, 34892].includes(photometric) &&
  (codecs.has(compression) || compression > 9)

/** The type of a page's values once it is read. */
export const depthOfPage = ({ bits, format }: Pick<TiffPage, 'bits' | 'format'>): Depth =>
  format !== 1 || bits > 16 ? 'float32' : bits > 8 ? 'uint16' : 'uint8'

/** Reads one page as it is: 1 to 8 bits as uint8 (fewer scaled up to 255), 9 to 16 as uint16, all else as float32; a
 *  palette becomes RGB, and where white is zero, whole numbers are turned round. Values that the file calls missing
 *  become NaN where they are floats. */
export function readTiffPage(bytes: Uint8Array, page: TiffPage, limit: number): Raster {
  const { width, height, bands, bits, compression, photometric, palette } = page
  if (!codecs.has(compression))
    throw new AnnealError(
      `its TIFF data are packed as ${codecName(compression)}, which is not supported; convert to deflate`,
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
  const perChunk = planar ? 1 : bands
  const across = Math.ceil(width / chunk.width)
  const down = Math.ceil(height / chunk.height)
  const count = across * down * (planar ? bands : 1)
  if (!(chunk.width > 0 && chunk.height > 0 && chunk.offsets.length >= count && chunk.sizes.length >= count))
    throw new AnnealError(`its TIFF directory names ${chunk.offsets.length} of ${count} strips or tiles`)
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
  if (!(offset + size <= bytes.length)) throw new AnnealError('its TIFF data are cut off')
  const bands = planar ? 1 : page.bands
  const row = Math.ceil((chunk.width * bands * bits) / 8)
  const raw = unpack(bytes.subarray(offset, offset + size), compression, row * rows)
  if (type === 'bits') return unpackSamples(raw, { bits, perRow: chunk.width * bands, rows })
  undoPredictor(raw, { ...page, width: chunk.width, bands, size: bits / 8 })
  return readNumbers(raw, type, true)
}

/** Refuses, before memory is taken, what the file is too short for: no compression makes more of a byte. */
function checkLength(bytes: Uint8Array, { width, height, bands, bits, compression, chunk }: TiffPage): void {
  const most = compression === 1 ? 1 : compression === 50000 ? 65_536 : 4096
  if (chunk.sizes.every(size => size > 0) && width * height * bands * (bits / 8) > most * bytes.length)
    throw new AnnealError('its TIFF data are cut off')
}

function numberType({ bits, format, predictor }: TiffPage): NumberType | 'bits' {
  const type = `${format === 2 ? 'i' : format === 3 ? 'f' : 'u'}${bits / 8}`
  if (format <= 4 && (format === 3 ? [16, 32, 64].includes(bits) : [8, 16, 32, 64].includes(bits)))
    return type as NumberType
  if (format === 1 && bits < 16 && predictor === 1) return 'bits'
  throw new AnnealError(
    `its TIFF values are of ${bits} bits (format ${format}), which is not supported; convert to 8, 16 or 32`,
  )
}

/** Samples that are no whole bytes, high bits first, each row beginning at a byte. */
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

/** Where white is zero; transparency stays. */
function invert({ data, channels, alpha }: Raster, white: number): void {
  for (let i = 0; i < data.length; i++) if (!(alpha && i % channels === channels - 1)) data[i] = white - data[i]!
}
