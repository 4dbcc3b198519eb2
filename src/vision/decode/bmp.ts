import { ImageError } from '../../base/errors.ts'
import { type ImageFormat, latin1 } from './format.ts'
import { checkPixels } from './limits.ts'
import type { Raster } from './raster.ts'

/** The header of a Windows or OS/2 bitmap. */
interface Header {
  /** Where the pixels begin. */
  start: number
  width: number
  height: number
  topFirst: boolean
  bits: number
  compression: number
  /** Where colours of 3 or 4 bytes begin, and how many there are. */
  palette: { at: number; size: number; count: number }
  /** The bits of red, green, blue and alpha (if there is one) within a pixel of 16 or 32 bits. */
  masks: readonly number[]
}

const packings = ['none', 'RLE8', 'RLE4', 'bit fields', 'JPEG', 'PNG', 'bit fields with alpha']

const headerSizes = new Set([12, 16, 40, 52, 56, 64, 108, 124])

/** Windows and OS/2 bitmaps, with four channels where they have transparency. */
export const bmp: ImageFormat = {
  name: 'BMP',
  endings: '.bmp .dib',
  sniff: head => latin1(head, 0, 2) === 'BM' && head.length >= 18 && headerSizes.has(head[14]! | (head[15]! << 8)),
  probe: bytes => ({ channels: readHeader(bytes).masks.length === 4 ? 4 : 3, depth: 'uint8', use: 'picture' }),
  decode: (bytes, { limit }) => decodeBmp(bytes, limit),
}

/** Decodes a Windows or OS/2 bitmap of 1 to 32 bits per pixel: palettes, run lengths (RLE4, RLE8), any masks. libvips
 *  does not read bitmaps. Pixels that run lengths leave out get the first colour. Fully transparent pictures count as
 *  opaque, since many writers leave their alpha empty. */
function decodeBmp(bytes: Uint8Array, limit: number): Raster {
  const header = readHeader(bytes)
  const { width, height, bits, compression } = header
  checkPixels(width, height, limit)
  if (compression === 1 || compression === 2) return coloured(unpackRuns(bytes, header), bytes, header)
  const stride = Math.ceil((width * bits) / 32) * 4
  // Some writers leave out the padding of the last row.
  if (header.start + stride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length)
    throw new ImageError('its BMP data are cut off')
  if (bits <= 8) return coloured(unpackIndices(bytes, header, stride), bytes, header)
  const usual = bits === 24 || (bits === 32 && String(header.masks) === String(usualMasks))
  return usual ? plain(bytes, header, stride) : masked(bytes, header, stride)
}

const usualMasks = [0xff0000, 0xff00, 0xff]

function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = bytes.length >= 18 ? view.getUint32(14, true) : 0
  if (size < 12 || bytes.length < 14 + size) throw new ImageError('its BMP header is cut off')
  const old = size === 12
  const start = view.getUint32(10, true)
  const width = old ? view.getUint16(18, true) : view.getInt32(18, true)
  const signedHeight = old ? view.getUint16(20, true) : view.getInt32(22, true)
  const height = Math.abs(signedHeight)
  const bits = view.getUint16(old ? 24 : 28, true)
  const compression = size >= 40 ? view.getUint32(30, true) : 0
  if (width <= 0 || height === 0) throw new ImageError(`its BMP header gives ${width} x ${height} pixels`)
  checkPacking(bits, compression, size)
  const separate = size === 40 ? (compression === 3 ? 3 : compression === 6 ? 4 : 0) : 0 // masks after the header
  const at = 14 + size + 4 * separate
  if (at > bytes.length) throw new ImageError('its BMP header is cut off')
  const colour = old ? 3 : 4
  const used = size >= 40 ? view.getUint32(46, true) : 0
  const room = Math.max(0, Math.floor(((start > at ? Math.min(start, bytes.length) : bytes.length) - at) / colour))
  const count = bits > 8 ? 0 : Math.min(used || 2 ** bits, 2 ** bits, room)
  const palette = { at, size: colour, count }
  const masks = masksOf(view, { size, bits, compression })
  return { start, width, height, topFirst: signedHeight < 0, bits, compression, palette, masks }
}

function checkPacking(bits: number, compression: number, size: number): void {
  const rle = compression === 1 || compression === 2
  const fields = compression === 3 || compression === 6
  const os2 = size === 64 && compression >= 3
  if (compression === 4 || compression === 5)
    throw new ImageError(`it is a BMP with a ${packings[compression]} inside, which is not read; convert it to PNG`)
  const fits =
    (compression === 0 && [1, 2, 4, 8, 16, 24, 32].includes(bits)) ||
    (rle && bits === (compression === 1 ? 8 : 4)) ||
    (fields && !os2 && (bits === 16 || bits === 32))
  if (!fits)
    throw new ImageError(
      `it is a BMP of ${bits} bits with compression ${compression}${os2 ? ' of OS/2' : ''}, which is not read; convert it to PNG`,
    )
}

