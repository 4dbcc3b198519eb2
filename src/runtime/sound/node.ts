import { fileURLToPath } from 'node:url'
import { DataError } from '../../base/errors.ts'
import { reasonOf } from '../errors.ts'
import { regularFile } from '../regular-file.ts'
import type { SoundHost } from '../types.ts'
import { openCompressed } from './compressed.ts'

/** Recordings in Node: files, and all formats that the package audio-decode reads, where it is installed. */
export const soundHost: SoundHost = {
  async file(path) {
    try {
      return await regularFile(path.startsWith('file:') ? fileURLToPath(path) : path)
    } catch (cause) {
      throw new DataError(`it can not be read (${reasonOf(cause)})`, { cause })
    }
  },
  open: openCompressed,
}
