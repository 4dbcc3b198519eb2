/** The rate in the header of a compressed recording, in Hz; 48,000, which encoders have most often, where it is not found.
 *  Sources: xiph.org (FLAC, Vorbis), ISO 11172-3, 13818-3 (MP3), 13818-7 (ADTS) and 14496-12 (MPEG-4). */
export function ownRate(bytes: Uint8Array, format: string): number {
  const rate = readers[format]?.(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) ?? 0
  return rate >= 8000 && rate <= 96_000 ? rate : 48_000 // what every browser takes
}

const mpegRates = [44_100, 48_000, 32_000]
const aacRates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000]

const readers: Record<string, (bytes: Uint8Array, view: DataView) => number | undefined> = {
  FLAC: bytes => ((bytes[18]! << 12) | (bytes[19]! << 4) | (bytes[20]! >> 4)) >>> 0,
  'Ogg Vorbis': (_, view) => (view.byteLength > 44 ? view.getUint32(40, true) : undefined),
  MP3(bytes) {
    let at = 0
    // An ID3 tag says its length in four bytes of seven bits.
    if (bytes[0] === 0x49) at = 10 + bytes.subarray(6, 10).reduce((sum, byte) => sum * 128 + (byte & 127), 0)
    for (const end = Math.min(bytes.length - 4, at + 65_536); at < end; at++) {
      if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xe0) !== 0xe0) continue
      const [version, layer] = [(bytes[at + 1]! >> 3) & 3, (bytes[at + 1]! >> 1) & 3]
      const rate = mpegRates[(bytes[at + 2]! >> 2) & 3]
      if (version === 1 || layer === 0 || rate === undefined || bytes[at + 2]! >> 4 === 15) continue
      return version === 3 ? rate : version === 2 ? rate / 2 : rate / 4
    }
    return undefined
  },
  AAC: bytes => aacRates[(bytes[2]! >> 2) & 15],
  'MPEG-4'(bytes, view) {
    // The entry `mp4a` of the sample description: its rate is a fixed-point number of 16 and 16 bits.
    for (let at = 0; at + 32 < bytes.length; at++) if (view.getUint32(at) === 0x6d703461) return view.getUint16(at + 28)
    return undefined
  },
}
