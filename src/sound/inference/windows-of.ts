import { DataError } from '../../base/errors.ts'
import type { ByteReader } from '../../runtime/sound/format.ts'
import { bytesReader, checkNumbers, onlyNumbers, pcmResampler } from '../../runtime/sound/mono.ts'
import { hopOf, isOneWindow } from '../../runtime/sound/windows.ts'
import { fileReader, monoOf, namedError, type Sound } from '../decode/decode.ts'
import { windowOf } from '../source.ts'

/** A recording: the path of a file, the bytes of one, or samples of one channel from -1 to 1 with their rate. */
export type SoundInput = string | Uint8Array | Sound

/** A window of a recording: its samples, and where it begins, in samples (negative for a short recording in its
 *  middle). */
export interface Window {
  from: number
  samples: Float32Array
}

/** Who hears of a recording that is read. */
interface Heard {
  /** What could not be read of it, where that is little. */
  noted?: ((note: string) => void) | undefined
  /** How many of its bytes are read. */
  onRead?: ((bytes: number, all: number) => void) | undefined
}

/** The windows of a recording, as training cuts them. They are cut while it is decoded: a recording of hours needs the
 *  memory of two windows. Errors have the name of the file. */
export async function* windowsOf(
  input: SoundInput,
  { rate, samples: size }: { rate: number; samples: number },
  name = nameOf(input),
  { noted, onRead }: Heard = {},
): AsyncGenerator<Window> {
  const hop = hopOf(size)
  let kept = new Float32Array(0) // samples from `at` on
  let [at, total, next] = [0, 0, 0] // next: where the next window begins
  const take = (from: number): Window => {
    const window = new Float32Array(size)
    return { from, samples: windowOf((f, count) => kept.subarray(f - at, f - at + count), from, window) }
  }
  try {
    for await (const piece of piecesOf(input, rate, { noted, onRead })) {
      const all = new Float32Array(kept.length + piece.length)
      all.set(kept)
      all.set(piece, kept.length)
      kept = all
      total += piece.length
      // A window is ready when it is known that the recording goes on after it, and is no short one.
      for (; next + size < total && !isOneWindow(total, size); next += hop) yield take(next)
      const needed = Math.max(0, isOneWindow(total, size) ? 0 : Math.min(next, total - size))
      kept = kept.slice(needed - at)
      at = needed
    }
    if (total === 0) throw new DataError('it holds no samples (0 s); nothing was recorded')
    yield take(isOneWindow(total, size) ? Math.floor((total - size) / 2) : total - size)
  } catch (error) {
    throw namedError(error, name)
  }
}

/** The name of a recording in errors and predictions. */
export const nameOf = (input: SoundInput, number?: number): string =>
  typeof input === 'string'
    ? input
    : `recording${number === undefined ? '' : ` ${number}`} (${input instanceof Uint8Array ? `${input.length} bytes` : `${input?.samples?.length} samples`})`

/** The same bytes; `onRead` hears how far they are read. */
const counted = ({ size, read }: ByteReader, onRead: NonNullable<Heard['onRead']>): ByteReader => ({
  size,
  read(from, length) {
    onRead(Math.min(size, from + length), size)
    return read(from, length)
  },
})

async function* piecesOf(input: SoundInput, rate: number, { noted, onRead }: Heard): AsyncGenerator<Float32Array> {
  if (typeof input === 'string' || input instanceof Uint8Array) {
    const reader = typeof input === 'string' ? fileReader(input) : bytesReader(input)
    try {
      yield* onlyNumbers(monoOf(onRead ? counted(reader, onRead) : reader, rate), noted)
    } finally {
      if ('close' in reader) (reader as ReturnType<typeof fileReader>).close()
    }
    return
  }
  const by = pcmResampler(input?.rate, rate)
  const first = by.push(input.samples)
  checkNumbers(input.samples)
  yield first
  yield by.end()
}
