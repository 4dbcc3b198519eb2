import * as zlib from 'node:zlib'

/** CRC-32 (ISO 3309) of `data`, continued from `crc`. Uses Node's function if there is one (from 20.15), else a
 *  table. */
export const crc32: (data: Uint8Array, crc?: number) => number = 'crc32' in zlib ? zlib.crc32 : crc32Table

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

/** The same, always with the table. */
export function crc32Table(data: Uint8Array, crc = 0): number {
  let c = ~crc
  for (let i = 0; i < data.length; i++) c = table[(c ^ data[i]!) & 255]! ^ (c >>> 8)
  return ~c >>> 0
}
