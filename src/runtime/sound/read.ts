import { DataError } from '../../base/errors.ts'
import type { ByteReader, Opened } from './format.ts'
import { bytesNeeded, describeSound, formatOf, type SoundFormat } from './formats.ts'
import { bytesReader, monoFrom, onlyNumbers } from './mono.ts'
import { joined } from './resample.ts'
import { openWav } from './wav.ts'

/** Opens a recording that is no WAVE file, as this host can. */
export type OpenOther = (
  reader: ByteReader,
  format: SoundFormat,
  known: { seconds?: number | undefined },
) => Promise<Opened>

/** A recording that is longer than what is taken. */
export class TooLong extends DataError {}

/** The error for a recording that is longer than what is taken. `lasts`: how long it is, in seconds, if that is known. */
export const tooLong = (seconds: number, lasts?: number): TooLong =>
  new TooLong(
    `it lasts ${lasts === undefined ? `more than ${seconds} s` : `${lasts.toFixed(1)} s`}, and at most ${seconds} s are taken at once; cut it into parts`,
  )

/** The samples of a recording as one channel (the mean of all) at a rate, by the rules of training. `seconds`: the most that it
 *  may last; where its header says its length, that is known before it is decoded. Throws errors that begin with `it`. */
export async function readSamples(
  bytes: Uint8Array,
  { rate, seconds, open }: { rate: number; seconds: number; open: OpenOther },
): Promise<Float32Array> {
  const reader = bytesReader(bytes)
  const format = formatOf(bytes.subarray(0, bytesNeeded))
  if (!format) throw new DataError(describeSound(bytes.subarray(0, bytesNeeded)))
  const opened = format.decoder
    ? await (await import('./whole.ts')).openWhole(reader, format, open) // loaded for these alone
    : openWav(reader)
  if (opened.frames !== undefined && opened.frames > seconds * opened.rate)
    throw tooLong(seconds, opened.frames / opened.rate)
  const pieces: Float32Array[] = []
  let total = 0
  for await (const piece of onlyNumbers(monoFrom(opened, rate))) {
    total += piece.length
    if (total > seconds * rate + 1) throw tooLong(seconds)
    pieces.push(piece)
  }
  return joined(pieces)
}
