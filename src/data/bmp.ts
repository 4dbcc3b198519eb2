import { AnnealError } from '../base/errors.ts'
import { checkPixels } from './limits.ts'
import type { Picture } from './types.ts'

/** Decodes an uncompressed Windows bitmap of 1, 4, 8, 24 or 32 bits a pixel to RGB (libvips reads none). */
export function decodeBmp(bytes: Uint8Array, limit: number): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 54 || view.getUint32(14, true) < 40) throw new AnnealError('its BMP header is cut off or of OS/2')
  const start = view.getUint32(10, true)
  const header = view.getUint32(14, true)
  const width = view.getInt32(18, true)
  const signedHeight = view.getInt32(22, true)
  const height = Math.abs(signedHeight)
  const depth = view.getUint16(28, true)
  const compression = view.getUint32(30, true)
  if (width <= 0 || height === 0) throw new AnnealError(`its BMP header gives ${width} x ${height} pixels`)
  checkPixels(width, height, limit)
  // 3 is "bit fields": for 32 bits in practice the same blue, green, red order.
  if (![1, 4, 8, 24, 32].includes(depth) || !(compression === 0 || (compression === 3 && depth === 32)))
    throw new AnnealError(`BMP with ${depth} bits and compression ${compression} is not supported; convert to PNG`)
  const stride = Math.ceil((width * depth) / 32) * 4
  if (start + stride * height > bytes.length) throw new AnnealError('its BMP data are cut off')
  const palette = 14 + header
  const data = new Uint8Array(width * height * 3)
  for (let y = 0, to = 0; y < height; y++) {
    const row = start + stride * (signedHeight > 0 ? height - 1 - y : y)
    for (let x = 0; x < width; x++, to += 3) {
      let from = row + (x * depth) / 8
      if (depth <= 8) {
        const bit = x * depth
        const index = (bytes[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)
        from = palette + 4 * index
      }
      data[to] = bytes[from + 2]!
      data[to + 1] = bytes[from + 1]!
      data[to + 2] = bytes[from]!
    }
  }
  return { data, height, width }
}
