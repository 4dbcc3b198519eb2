import { DataError } from '../../base/errors.ts'
import type { ByteReader, Opened } from './format.ts'

/** The sample formats of WAVE by their number (`wFormatTag`); others are compressed, and are named in the error. */
const [pcm, float, aLaw, muLaw, extensible] = [1, 3, 6, 7, 0xfffe]
const packed: Record<number, string> = {
  2: 'Microsoft ADPCM',
  17: 'IMA ADPCM',
  49: 'GSM 6.10',
  80: 'MPEG',
  85: 'MP3',
  353: 'Windows Media',
}

/** Programs that write to a pipe can't know the length, and write one of at least this many bytes. */
const unknownLength = 0x7fff_f000

/** The bytes that are read and converted at a time. */
const step = 1 << 20

const text = (bytes: Uint8Array, from: number, length = 4) =>
  String.fromCharCode(...bytes.subarray(from, from + length))
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength)

/** Whether the first bytes are those of a WAVE file: RIFF, or RF64 and BW64 for more than 4 GB. */
export const isWav = (head: Uint8Array): boolean =>
  head.length >= 12 && /^(RIFF|RF64|BW64)$/.test(text(head, 0)) && text(head, 8) === 'WAVE'

interface Format {
  tag: number
  channels: number
  rate: number
  bits: number
}

/** Opens a WAVE file: 8, 16, 24 or 32 bits, floats of 32 or 64, A-law, µ-law, plain or WAVE_FORMAT_EXTENSIBLE. Its
 *  samples are read in pieces of a megabyte. Integers become v / 2^(bits - 1), exactly. Throws for other formats, and
 *  for a file that is cut off. Source: Microsoft's "Multimedia Data Standards" (1994), ITU-T G.711, EBU Tech 3306. */
export function openWav(reader: ByteReader): Opened {
  let [format, large]: [Format | undefined, number | undefined] = [undefined, undefined]
  for (let at = 12; at + 8 <= reader.size; ) {
    const head = reader.read(at, 8)
    const [id, size] = [text(head, 0), viewOf(head).getUint32(4, true)]
    if (id === 'ds64') large = Number(viewOf(reader.read(at + 16, 8)).getBigUint64(0, true))
    else if (id === 'fmt ') format = formatOf(reader.read(at + 8, Math.min(size, 40)))
    else if (id === 'data') {
      if (!format)
        throw new DataError(
          'it has samples before it says what they are (no "fmt " chunk before "data"); it is damaged',
        )
      return samplesOf(reader, format, { from: at + 8, size: size === 0xffff_ffff && large ? large : size })
    }
    at += 8 + size + (size & 1)
  }
  throw new DataError(
    format
      ? 'it has a header and no samples (no "data" chunk); it was cut off, or nothing was recorded'
      : 'it is a WAVE file without a "fmt " chunk; it is damaged',
  )
}

function formatOf(bytes: Uint8Array): Format {
  if (bytes.length < 16)
    throw new DataError(`its "fmt " chunk has ${bytes.length} bytes, expected at least 16; it is damaged`)
  const view = viewOf(bytes)
  const tag = view.getUint16(0, true)
  // The real format stands in the first two bytes of the GUID of an extensible one.
  const real = tag === extensible && bytes.length >= 26 ? view.getUint16(24, true) : tag
  return { tag: real, channels: view.getUint16(2, true), rate: view.getUint32(4, true), bits: view.getUint16(14, true) }
}

function samplesOf(reader: ByteReader, format: Format, { from, size }: { from: number; size: number }): Opened {
  const { tag, channels, rate, bits } = format
  if (channels < 1 || rate < 1) throw new DataError(`it says ${channels} channels at ${rate} Hz; it is damaged`)
  const width = bits >> 3
  const read = readerOf(format)
  const block = width * channels
  const there = reader.size - from
  if (size < unknownLength && size > there + block)
    throw new DataError(
      `it is cut off: its header announces ${(size / block / rate).toFixed(2)} s and ${(Math.max(0, there) / block / rate).toFixed(2)} s are there; copy it again, or save it again from an editor`,
    )
  const frames = Math.floor(Math.max(0, Math.min(size, there)) / block)
  return {
    rate,
    channels,
    encoding: `${tag === float ? 'float' : tag === aLaw ? 'A-law' : tag === muLaw ? 'µ-law' : 'PCM'} ${bits}`,
    frames,
    async *chunks() {
      const most = Math.max(1, Math.floor(step / block))
      for (let at = 0; at < frames; at += most) {
        const count = Math.min(most, frames - at)
        const view = viewOf(reader.read(from + at * block, count * block))
        const planes = Array.from({ length: channels }, () => new Float32Array(count))
        for (let i = 0, byte = 0; i < count; i++)
          for (let c = 0; c < channels; c++, byte += width) planes[c]![i] = read(view, byte)
        yield planes
      }
    },
  }
}

/** Reads one sample at a byte. */
function readerOf({ tag, bits }: Format): (view: DataView, at: number) => number {
  if (tag === pcm && bits === 8) return (v, at) => (v.getUint8(at) - 128) / 128
  if (tag === pcm && bits === 16) return (v, at) => v.getInt16(at, true) / 32768
  if (tag === pcm && bits === 24) return (v, at) => (v.getUint8(at) + v.getInt16(at + 1, true) * 256) / 8388608
  if (tag === pcm && bits === 32) return (v, at) => v.getInt32(at, true) / 2147483648
  if (tag === float && bits === 32) return (v, at) => v.getFloat32(at, true)
  if (tag === float && bits === 64) return (v, at) => v.getFloat64(at, true)
  if (tag === aLaw && bits === 8) return (v, at) => aLawTable[v.getUint8(at)]!
  if (tag === muLaw && bits === 8) return (v, at) => muLawTable[v.getUint8(at)]!
  const name = packed[tag]
  throw new DataError(
    `its samples are ${name ? `packed as ${name}` : `of format ${tag}`} with ${bits} bits, which is not read; expected PCM of 8, 16, 24 or 32 bits, float, A-law or µ-law. Convert it: ffmpeg -i old.wav -c:a pcm_s16le new.wav`,
  )
}

/** G.711: 8 bits to 13 (A-law) and 14 bits (µ-law), as 16-bit values over 32768. */
const aLawTable = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = code ^ 0x55
  const [exponent, mantissa] = [(bits >> 4) & 7, bits & 15]
  const size = exponent === 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 0x108) << (exponent - 1)
  return (bits & 0x80 ? size : -size) / 32768
})
const muLawTable = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff
  const size = ((((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84
  return (bits & 0x80 ? -size : size) / 32768
})
