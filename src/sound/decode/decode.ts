import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { AnnealError, DataError, fileReason } from '../../base/errors.ts'
import { openCompressed } from './compressed.ts'
import type { ByteReader, Opened } from './format.ts'
import { describeSound, formatOf, soundFiles } from './formats.ts'
import { resampler } from './resample.ts'
import { openWav } from './wav.ts'

/** What is known of a recording once all its samples were read. */
export interface Heard {
  /** Samples in a second, and channels, as in the file. */
  rate: number
  channels: number
  encoding: string
  /** Samples of each channel in the file. */
  frames: number
  /** The largest absolute value, and the root of the mean square, of all channels together. */
  peak: number
  rms: number
  /** The share of samples at full scale. */
  clipped: number
  /** Samples that are not numbers (NaN, infinite): they became 0. */
  missing: number
}

/** A recording as the nets take it: one channel, -1 to 1. */
export interface Sound {
  samples: Float32Array
  /** Samples in a second. */
  rate: number
}

/** The bytes of a file, read where they are needed. */
export function fileReader(path: string | Uint8Array): ByteReader & { close(): void } {
  const fd = openSync(typeof path === 'string' ? path : Buffer.from(path), 'r')
  const { size } = fstatSync(fd)
  return {
    size,
    read(from, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - from)))
      for (let done = 0; done < bytes.length; ) {
        const count = readSync(fd, bytes, done, bytes.length - done, from + done)
        if (count === 0) throw new DataError('it became shorter while it was read; run again when it is complete')
        done += count
      }
      return bytes
    },
    close: () => closeSync(fd),
  }
}

/** Bytes in memory as a reader. */
export const bytesReader = (bytes: Uint8Array): ByteReader => ({
  size: bytes.length,
  read: (from, length) => bytes.subarray(from, from + length),
})

/** Opens a recording by its content. The errors say what is wrong with it, beginning with `it`. */
export async function openSound(reader: ByteReader): Promise<Opened> {
  const head = reader.read(0, soundFiles.bytesNeeded)
  const format = formatOf(head)
  if (!format) throw new DataError(describeSound(head))
  return format.decoder ? openCompressed(reader, format) : openWav(reader)
}

/** Values at or above this count as full scale: 32767 of 32768 in 16 bits, and decoders that round. */
const fullScale = 0.9995

/** Floats above this are no sound between -1 and 1; compressed sounds that were mastered loudly go a little beyond 1. */
const mostPeak = 8

/** The most channels that are mixed: a field of microphones has 64; more is a damaged header. */
const mostChannels = 256
const [lowestRate, highestRate] = [1000, 768_000]

/** The samples of a recording as one channel (the mean of all) at a rate, piece by piece, so that a recording of hours
 *  needs little memory; at the end what was heard. `rate` may depend on the rate of the file. Throws if it has no
 *  samples or can't be read. */
export async function* monoOf(
  reader: ByteReader,
  rate: number | ((own: number) => number),
): AsyncGenerator<Float32Array, Heard> {
  const opened = await openSound(reader)
  const { channels, encoding } = opened
  if (channels > mostChannels || opened.rate < lowestRate || opened.rate > highestRate)
    throw new DataError(
      `it says ${channels} channels at ${opened.rate} Hz; expected at most ${mostChannels} channels, and a rate from ${lowestRate} to ${highestRate} Hz. It is damaged, or no sound`,
    )
  const by = resampler(opened.rate, typeof rate === 'number' ? rate : rate(opened.rate))
  const found = { frames: 0, peak: 0, squares: 0, full: 0, missing: 0 }
  for await (const planes of opened.chunks()) {
    const mono = mixed(planes, found)
    if (found.peak > mostPeak)
      throw new DataError(
        `its values reach ${found.peak.toPrecision(3)}, expected -1 to 1; it was written without scaling (16-bit values are divided by 32768)`,
      )
    yield by.push(mono)
  }
  const { frames, peak, squares, full, missing } = found
  if (frames === 0) throw new DataError('it holds no samples (0 s); nothing was recorded')
  yield by.end()
  const values = frames * channels
  const rms = Math.sqrt(squares / values)
  return { rate: opened.rate, channels, encoding, frames, peak, rms, clipped: full / values, missing }
}

/** The mean of the channels; counts what is heard in them. */
function mixed(
  planes: readonly Float32Array[],
  found: { frames: number; peak: number; squares: number; full: number; missing: number },
): Float32Array {
  const count = planes[0]!.length
  const mono = new Float32Array(count)
  for (const plane of planes)
    for (let i = 0; i < count; i++) {
      let value = plane[i]!
      if (!Number.isFinite(value)) {
        found.missing++
        value = 0
      }
      const size = Math.abs(value)
      if (size > found.peak) found.peak = size
      if (size >= fullScale) found.full++
      found.squares += value * value
      mono[i]! += value / planes.length
    }
  found.frames += count
  return mono
}

/** The same, with the pieces given to `sink`. */
export async function readMono(
  reader: ByteReader,
  rate: number | ((own: number) => number),
  sink: (piece: Float32Array) => void,
): Promise<Heard> {
  const pieces = monoOf(reader, rate)
  for (;;) {
    const { done, value } = await pieces.next()
    if (done) return value
    sink(value)
  }
}

/** The error of a recording with its name: `dog/a.wav: it is cut off …`. Other errors stay as they are. */
export function namedError(error: unknown, name: string): unknown {
  const why =
    error instanceof AnnealError ? error.message : (error as NodeJS.ErrnoException).code ? fileReason(error) : undefined
  return why === undefined ? error : new DataError(`${name}: ${why}.`, { cause: error })
}

/** Reads a recording whole: a path, or the bytes of a file. Throws an error with its name and the reason. `seconds`: the
 *  most that is read into memory. */
export async function readSound(
  from: string | Uint8Array,
  { rate, name, seconds = 3 * 3600 }: { rate?: number; name?: string; seconds?: number } = {},
): Promise<Sound & Heard> {
  const said = name ?? (typeof from === 'string' ? from : `a recording of ${from.length} bytes`)
  const pieces: Float32Array[] = []
  let [own, total] = [0, 0]
  try {
    const reader = typeof from === 'string' ? fileReader(from) : bytesReader(from)
    try {
      const heard = await readMono(
        reader,
        old => (own = rate ?? old),
        piece => {
          total += piece.length
          if (total > seconds * own)
            throw new DataError(
              `it is longer than ${seconds} s, the most that is read into memory at once; cut it into parts`,
            )
          pieces.push(piece)
        },
      )
      const samples = new Float32Array(total)
      let at = 0
      for (const piece of pieces) {
        samples.set(piece, at)
        at += piece.length
      }
      return { ...heard, samples, rate: own }
    } finally {
      if ('close' in reader) (reader as ReturnType<typeof fileReader>).close()
    }
  } catch (error) {
    throw namedError(error, said)
  }
}
