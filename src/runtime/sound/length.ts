import { bytesNeeded, formatOf } from './formats.ts'
import { bytesReader } from './mono.ts'
import { openWav } from './wav.ts'

/** The seconds that a recording lasts by its header (WAVE, FLAC), without decoding it; undefined for other formats. Throws for a
 *  WAVE file that can't be read; the error begins with `it`. */
export function secondsOf(bytes: Uint8Array): number | undefined {
  const format = formatOf(bytes.subarray(0, bytesNeeded))
  if (format && !format.decoder) {
    const { frames = 0, rate } = openWav(bytesReader(bytes))
    return frames / rate
  }
  if (format?.name !== 'FLAC') return undefined
  const rate = (bytes[18]! << 12) | (bytes[19]! << 4) | (bytes[20]! >> 4)
  return rate > 0 ? (flacFrames(bytes.subarray(21, 26)) ?? 0) / rate : undefined
}

/** The number of samples in the header of a FLAC file, from its bytes 21 to 25; undefined if it does not say it. */
export function flacFrames([a = 0, b = 0, c = 0, d = 0, e = 0]: Uint8Array): number | undefined {
  return (a & 15) * 2 ** 32 + (((b << 24) | (c << 16) | (d << 8) | e) >>> 0) || undefined
}
