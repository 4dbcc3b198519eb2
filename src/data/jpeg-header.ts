/** What the header of a JPEG says. */
export interface JpegHeader {
  /** As the pixels lie in the file. */
  width: number
  height: number
  /** By EXIF: 1 as it lies, 2 to 8 turned or mirrored. */
  orientation: number
}

/** Reads the header of a baseline JPEG; `undefined` where it is none, or says anything twice. */
export function jpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let orientation: number | undefined
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++ // fill byte
      continue
    }
    const length = view.getUint16(at + 2)
    if (marker === 0xc0 || marker === 0xc1)
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), orientation: orientation ?? 1 }
    if (marker < 0xc4 || (marker >= 0xd0 && marker <= 0xda)) return undefined
    if (marker === 0xe1 && isExif(bytes, at + 4)) {
      if (orientation !== undefined) return undefined
      orientation = exifOrientation(bytes.subarray(at + 10, at + 2 + length))
      if (orientation === undefined) return undefined
    }
    at += 2 + length
  }
  return undefined
}

const isExif = (bytes: Uint8Array, at: number) =>
  [0x45, 0x78, 0x69, 0x66, 0, 0].every((byte, i) => bytes[at + i] === byte) // "Exif" and two zeros

/** Tag 0x0112 of the first directory; 1 where it is not there, `undefined` where the directory can't be read. */
function exifOrientation(tiff: Uint8Array): number | undefined {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength)
  if (tiff.length < 14) return undefined
  const order = view.getUint16(0)
  const little = order === 0x4949
  if ((!little && order !== 0x4d4d) || view.getUint16(2, little) !== 42) return undefined
  const at = view.getUint32(4, little)
  if (at + 2 > tiff.length) return undefined
  const entries = view.getUint16(at, little)
  if (at + 2 + 12 * entries > tiff.length) return undefined
  for (let entry = at + 2, i = 0; i < entries; i++, entry += 12)
    if (view.getUint16(entry, little) === 0x0112) {
      const value = view.getUint16(entry + 8, little)
      const short = view.getUint16(entry + 2, little) === 3 && view.getUint32(entry + 4, little) === 1
      return short ? (value >= 1 && value <= 8 ? value : 1) : undefined
    }
  return 1
}
