import { DataError } from '../../base/errors.ts'
import type { SoundHost } from '../types.ts'

/** Recordings on the edge: WAVE files. */
export const soundHost: SoundHost = {
  async open(_, { name }) {
    throw new DataError(
      `it is a file of ${name}, and this runtime has no decoder for it; WAVE files are read. Convert it, or give its samples: { samples: Float32Array, sampleRate }`,
    )
  },
}
