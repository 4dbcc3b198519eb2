import { ImageError } from '../../base/errors.ts'
import type { Pixels } from '../types.ts'
import { type ImageFormat, latin1 } from './format.ts'
import { checkValues } from './limits.ts'
import { type Depth, pixelArrays, type Raster } from './raster.ts'

/** The header of a Netpbm file (PBM, PGM, PPM, PAM) or of a PFM file. */
interface Header {
  /** The letter or digit after the P. */
  kind: string
  width: number
  height: number
  channels: number
  /** The value of white. */
  most: number
  alpha: boolean
  depth: Depth
  /** Where the pixels begin. */
  start: number
  littleEndian: boolean
}

/** PBM, PGM, PPM, PAM, and PFM for floats. */
export const netpbm: ImageFormat = {
  name: 'Netpbm',
  endings: '.ppm .pgm .pbm .pnm .pam .pfm',
  sniff: head => /^P([1-6]\s+(#|\d)|[Ff]\s+\d|7\n)/.test(latin1(head, 0, 32)),
  probe(bytes) {
    const { channels, depth, alpha } = readHeader(bytes)
    return { channels, depth, use: [1, 3].includes(channels - (alpha ? 1 : 0)) ? 'picture' : 'bands' }
  },
  decode: (bytes, { limit }) => readNetpbm(bytes, limit),
}

/** Reads the first picture of a Netpbm file: P1 to P6 as text or bytes, P7 (PAM), and floats (PFM: PF, Pf). Up to 8
 *  bits are scaled to 255; 9 to 16 bits are unchanged, and `white` is the value of white. */
function readNetpbm(bytes: Uint8Array, limit: number): Raster {
  const header = readHeader(bytes)
  const { kind, width, height, channels, most, alpha, depth } = header
  checkValues({ width, height, channels, depth }, limit)
  // Checked before memory is taken: the fewest bytes that the pixels need in the file.
  if ((width * height * channels) / (kind === '4' ? 8 : 1) > bytes.length - header.start + 1) throw cutOff()
  const data = new pixelArrays[depth](width * height * channels)
  if (kind === 'F' || kind === 'f') readFloats(bytes, header, data)
  else if (kind === '1') readDigits(bytes, header, data)
  else if (kind === '2' || kind === '3') readText(bytes, header, data)
  else if (kind === '4') readBits(bytes, header, data)
  else readBytes(bytes, header, data)
  if (kind === '1' || kind === '4') for (let i = 0; i < data.length; i++) data[i] = data[i] ? 0 : 255
  else if (depth === 'uint8' && most !== 255)
    for (let i = 0; i < data.length; i++) data[i] = Math.min(255, Math.round((255 * data[i]!) / most))
  return { data, width, height, channels, alpha, ...(depth === 'uint16' && { white: most }) }
}

const cutOff = () => new ImageError('its Netpbm data are cut off')
const blank = (byte: number) => byte === 32 || (byte >= 9 && byte <= 13)

/** The next word from `at`, after comments, and where it ends. */
function word(bytes: Uint8Array, at: number): { text: string; end: number } {
  while (at < bytes.length && (blank(bytes[at]!) || bytes[at] === 35))
    if (bytes[at] === 35) while (at < bytes.length && bytes[at] !== 10 && bytes[at] !== 13) at++
    else at++
  let end = at
  while (end < bytes.length && end - at < 32 && !blank(bytes[end]!) && bytes[end] !== 35) end++
  return { text: Buffer.from(bytes.subarray(at, end)).toString('latin1'), end }
}

function readHeader(bytes: Uint8Array): Header {
  const kind = String.fromCharCode(bytes[1] ?? 0)
  if (kind === '7') return readPam(bytes)
  let at = 2
  const number = (name: string): number => {
    const { text, end } = word(bytes, at)
    at = end
    if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text))
      throw new ImageError(`its Netpbm header gives "${text}" as its ${name}, expected a number`)
    return Number(text)
  }
  const [width, height] = [number('width'), number('height')]
  const floats = kind === 'F' || kind === 'f'
  const bits = kind === '1' || kind === '4'
  const most = bits ? 1 : number(floats ? 'scale' : 'white')
  const channels = kind === '3' || kind === '6' || kind === 'F' ? 3 : 1
  if (bytes[at] === 35) while (at < bytes.length && bytes[at] !== 10 && bytes[at] !== 13) at++
  const start = at + 1
  const header = { kind, width, height, channels, alpha: false, depth: 'float32' as const, start }
  if (floats) return { ...checked({ ...header, most: 1, littleEndian: most < 0 }), depth: 'float32' }
  return checked({ ...header, most, littleEndian: false })
}

