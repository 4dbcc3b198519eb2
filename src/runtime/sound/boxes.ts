import type { Peek, Promised } from './bytes-of.ts'
import { flacFrames } from './length.ts'

const whole = (file: Peek): Promised => ({ bytes: file.size, lost: 0, cut: false })
/** What ends after the end of the file. */
const ending = (file: Peek, end: number): Promised =>
  end > file.size ? { ...whole(file), cut: true, missing: end - file.size } : whole(file)

/** MPEG-4: boxes that follow each other, and the duration of the track of sound (ISO 14496-12). */
export function walkBoxes(file: Peek): Promised {
  let [at, ticks, scale, usual] = [0, 0, 0, 0]
  let announced: number | undefined
  while (at + 8 <= file.size) {
    const small = file.big(at, 4)
    const length = small === 1 ? file.big(at + 8, 8) : small === 0 ? file.size - at : small
    if (length < 8 || !/^[\x20-\x7e©]{4}$/.test(file.text(at + 4))) {
      const lost = file.size - at
      return { ...whole(file), lost, at, announced }
    }
    if (file.text(at + 4) === 'moov') announced = trackSeconds(file, at + 8, Math.min(file.size, at + length))
    if (file.text(at + 4) === 'moov') {
      const [mdhd, trex] = [inside(file, at, 'trak mdia mdhd'.split(' ')), inside(file, at, ['mvex', 'trex'])]
      scale = mdhd ? file.big(mdhd + (file.at(mdhd + 8) === 1 ? 28 : 20), 4) : 0
      usual = trex ? file.big(trex + 20, 4) : 0
    }
    if (file.text(at + 4) === 'moof') ticks += ticksIn(file, at, usual)
    if (at + length > file.size) return { ...ending(file, at + length), announced }
    at += length
  }
  return { ...whole(file), announced: ticks > 0 && scale > 0 ? ticks / scale : announced }
}

/** Where a box inside the box at a position begins, by the names on the way to it; undefined if there is none. */
function inside(file: Peek, box: number, [name, ...rest]: readonly string[]): number | undefined {
  const end = Math.min(file.size, box + file.big(box, 4))
  for (let at = box + 8; at + 8 <= end && file.big(at, 4) >= 8; at += file.big(at, 4))
    if (file.text(at + 4) === name) return rest.length > 0 ? inside(file, at, rest) : at
  return undefined
}

/** The duration of the samples of the fragment at a position. `usual`: of one sample, where the fragment does not say it. */
function ticksIn(file: Peek, moof: number, usual: number): number {
  const [tfhd, trun] = [inside(file, moof, ['traf', 'tfhd']), inside(file, moof, ['traf', 'trun'])]
  if (tfhd === undefined || trun === undefined) return 0
  const bits = file.big(tfhd + 9, 3)
  const each = bits & 8 ? file.big(tfhd + 16 + (bits & 1 ? 8 : 0) + (bits & 2 ? 4 : 0), 4) : usual
  const flags = file.big(trun + 9, 3)
  const count = Math.min(file.big(trun + 12, 4), file.size)
  if (!(flags & 0x100)) return count * each
  const width = 4 * [0x100, 0x200, 0x400, 0x800].filter(bit => flags & bit).length
  const first = trun + 16 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0)
  let sum = 0
  for (let i = 0; i < count && first + i * width < file.size; i++) sum += file.big(first + i * width, 4)
  return sum
}

/** The duration of the first track of sound between two positions: `mdhd` of the `trak` whose `hdlr` says `soun`, or what its
 *  edit list plays, if that is shorter. */
