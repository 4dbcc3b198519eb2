import zlib from 'node:zlib'

/** CRC-32 of zip and zlib (polynomial 0xedb88320) as an unsigned number. Node has its own from 20.15 on. */
export const crc32: (data: Uint8Array) => number = zlib.crc32 ?? crc32ByTable

/** The same by a table of 256 words, for Node 20.11 to 20.14. */
export function crc32ByTable(data: Uint8Array): number {
  let crc = -1
  for (let i = 0; i < data.length; i++) crc = table[(crc ^ data[i]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** A checksum as people compare it: eight hexadecimal digits. */
export const hex32 = (crc: number): string => crc.toString(16).padStart(8, '0')
