import type { Peek, Promised } from './bytes-of.ts'

/** The checksum of Ogg: CRC-32 by 0x04c11db7, not reflected (RFC 3533). */
const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i << 24
  for (let bit = 0; bit < 8; bit++) value = value & 0x8000_0000 ? (value << 1) ^ 0x04c1_1db7 : value << 1
  return value >>> 0
})

/** Bytes of a page's header before its table of segments. */
const head = 27

/** The bytes of the page at a position; negative: so many as it should have, but the file ends before; 0: none begins there,
 *  or its checksum is wrong. */
function pageLength(file: Peek, at: number): number {
  if (file.at(at) !== 0x4f || file.text(at) !== 'OggS' || file.at(at + 4) !== 0) return 0
  const segments = file.at(at + 26)
  let length = head + segments
  for (let i = 0; i < segments; i++) length += file.at(at + head + i)
  if (at + length > file.size) return -length
  let crc = 0
  const bytes = file.bytes(at, length)
  for (let i = 0; i < length; i++)
    crc = ((crc << 8) ^ crcTable[((crc >>> 24) & 255) ^ (i >= 22 && i < 26 ? 0 : bytes[i]!)]!) >>> 0
  return crc === file.little(at + 22, 4) ? length : 0
}

/** Walks over the pages of an Ogg file: their checksums and numbers, and the position in the sound of the last one. */
export function walkPages(file: Peek, name: string): Promised {
  const found: Promised = { bytes: 0, lost: 0, cut: false }
  const rate = name === 'Opus' ? 48_000 : file.little(40, 4)
  const numbers = new Map<number, number>()
  let [at, pages, last] = [0, 0, 0]
  let from: number | undefined
  const lose = (count: number) => {
    found.at ??= at
    found.lost += count
  }
  while (at < file.size) {
    const length = pageLength(file, at)
    if (length < 0) found.cut = true
    if (length <= 0) {
      let next = at + 1
      while (next < file.size && !(file.at(next) === 0x4f && file.text(next) === 'OggS')) next++
      lose(next - at)
      found.bytes += next - at
      at = next
      continue
    }
    const [serial, number] = [file.little(at + 14, 4), file.little(at + 18, 4)]
    const expected = numbers.get(serial)
    // A page that is not there, at the mean size of those before.
    if (expected !== undefined && number > expected) lose(((number - expected) * found.bytes) / Math.max(1, pages))
    numbers.set(serial, number + 1)
    const position = file.little(at + 6, 8)
    if (position < 2 ** 53) {
      last = position
      if (position > 0) from ??= position
    }
    found.bytes += length
    pages++
    at += length
  }
  // A recording that was cut out of a stream begins at any position: then the position does not say how long it is.
  const one = numbers.size === 1 && from !== undefined && from < 3 * rate
  return { ...found, seconds: one && rate > 0 ? last / rate : undefined }
}
