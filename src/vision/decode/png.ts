import { crc32 } from '../../base/crc32.ts'

/** The fault in the chunks of a PNG file, in words, since libpng calls all of them "read error". The end of the file
 *  may be missing if all pixels are there; libvips checks that. */
export function pngFault(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [at, data] = [8, false]
  while (at + 12 <= bytes.length) {
    const length = view.getUint32(at)
    const kind = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1')
    if (!/^[A-Za-z]{4}$/.test(kind))
      return `its PNG data are corrupt: byte ${at + 4} should be the name of a chunk and is none`
    if (kind === 'IEND') return data ? undefined : 'its PNG file holds no pixels'
    const end = at + 8 + length
    if (end + 4 > bytes.length) return 'its PNG data are cut off'
    const critical = kind[0]! < 'a' // libpng skips the others if they are damaged
    if (critical && crc32(bytes.subarray(at + 4, end)) >>> 0 !== view.getUint32(end))
      return `its PNG data are corrupt: the checksum of ${kind} does not match`
    if (kind === 'IDAT') data = true
    at = end + 4
  }
  return data && at === bytes.length ? undefined : 'its PNG data are cut off'
}