function trackSeconds(file: Peek, from: number, to: number): number | undefined {
  let [movie, media, edited, found]: (number | undefined)[] = []
  const walk = (begin: number, end: number) => {
    for (let at = begin; at + 8 <= end; ) {
      const length = file.big(at, 4)
      if (length < 8) return
      const name = file.text(at + 4)
      const wide = file.at(at + 8) === 1
      if (name === 'mvhd') movie = file.big(at + (wide ? 28 : 20), 4)
      else if (name === 'mdhd') {
        const duration = wide ? file.big(at + 32, 8) : file.big(at + 24, 4)
        media = duration < 0xffff_ffff ? duration / file.big(at + (wide ? 28 : 20), 4) : undefined
      } else if (name === 'elst') edited = editedTicks(file, at, wide)
      else if (name === 'hdlr' && file.text(at + 16) === 'soun' && found === undefined && media)
        found = Math.min(media, edited && movie ? edited / movie : media)
      else if (name === 'trak') {
        media = edited = undefined
        walk(at + 8, Math.min(end, at + length))
      } else if (name === 'mdia' || name === 'edts') walk(at + 8, Math.min(end, at + length))
      at += length
    }
  }
  walk(from, to)
  return found
}

/** What an edit list plays, in units of the film: the entries that are not empty. */
function editedTicks(file: Peek, at: number, wide: boolean): number {
  let sum = 0
  const entries = Math.min(file.big(at + 12, 4), file.big(at, 4) / 12) // a damaged list may count millions
  for (let i = 0; i < entries; i++) {
    const entry = at + 16 + i * (wide ? 20 : 12)
    const empty = file.big(entry + (wide ? 8 : 4), 4) === 0xffff_ffff
    if (!empty) sum += file.big(entry, wide ? 8 : 4)
  }
  return sum
}

/** AIFF: the chunks of FORM, and the samples that COMM counts. */
export function walkAiff(file: Peek): Promised {
  let announced: number | undefined
  for (let at = 12; at + 8 <= file.size; ) {
    const length = file.big(at + 4, 4)
    if (file.text(at) === 'COMM') {
      // The rate is a float of 80 bits: its exponent, and 32 bits of its mantissa are enough.
      const rate = file.big(at + 18, 4) * 2 ** ((file.big(at + 16, 2) & 0x7fff) - 16_383 - 31)
      announced = rate > 0 ? file.big(at + 10, 4) / rate : undefined
    }
    if (at + 8 + length > file.size + 1) return { ...ending(file, at + 8 + length), announced }
    at += 8 + length + (length & 1)
  }
  return { ...whole(file), announced }
}

/** Apple's CAF: its chunks; the one of samples may be open. */
export function walkCaf(file: Peek): Promised {
  for (let at = 8; at + 12 <= file.size; ) {
    const length = file.big(at + 4, 8)
    if (length >= 2 ** 63) return whole(file)
    if (at + 12 + length > file.size) return ending(file, at + 12 + length)
    at += 12 + length
  }
  return whole(file)
}

/** Windows Media: the objects of a file, and the duration among its properties, in units of 100 ns with the time that is
 *  loaded before (ASF 3.2). */
export function walkAsf(file: Peek): Promised {
  let announced: number | undefined
  for (let at = 0; at + 24 <= file.size; ) {
    const length = file.little(at + 16, 8)
    if (length < 24) return { ...whole(file), lost: file.size - at, at, announced }
    if (file.big(at, 4) === 0xa1dc_ab8c) announced = file.little(at + 64, 8) / 1e7 - file.little(at + 80, 8) / 1e3
    const inside = at === 0 ? 30 : length // the first object holds others
    if (at + length > file.size) return { ...ending(file, at + length), announced }
    at += inside
  }
  return { ...whole(file), announced }
}

/** Elements that are entered, and those that may follow each other in a WebM file (RFC 8794, 9559). */
const entered = new Set([0x1853_8067, 0x1f43_b675, 0x1549_a966])
const known = new Set([
  ...entered,
  ...[0x1a45_dfa3, 0x114d_9b74, 0x1654_ae6b, 0x1c53_bb6b, 0x1254_c367, 0x1043_a770, 0x1941_a469],
  ...[
    0xec, 0xbf, 0xe7, 0xa3, 0xa0, 0xab, 0xa7, 0x5854, 0xaf, 0x2ad7_b1, 0x4489, 0x4d80, 0x5741, 0x4461, 0x7ba9, 0x73a4,
  ],
])

