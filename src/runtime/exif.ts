import type { Format } from './format.ts'

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
  /** Whether it has a colour profile (JPEG alone). */
  profile?: boolean
  /** Whether pixels can be transparent (GIF alone). */
  transparent?: boolean
  /** Where a file stores its orientation: a number of 16 bits, little-endian or not. */
  orientationAt?: { at: number; little: boolean }
}

/** Reads a header, and sets what it says. */
export type Reader = (bytes: Uint8Array, view: DataView, header: Header) => void

/** Finds the tag Orientation (0x0112) in the first directory of EXIF data. */
export function readExif(view: DataView, start: number, header: Header): void {
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
