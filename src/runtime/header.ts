import { RunError } from './errors.ts'
import { type Format, latin1 } from './format.ts'

/** What the header of a picture file says. */
export interface Header {
  format: Format
  /** As stored, before it is turned upright. */
  width: number
  height: number
  /** Of EXIF, 1 to 8: how the stored picture is turned upright. Of AVIF always 1, as a decoder does it. */
  orientation: number
  /** How many channels it has, as far as the header says: grey 1, colour 3, with alpha or CMYK 4. */
  channels?: number
  /** Whether pixels can be transparent (GIF alone). */
  transparent?: boolean
  /** Where a file stores its orientation: a number of 16 bits, little-endian or not. */
  orientationAt?: { at: number; little: boolean }
}

const cut = (format: Format) =>
  new RunError('picture', `its ${format} data are cut off or corrupt (no size in its header)`)

/** Reads the header of a picture file, without its pixels. Throws a RunError where it has no size. */
export function readHeader(bytes: Uint8Array, format: Format): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header: Header = { format, width: 0, height: 0, orientation: 1 }
  try {
    readers[format]?.(bytes, view, header)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error // a read behind the end
  }
  if (!(header.width > 0 && header.height > 0)) throw cut(format)
  return header
}

type Reader = (bytes: Uint8Array, view: DataView, header: Header) => void

const readers: Partial<Record<Format, Reader>> = {
  JPEG(bytes, view, header) {
    for (let at = 2; at + 4 <= bytes.length; ) {
      if (bytes[at] !== 0xff) {
        at++ // bytes between two segments
        continue
      }
      const marker = bytes[at + 1]!
      if (marker === 0xff) at++
      else if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) at += 2
      else if (marker === 0xd9 || marker === 0xda) return
      else {
        const body = at + 4
        if (marker === 0xe1 && latin1(bytes, body, body + 6) === 'Exif\0\0') readExif(view, body + 6, header)
        if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
          header.height = view.getUint16(body + 1)
          header.width = view.getUint16(body + 3)
          header.channels = view.getUint8(body + 5)
        }
        at += 2 + view.getUint16(at + 2)
      }
    }
  },
  PNG(bytes, view, header) {
    header.width = view.getUint32(16)
    header.height = view.getUint32(20)
    for (let at = 33; at + 12 <= bytes.length; at += 12 + view.getUint32(at))
      if (latin1(bytes, at + 4, at + 8) === 'eXIf') readExif(view, at + 8, header)
  },
  GIF(bytes, view, header) {
    header.width = view.getUint16(6, true)
    header.height = view.getUint16(8, true)
    header.transparent = false
    const colours = (flags: number) => (flags & 128 ? 3 << ((flags & 7) + 1) : 0)
    for (let at = 13 + colours(bytes[10]!); at < bytes.length; ) {
      const kind = bytes[at]
      if (kind === 0x21 && bytes[at + 1] === 0xf9 && bytes[at + 3]! & 1) header.transparent = true
      if (kind === 0x21) at += 2
      else if (kind === 0x2c) at += 11 + colours(bytes[at + 9]!)
      else return
      for (; bytes[at]; at += bytes[at]! + 1); // blocks of data
      at++
    }
  },
  WebP(bytes, view, header) {
    for (let at = 12; at + 8 <= bytes.length; ) {
      const [kind, body, length] = [latin1(bytes, at, at + 4), at + 8, view.getUint32(at + 4, true)]
      if (kind === 'VP8X') {
        header.channels = bytes[body]! & 16 ? 4 : 3
        header.width = 1 + (view.getUint32(body + 3, true) >>> 8)
        header.height = 1 + (view.getUint32(body + 6, true) >>> 8)
      } else if (kind === 'EXIF') readExif(view, latin1(bytes, body, body + 6) === 'Exif\0\0' ? body + 6 : body, header)
      else if (header.width === 0 && kind === 'VP8 ') {
        header.channels = 3
        header.width = view.getUint16(body + 6, true) & 0x3fff
        header.height = view.getUint16(body + 8, true) & 0x3fff
      } else if (header.width === 0 && kind === 'VP8L') {
        const bits = view.getUint32(body + 1, true)
        header.channels = bits & (1 << 28) ? 4 : 3
        header.width = 1 + (bits & 0x3fff)
        header.height = 1 + ((bits >>> 14) & 0x3fff)
      }
      at = body + length + (length % 2)
    }
  },
  AVIF(bytes, view, header) {
    // Boxes `ispe` hold the sizes of the picture and of its parts.
    const to = Math.min(bytes.length - 16, 65536)
    for (let at = 0; at < to; at++)
      if (view.getUint32(at) === 0x69737065) {
        header.width = Math.max(header.width, view.getUint32(at + 8))
        header.height = Math.max(header.height, view.getUint32(at + 12))
      }
  },
}

/** Finds the tag Orientation (0x0112) in the first directory of EXIF data. */
function readExif(view: DataView, start: number, header: Header): void {
  try {
    const little = view.getUint16(start) === 0x4949
    const directory = start + view.getUint32(start + 4, little)
    for (let i = 0; i < view.getUint16(directory, little); i++) {
      const entry = directory + 2 + 12 * i
      if (view.getUint16(entry, little) !== 0x112) continue
      const value = view.getUint16(entry + 8, little)
      if (value >= 1 && value <= 8) header.orientation = value
      header.orientationAt = { at: entry + 8, little }
    }
  } catch {
    // EXIF data that are cut off: upright, as in training
  }
}
