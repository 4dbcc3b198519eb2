import type { Pixels } from '../types.ts'
import type { TiffPage } from './tiff-tags.ts'

const byte = (value: number) => Math.min(255, Math.max(0, Math.round(value)))

/** Converts YCbCr of 8 bits to RGB (TIFF 6.0, section 21), in place: [height, width, 3]. */
export function fromYcbcr(data: Pixels, { ycbcr: { shares, range } }: Pick<TiffPage, 'ycbcr'>): void {
  const [red = 0.299, green = 0.587, blue = 0.114] = shares
  const [y0 = 0, y1 = 255, b0 = 128, b1 = 255, r0 = 128, r1 = 255] = range
  for (let i = 0; i < data.length; i += 3) {
    const y = ((data[i]! - y0) * 255) / (y1 - y0)
    const cb = ((data[i + 1]! - b0) * 127) / (b1 - b0)
    const cr = ((data[i + 2]! - r0) * 127) / (r1 - r0)
    const [r, b] = [y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)]
    data[i] = byte(r)
    data[i + 1] = byte((y - blue * b - red * r) / green)
    data[i + 2] = byte(b)
  }
}

/** Expands blocks of `across` x `down` brightnesses and two colours to YCbCr per pixel: [rows, width, 3]. */
export function spreadYcbcr(
  raw: Uint8Array,
  { width, rows, across, down }: { width: number; rows: number; across: number; down: number },
): Uint8Array {
  const out = new Uint8Array(width * rows * 3)
  const size = across * down + 2
  const perRow = Math.ceil(width / across)
  for (let y = 0, to = 0; y < rows; y++)
    for (let x = 0; x < width; x++, to += 3) {
      const block = (Math.floor(y / down) * perRow + Math.floor(x / across)) * size
      out[to] = raw[block + (y % down) * across + (x % across)]!
      out[to + 1] = raw[block + size - 2]!
      out[to + 2] = raw[block + size - 1]!
    }
  return out
}

/** Converts CIE L*a*b* under D50 to sRGB, in place: [height, width, 3] of 8 or 16 bits. `signed` is TIFF's CIELab,
 *  where a and b are two's complement; else they are offset by half of the range, as in a profile (ICCLab). */
export function fromLab(data: Pixels, { signed }: { signed: boolean }): void {
  const white = data instanceof Uint8Array ? 255 : 65_535
  const unit = white === 255 ? 1 : 256
  const top = white === 255 || signed ? white : 0xff00
  for (let i = 0; i < data.length; i += 3) {
    const axis = (value: number) =>
      signed ? (value > white / 2 ? value - white - 1 : value) / unit : (value - 128 * unit) / unit
    const rgb = labToSrgb((data[i]! * 100) / top, axis(data[i + 1]!), axis(data[i + 2]!))
    for (let c = 0; c < 3; c++) data[i + c] = Math.round(rgb[c]! * white)
  }
}

/** From XYZ under D50 to linear sRGB: Bradford's adaptation to D65 and sRGB's primaries together. */
const matrix = [
  [3.1338561, -1.6168667, -0.4906146],
  [-0.9787684, 1.9161415, 0.033454],
  [0.0719453, -0.2289914, 1.4052427],
] as const

function labToSrgb(lightness: number, a: number, b: number): number[] {
  const fy = (lightness + 16) / 116
  const from = (f: number) => (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29))
  const [x, y, z] = [0.9642 * from(fy + a / 500), from(fy), 0.8249 * from(fy - b / 200)]
  return matrix.map(row => {
    const linear = Math.min(1, Math.max(0, row[0] * x + row[1] * y + row[2] * z))
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055
  })
}

/** Converts CMYK (ink from 0 to the type's largest value) to RGB: (1 - ink) x (1 - black), as Pillow and browsers do
 *  without a profile. data: [height, width, bands], 4 or more; gives [height, width, 3] of the same type. */
export function fromCmyk(data: Pixels, bands: number): Pixels {
  const white = data instanceof Uint8Array ? 255 : 65_535
  const out = new (data.constructor as new (length: number) => Pixels)((data.length / bands) * 3)
  for (let from = 0, to = 0; from < data.length; from += bands)
    for (let c = 0; c < 3; c++) out[to++] = Math.round(((white - data[from + c]!) * (white - data[from + 3]!)) / white)
  return out
}
