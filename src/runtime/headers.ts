import { type Reader, readExif } from './exif.ts'
import { type Format, latin1 } from './format.ts'

/** Readers of headers, but for those of JPEG, which come most often. */
export const readers: Partial<Record<Format, Reader>> = {
  PNG(bytes, view, header) {
    header.width = view.getUint32(16)
    header.height = view.getUint32(20)
    // EXIF data behind the pixels are not read, as in training.
    for (let at = 33; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
      const kind = latin1(bytes, at + 4, at + 8)
      if (kind === 'eXIf') readExif(view, at + 8, header)
      if (kind === 'IDAT') return
    }
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
