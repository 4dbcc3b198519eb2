import { DataError } from '../../base/errors.ts'
import { reasonOf } from '../errors.ts'
import type { AudioBufferLike, SoundHost } from '../types.ts'
import { openBuffer } from './input.ts'
import { ownRate } from './rate.ts'

/** What a browser has to decode recordings. */
interface Context {
  decodeAudioData(bytes: ArrayBuffer): Promise<AudioBufferLike>
}
const { OfflineAudioContext } = globalThis as unknown as {
  OfflineAudioContext?: new (channels: number, length: number, rate: number) => Context
}

/** Recordings in a browser: WAVE files by our own reader, all others as the browser decodes them, at their own rate. */
export const soundHost: SoundHost = {
  async open(reader, { name }) {
    if (!OfflineAudioContext)
      throw new DataError(
        `it is a file of ${name}, and a worker has no decoder for it; decode it in the page (AudioContext.decodeAudioData) and give the AudioBuffer's samples: { samples: Float32Array, sampleRate }`,
      )
    const bytes = reader.read(0, reader.size)
    let buffer: AudioBufferLike
    try {
      // Its own rate: the browser would resample to that of the context, in its own way.
      buffer = await new OfflineAudioContext(1, 1, ownRate(bytes, name)).decodeAudioData(bytes.slice().buffer)
    } catch (cause) {
      throw new DataError(
        `its ${name} data are cut off or corrupt, or of a kind that this browser does not read (${reasonOf(cause)})`,
        { cause },
      )
    }
    return openBuffer(buffer, name)
  },
}