/** WebM: elements that follow each other; after a damaged place it goes on at the next cluster. */
export function walkWebm(file: Peek): Promised {
  const found = whole(file)
  let [at, scale, ticks] = [0, 1e6, 0]
  while (at < file.size) {
    const id = variable(file, at, false)
    const size = variable(file, at + id.length, true)
    const body = at + id.length + size.length
    if (known.has(id.value)) {
      if (id.value === 0x2ad7_b1) scale = file.big(body, size.value)
      if (id.value === 0x4489) ticks = float(file, body, size.value)
      if (entered.has(id.value)) at = body
      else if (body + size.value > file.size) {
        found.missing = body + size.value - file.size
        found.cut = true
        break
      } else at = body + size.value
      continue
    }
    let next = at + 1
    while (next < file.size && !(file.at(next) === 0x1f && file.big(next, 4) === 0x1f43_b675)) next++
    found.at ??= at
    found.lost += next - at
    at = next
  }
  return { ...found, announced: ticks > 0 ? (ticks * scale) / 1e9 : undefined }
}

function float(file: Peek, at: number, length: number): number {
  const view = new DataView(file.bytes(at, length).slice().buffer)
  return length === 8 ? view.getFloat64(0) : length === 4 ? view.getFloat32(0) : 0
}

/** A number of EBML: its first byte says how long it is. */
function variable(file: Peek, at: number, masked: boolean): { value: number; length: number } {
  const length = Math.clz32(file.at(at)) - 23
  if (length > 8) return { value: -1, length: 1 }
  // Eight bytes do not fit exactly with their mark in them.
  const first = masked ? file.at(at) & (0xff >> length) : file.at(at)
  return { value: first * 256 ** (length - 1) + file.big(at + 1, length - 1), length }
}

/** FLAC: the samples that its header announces, else those before the end of the last frame header that is whole. */
export function walkFlac(file: Peek): Promised {
  const rate = (file.at(18) << 12) | (file.at(19) << 4) | (file.at(20) >> 4)
  const total = flacFrames(file.bytes(21, 5))
  if (total !== undefined && rate > 0) return { ...whole(file), announced: total / rate }
  let samples = 0
  for (let at = 4; at + 16 < file.size; at++) {
    if (file.at(at) !== 0xff || (file.at(at + 1) & 0xfe) !== 0xf8) continue
    samples = Math.max(samples, flacEnd(file, at) ?? 0)
  }
  return { ...whole(file), announced: rate > 0 && samples > 0 ? samples / rate : undefined }
}

/** Where the frame of FLAC ends that begins at a position, in samples; undefined if its header is none (CRC-8, RFC 9639). */
function flacEnd(file: Peek, at: number): number | undefined {
  const code = file.at(at + 2) >> 4
  let end = at + 4
  const lead = file.at(end)
  const more = lead < 0x80 ? 0 : Math.clz32(~(lead << 24)) - 1
  if (more < 0 || more > 6 || (lead & 0xc0) === 0x80) return undefined
  let number = more === 0 ? lead : lead & (0x3f >> more)
  for (let i = 1; i <= more; i++) number = number * 64 + (file.at(end + i) & 63)
  end += 1 + more
  const count = code === 6 ? file.at(end) + 1 : code === 7 ? file.big(end, 2) + 1 : code === 1 ? 192 : undefined
  const block = count ?? (code < 6 ? 576 * 2 ** (code - 2) : 256 * 2 ** (code - 8))
  end += code === 6 ? 1 : code === 7 ? 2 : 0
  const rate = file.at(at + 2) & 15
  end += rate === 12 ? 1 : rate === 13 || rate === 14 ? 2 : 0
  let crc = 0
  for (let i = at; i < end; i++) {
    crc ^= file.at(i)
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 7) & 255 : (crc << 1) & 255
  }
  if (code === 0 || crc !== file.at(end)) return undefined
  return (file.at(at + 1) & 1 ? number : number * file.big(8, 2)) + block
}
