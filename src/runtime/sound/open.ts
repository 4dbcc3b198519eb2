import { DataError } from '../../base/errors.ts'
import { openCompressed } from './compressed.ts'
import type { ByteReader, Opened } from './format.ts'
import { bytesNeeded, describeSound, formatOf } from './formats.ts'
import { openWav } from './wav.ts'

/** Opens a recording by its content. The errors say what is wrong with it, beginning with `it`. */
export async function openSound(reader: ByteReader): Promise<Opened> {
  const head = reader.read(0, bytesNeeded)
  const format = formatOf(head)
  if (!format) throw new DataError(describeSound(head))
  if (!format.decoder) return openWav(reader)
  // Loaded where it is needed: WAVE files alone need none of it.
  return (await import('./whole.ts')).openWhole(reader, format, openCompressed)
}