function masksOf(view: DataView, { size, bits, compression }: { size: number; bits: number; compression: number }) {
  if (bits !== 16 && bits !== 32) return []
  if (compression === 0) return bits === 16 ? [0x7c00, 0x3e0, 0x1f] : usualMasks
  const alpha = compression === 6 || size >= 56
  const masks = Array.from({ length: alpha ? 4 : 3 }, (_, i) => view.getUint32(54 + 4 * i, true))
  if (alpha && masks[3] === 0) masks.pop()
  if (masks.slice(0, 3).every(mask => mask === 0)) throw new ImageError('its BMP header gives no bits for colours')
  return masks
}

/** 24 bits, or 32 in the usual order: blue, green, red. */
function plain(bytes: Uint8Array, { start, width, height, topFirst, bits }: Header, stride: number): Raster {
  const data = new Uint8Array(width * height * 3)
  const step = bits / 8
  for (let y = 0, to = 0; y < height; y++) {
    let from = start + stride * (topFirst ? y : height - 1 - y)
    for (let x = 0; x < width; x++, to += 3, from += step) {
      data[to] = bytes[from + 2]!
      data[to + 1] = bytes[from + 1]!
      data[to + 2] = bytes[from]!
    }
  }
  return { data, height, width, channels: 3, alpha: false }
}

function masked(bytes: Uint8Array, { start, width, height, topFirst, bits, masks }: Header, stride: number): Raster {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const channels = masks.length
  const shifts = masks.map(mask => (mask === 0 ? 0 : 31 - Math.clz32(mask & -mask)))
  const tops = masks.map((mask, i) => Math.max(1, mask >>> shifts[i]!))
  const data = new Uint8Array(width * height * channels)
  let clear = true
  for (let y = 0, to = 0; y < height; y++) {
    const row = start + stride * (topFirst ? y : height - 1 - y)
    for (let x = 0; x < width; x++) {
      const value = bits === 16 ? view.getUint16(row + 2 * x, true) : view.getUint32(row + 4 * x, true)
      for (let c = 0; c < channels; c++)
        data[to++] = Math.round((255 * ((value & masks[c]!) >>> shifts[c]!)) / tops[c]!)
      if (channels === 4 && data[to - 1] !== 0) clear = false
    }
  }
  if (channels === 4 && clear) for (let i = 3; i < data.length; i += 4) data[i] = 255
  return { data, height, width, channels, alpha: channels === 4 }
}

/** Indices of colours, [height, width], top row first. */
function unpackIndices(bytes: Uint8Array, { start, width, height, topFirst, bits }: Header, stride: number) {
  const out = new Uint8Array(width * height)
  const most = (1 << bits) - 1
  for (let y = 0, to = 0; y < height; y++) {
    const row = start + stride * (topFirst ? y : height - 1 - y)
    for (let bit = 0; bit < width * bits; bit += bits)
      out[to++] = (bytes[row + (bit >> 3)]! >> (8 - bits - (bit & 7))) & most
  }
  return out
}

/** Runs of 4 or 8 bits (MS-BITMAPINFOHEADER): count and value; or 0 and a code: 0 ends a row, 1 ends the picture, 2
 *  moves right and up, 3 and more: that many values follow, padded to 16 bits. */
function unpackRuns(bytes: Uint8Array, { start, width, height, topFirst, bits }: Header): Uint8Array {
  // Checked before memory is taken: run lengths never expand a byte this much.
  if (width * height > 4096 * bytes.length) throw new ImageError('its BMP data are cut off')
  const out = new Uint8Array(width * height)
  const put = (x: number, y: number, value: number) => {
    if (x < width && y < height) out[(topFirst ? y : height - 1 - y) * width + x] = value
  }
  const pick = (byte: number, i: number) => (bits === 8 ? byte : i & 1 ? byte & 15 : byte >> 4)
  let [x, y, at] = [0, 0, start]
  while (y < height) {
    if (at + 2 > bytes.length) {
      if (y === height - 1 && x >= width) break // no mark of the end, but all rows
      throw new ImageError('its BMP data are cut off')
    }
    const [count, value] = [bytes[at]!, bytes[at + 1]!]
    at += 2
    if (count > 0) for (let i = 0; i < count; i++) put(x++, y, pick(value, i))
    else if (value === 0) [x, y] = [0, y + 1]
    else if (value === 1) break
    else if (value === 2) {
      x += bytes[at] ?? 0
      y += bytes[at + 1] ?? 0
      at += 2
    } else {
      const length = Math.ceil((value * bits) / 8)
      if (at + length > bytes.length) throw new ImageError('its BMP data are cut off')
      for (let i = 0; i < value; i++) put(x++, y, pick(bytes[at + (bits === 8 ? i : i >> 1)]!, i))
      at += length + (length & 1)
    }
  }
  return out
}

function coloured(indices: Uint8Array, bytes: Uint8Array, { width, height, palette }: Header): Raster {
  const { at, size, count } = palette
  const data = new Uint8Array(width * height * 3)
  for (let i = 0, to = 0; i < indices.length; i++, to += 3) {
    if (indices[i]! >= count) continue // no such colour: black
    const from = at + size * indices[i]!
    data[to] = bytes[from + 2]!
    data[to + 1] = bytes[from + 1]!
    data[to + 2] = bytes[from]!
  }
  return { data, height, width, channels: 3, alpha: false }
}
