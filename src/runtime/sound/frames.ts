import type { Peek, Promised } from './bytes-of.ts'

/** A frame of a stream without a container: its bytes, samples and rate, and what must be the same in all. */
interface Frame {
  length: number
  samples: number
  rate: number
  kind: number
}
type FrameAt = (file: Peek, at: number) => Frame | undefined

// biome-ignore format: tables
const kbits = {
  one3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  one2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  two: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}
const mpegRates = [44_100, 48_000, 32_000]
// biome-ignore format: a table
const aacRates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350]

/** A frame of MPEG audio, layers II and III (ISO 11172-3, 13818-3). Frames of free format do not say their length. */
const mpegFrame: FrameAt = (file, at) => {
  const [b, c] = [file.at(at + 1), file.at(at + 2)]
  const [version, layer] = [(b >> 3) & 3, (b >> 1) & 3]
  if (file.at(at) !== 0xff || (b & 0xe0) !== 0xe0 || version === 1 || layer === 0 || layer === 3) return undefined
  const [bits, rateCode] = [c >> 4, (c >> 2) & 3]
  if (bits === 0 || bits === 15 || rateCode === 3) return undefined
  const rate = mpegRates[rateCode]! / (version === 3 ? 1 : version === 2 ? 2 : 4)
  const table = version !== 3 ? kbits.two : layer === 1 ? kbits.one3 : kbits.one2
  const samples = version !== 3 && layer === 1 ? 576 : 1152
  const length = Math.floor((samples * 125 * table[bits]!) / rate) + ((c >> 1) & 1)
  return { length, samples, rate, kind: ((b & 0xfe) << 8) | (c & 0x0c) }
}

/** A frame that does not say its length. */
const mpegFree = (file: Peek, at: number) => (file.at(at + 1) & 0xe0) === 0xe0 && file.at(at + 2) >> 4 === 0

/** A frame of AAC with a header (ADTS, ISO 13818-7). */
const aacFrame: FrameAt = (file, at) => {
  const [b, c] = [file.at(at + 1), file.at(at + 2)]
  const rate = aacRates[(c >> 2) & 15]
  if (file.at(at) !== 0xff || (b & 0xf6) !== 0xf0 || rate === undefined) return undefined
  const length = (file.big(at + 3, 3) >> 5) & 0x1fff
  const samples = 1024 * ((file.at(at + 6) & 3) + 1)
  return length < 7 ? undefined : { length, samples, rate, kind: ((b & 0xfe) << 8) | (c & 0xfc) }
}

const amrBytes = [13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 1, 1]
const wideBytes = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1]

/** A frame of AMR of 20 ms (RFC 4867). */
const amrFrame =
  (wide: boolean): FrameAt =>
  (file, at) => {
    const length = at < file.size && (file.at(at) & 0x83) === 0 ? (wide ? wideBytes : amrBytes)[file.at(at) >> 3] : 0
    return length ? { length, samples: wide ? 320 : 160, rate: wide ? 16_000 : 8000, kind: 0 } : undefined
  }

/** The bytes of a tag that begins at a position: ID3 (both versions), APE, Lyrics3. 0: no tag. */
function tagLength(file: Peek, at: number): number {
  if (file.text(at, 3) === 'ID3') {
    const size = [6, 7, 8, 9].reduce((sum, i) => sum * 128 + (file.at(at + i) & 127), 0)
    return 10 + size + (file.at(at + 5) & 16 ? 10 : 0)
  }
  if (file.text(at, 8) === 'APETAGEX') return 32 + file.little(at + 12, 4)
  if (file.text(at, 11) === 'LYRICSBEGIN') return file.size - at
  return file.text(at, 3) === 'TAG' && at + 128 <= file.size ? 128 : 0
}

/** Zeros of at most so many bytes before the first and after the last frame are padding. */
const padding = 65_536

/** Walks over the frames of MP3, AAC and AMR. Where a frame does not follow the last one, it goes on at the next two that
 *  follow each other. */
export function walkFrames(file: Peek, name: string): Promised {
  const wide = file.text(0, 9) === '#!AMR-WB\n'
  const frameAt = name === 'MP3' ? mpegFrame : name === 'AAC' ? aacFrame : amrFrame(wide)
  let at = name === 'AMR' ? (wide ? 9 : 6) : 0
  for (let tag = tagLength(file, at); tag > 0; tag = tagLength(file, at)) at += tag
  const begin = at
  while (at < file.size && at - begin < padding && file.at(at) === 0) at++
  const found: Promised = { bytes: 0, lost: 0, cut: false, seconds: 0 }
  const first = frameAt(file, at)
  if (!first && name === 'MP3' && file.at(at) === 0xff && mpegFree(file, at))
    return { ...found, unread: 'it is an MP3 file of free format, which is not read; convert it to WAVE or FLAC' }
  const lose = (count: number) => {
    found.at ??= at
    found.lost += count
    found.bytes += count
    at += count
  }
  const announced = name === 'MP3' && first ? xingSeconds(file, at, first) : undefined
  let kind = first?.kind
  while (at < file.size) {
    const frame = frameAt(file, at)
    if (frame && frame.kind === (kind ?? frame.kind)) {
      kind = frame.kind
      if (at + frame.length > file.size) {
        // The last frame is cut off. It is decoded by none.
        found.cut = true
        found.bytes += file.size - at
        break
      }
      found.seconds! += frame.samples / frame.rate
      found.bytes += frame.length
      at += frame.length
      continue
    }
    const tag = tagLength(file, at)
    if (tag > 0) {
      at += tag
      continue
    }
    const next = nextFrame(file, at + 1, { frameAt, kind })
    if (next === file.size && isPadding(file, at)) break
    lose(next - at)
  }
  if (announced !== undefined) found.seconds! -= first!.samples / first!.rate // the frame of the header is silent
  return { ...found, announced }
}

/** Where two frames follow each other, from a position on, or a tag begins; else the end. */
function nextFrame(
  file: Peek,
  from: number,
  { frameAt, kind }: { frameAt: FrameAt; kind: number | undefined },
): number {
  for (let at = from; at < file.size; at++) {
    const frame = frameAt(file, at)
    if (frame && frame.kind === (kind ?? frame.kind)) {
      const end = at + frame.length
      if (end >= file.size || frameAt(file, end)?.kind === frame.kind) return at
    }
    if (at === file.size - 128 && file.text(at, 3) === 'TAG') return at
    if (file.at(at) === 0x41 && file.text(at, 8) === 'APETAGEX') return at
  }
  return file.size
}

/** Whether only zeros follow, and few of them. */
function isPadding(file: Peek, from: number): boolean {
  if (file.size - from > padding) return false
  for (let at = from; at < file.size; at++) if (file.at(at) !== 0) return false
  return true
}

/** The seconds by the Xing header in the first frame of an MP3 file. */
function xingSeconds(file: Peek, at: number, { samples, rate }: Frame): number | undefined {
  const mpeg1 = ((file.at(at + 1) >> 3) & 3) === 3
  const mono = file.at(at + 3) >> 6 === 3
  const head = at + 4 + (mpeg1 ? (mono ? 17 : 32) : mono ? 9 : 17)
  if (!/^(Xing|Info)$/.test(file.text(head)) || !(file.at(head + 7) & 1)) return undefined
  return (file.big(head + 8, 4) * samples) / rate
}
