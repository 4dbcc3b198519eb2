import type { ByteReader } from './format.ts'
import { flacFrames } from './length.ts'

const text = (bytes: Uint8Array, from: number, length = 4) =>
  String.fromCharCode(...bytes.subarray(from, from + length))

/** How many samples a whole recording has at least by its header, where the header says it: of FLAC, and of MP3 files with a
 *  Xing header. */
export function announcedFrames(reader: ByteReader, format: string): number | undefined {
  if (format === 'FLAC') return flacFrames(reader.read(21, 5))
  return format === 'MP3' ? xingFrames(reader) : undefined
}

/** The least samples by the Xing header in the first frame of an MP3 file: frames of 1,152 samples, or of 576 below 32 kHz. */
function xingFrames(reader: ByteReader): number | undefined {
  const tag = reader.read(0, 10).slice()
  // An ID3 tag says its length in four bytes of seven bits.
  const at = text(tag, 0, 3) === 'ID3' ? 10 + tag.subarray(6).reduce((sum, byte) => sum * 128 + (byte & 127), 0) : 0
  const frame = reader.read(at, 256)
  if (frame[0] !== 0xff || (frame[1]! & 0xe0) !== 0xe0) return undefined
  const mpeg1 = ((frame[1]! >> 3) & 3) === 3
  const mono = frame[3]! >> 6 === 3
  const head = 4 + (mpeg1 ? (mono ? 17 : 32) : mono ? 9 : 17)
  if (!/^(Xing|Info)$/.test(text(frame, head)) || !((frame[head + 7] ?? 0) & 1)) return undefined
  const flags = frame[head + 7]!
  const samples = new DataView(frame.buffer, frame.byteOffset).getUint32(head + 8) * (mpeg1 ? 1152 : 576)
  // What the encoder added at both ends, in the tag of LAME: two numbers of 12 bits. Decoders leave it out, some with 529 more.
  const lame = head + 8 + 4 + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0)
  if (!/^(LAME|Lavc|Lavf)/.test(text(frame, lame))) return Math.max(0, samples - 3000)
  const [x = 0, y = 0, z = 0] = frame.subarray(lame + 21)
  return Math.max(0, samples - ((x << 4) | (y >> 4)) - (((y & 15) << 8) | z) - 600)
}

/** The most bytes of a page of Ogg. */
const mostPage = 65_307

/** Whether the last page of an Ogg file is there whole; true for other formats. A page has its size in its header: the sum of its
 *  table of segments (RFC 3533). */
export function oggIsWhole(reader: ByteReader, format: string): boolean {
  if (format !== 'Ogg Vorbis' && format !== 'Opus') return true
  const from = Math.max(0, reader.size - mostPage)
  const end = reader.read(from, mostPage)
  for (let at = end.length - 4; at >= 0; at--) {
    if (text(end, at) !== 'OggS' || end[at + 4] !== 0) continue
    const segments = end[at + 26]
    if (segments === undefined || at + 27 + segments > end.length) return false
    const body = end.subarray(at + 27, at + 27 + segments).reduce((sum, size) => sum + size, 0)
    return at + 27 + segments + body <= end.length
  }
  return true
}
