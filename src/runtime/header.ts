import { RunError } from './errors.ts'
import { type Header, type Reader, readExif } from './exif.ts'
import { type Format, latin1 } from './format.ts'

/** Reads the header of a picture file, without its pixels. Throws a RunError where it has no size. */
export async function readHeader(bytes: Uint8Array, format: Format): Promise<Header> {
  const reader = format === 'JPEG' ? ofJpeg : (await import('./headers.ts')).readers[format]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header: Header = { format, width: 0, height: 0, orientation: 1 }
  try {
    reader?.(bytes, view, header)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error // a read behind the end
  }
  if (!(header.width > 0 && header.height > 0))
    throw new RunError('picture', `its ${format} data are cut off or corrupt (no size in its header)`)
  return header
}

const ofJpeg: Reader = (bytes, view, header) => {
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
      if (marker === 0xe2 && latin1(bytes, body, body + 11) === 'ICC_PROFILE') header.profile = true
      if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
        header.height = view.getUint16(body + 1)
        header.width = view.getUint16(body + 3)
        header.channels = view.getUint8(body + 5)
      }
      at += 2 + view.getUint16(at + 2)
    }
  }
}
