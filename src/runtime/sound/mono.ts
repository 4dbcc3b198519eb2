import { DataError } from '../../base/errors.ts'
import type { ByteReader, Opened } from './format.ts'
import { resampler } from './resample.ts'

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
  /** What could not be read of it, where that is little. */
  notes?: readonly string[]
}

/** Bytes in memory as a reader. */
export const bytesReader = (bytes: Uint8Array): ByteReader => ({
  size: bytes.length,
  read: (from, length) => bytes.subarray(from, from + length),
})

/** Values at or above this count as full scale: 32767 of 32768 in 16 bits, and decoders that round. */
const fullScale = 0.9995

/** Floats above this are no sound between -1 and 1; compressed sounds that were mastered loudly go a little beyond 1. */
const mostPeak = 8

/** The most channels that are mixed: a field of microphones has 64; more is a damaged header. */
const mostChannels = 256
const [lowestRate, highestRate] = [1000, 768_000]

/** The samples of a recording as one channel (the mean of all) at a rate, piece by piece, so that a recording of hours
 *  needs little memory; at the end what was heard. `rate` may depend on the rate of the file. Throws if it has no
 *  samples or can't be read; the errors begin with `it`. */
export async function* monoFrom(
  opened: Opened,
  rate: number | ((own: number) => number),
): AsyncGenerator<Float32Array, Heard> {
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
  return {
    rate: opened.rate,
    channels,
    encoding,
    frames,
    peak,
    rms,
    clipped: full / values,
    missing,
    ...noted(opened.notes),
  }
}

const noted = (notes: readonly string[] = []) => (notes.length > 0 ? { notes } : {})

const noNumbers = (missing: number, all: number) =>
  new DataError(
    `${missing} of its ${all} values are no numbers (NaN or infinite); it is damaged, or was computed wrongly. Put values from -1 to 1 there`,
  )

/** The pieces of a recording that is predicted. Throws at its end if values are no numbers: training counts them and takes 0, but an
 *  answer would be one to another sound. `noted` hears what could not be read of it, where that is little. */
export async function* onlyNumbers(
  pieces: AsyncGenerator<Float32Array, Heard>,
  noted: (note: string) => void = () => {},
): AsyncGenerator<Float32Array, undefined> {
  const { missing, frames, channels, notes = [] } = yield* pieces
  for (const note of notes) noted(note)
  if (missing > 0) throw noNumbers(missing, frames * channels)
}

/** The same for samples that a caller holds. */
export function checkNumbers(samples: Float32Array): void {
  let missing = 0
  for (let i = 0; i < samples?.length; i++) if (!Number.isFinite(samples[i])) missing++
  if (missing > 0) throw noNumbers(missing, samples.length)
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

/** Checks samples that a caller holds, and brings them to a rate. `name`: what the caller calls their own rate. */
export function pcmResampler(
  own: number,
  rate: number,
  name = 'rate',
): { push(samples: Float32Array): Float32Array; end(): Float32Array } {
  if (!(Number.isInteger(own) && own >= lowestRate && own <= highestRate))
    throw new DataError(
      `the rate of samples is a whole number from ${lowestRate} to ${highestRate} Hz, got ${own}; expected the path of a file, the bytes of one, or { samples: Float32Array, ${name} }`,
    )
  const by = resampler(own, rate)
  return {
    push(samples) {
      if (!(samples instanceof Float32Array))
        throw new DataError(
          `samples are a Float32Array of values from -1 to 1 in one channel, got ${(samples as object)?.constructor?.name ?? typeof samples}; 16-bit values are divided by 32768`,
        )
      let clean = samples
      for (const [i, v] of samples.entries()) {
        if (Math.abs(v) > mostPeak && Number.isFinite(v))
          throw new DataError(`samples reach ${v.toPrecision(3)}, expected -1 to 1; 16-bit values are divided by 32768`)
        if (!Number.isFinite(v)) {
          if (clean === samples) clean = samples.slice()
          clean[i] = 0
        }
      }
      return by.push(clean)
    },
    end: () => by.end(),
  }
}