function checked(header: Header): Header {
  const { width, height, channels, most } = header
  const whole = [width, height, channels].every(n => Number.isSafeInteger(n) && n > 0)
  if (!whole) throw new ImageError(`its Netpbm header gives ${width} x ${height} pixels of ${channels} channels`)
  if (!(Number.isSafeInteger(most) && most >= 1 && most <= 65_535))
    throw new ImageError(`its Netpbm header gives ${most} as its white, expected 1 to 65535`)
  return { ...header, depth: most > 255 ? 'uint16' : 'uint8' }
}

/** Lines of names and values up to ENDHDR. */
function readPam(bytes: Uint8Array): Header {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096)).indexOf('\nENDHDR\n')
  if (end < 0) throw new ImageError('its PAM header has no end (ENDHDR)')
  const lines = Buffer.from(bytes.subarray(3, end)).toString('latin1').split('\n')
  const values = new Map(lines.map(line => [line.split(/\s+/)[0]!, line.split(/\s+/).slice(1).join(' ')]))
  const number = (name: string) => Number(values.get(name) || Number.NaN)
  return checked({
    kind: '7',
    width: number('WIDTH'),
    height: number('HEIGHT'),
    channels: number('DEPTH'),
    most: number('MAXVAL'),
    alpha: /_ALPHA$/.test(values.get('TUPLTYPE') ?? ''),
    depth: 'uint8',
    start: end + 8,
    littleEndian: false,
  })
}

function readFloats(bytes: Uint8Array, { width, height, channels, start, littleEndian }: Header, data: Pixels): void {
  const row = width * channels
  if (start + 4 * row * height > bytes.length) throw cutOff()
  const view = new DataView(bytes.buffer, bytes.byteOffset + start)
  for (let y = 0, from = 0; y < height; y++)
    for (let i = 0; i < row; i++, from += 4) data[(height - 1 - y) * row + i] = view.getFloat32(from, littleEndian)
}

/** Each digit is a pixel, with or without blanks between them. */
function readDigits(bytes: Uint8Array, { start }: Header, data: Pixels): void {
  let to = 0
  for (let at = start - 1; at < bytes.length && to < data.length; at++)
    if (bytes[at] === 48 || bytes[at] === 49) data[to++] = bytes[at]! - 48
    else if (bytes[at] === 35) while (at < bytes.length && bytes[at] !== 10) at++
    else if (!blank(bytes[at]!)) throw new ImageError('its Netpbm data hold something else than 0 and 1')
  if (to < data.length) throw cutOff()
}

function readText(bytes: Uint8Array, { start, most }: Header, data: Pixels): void {
  let at = start - 1
  for (let i = 0; i < data.length; i++) {
    const { text, end } = word(bytes, at)
    if (text === '') throw cutOff()
    const value = Number(text)
    if (!/^\d+$/.test(text) || value > most)
      throw new ImageError(`its Netpbm data hold "${text}", expected whole numbers up to ${most}`)
    data[i] = value
    at = end
  }
}

function readBits(bytes: Uint8Array, { width, height, start }: Header, data: Pixels): void {
  const stride = Math.ceil(width / 8)
  if (start + stride * height > bytes.length) throw cutOff()
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) data[to++] = (bytes[start + y * stride + (x >> 3)]! >> (7 - (x & 7))) & 1
}

function readBytes(bytes: Uint8Array, { start, most }: Header, data: Pixels): void {
  const size = most > 255 ? 2 : 1
  if (start + size * data.length > bytes.length) throw cutOff()
  if (size === 1) data.set(bytes.subarray(start, start + data.length))
  else for (let i = 0, at = start; i < data.length; i++, at += 2) data[i] = (bytes[at]! << 8) | bytes[at + 1]!
}
