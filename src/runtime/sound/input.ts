import { DataError } from '../../base/errors.ts'
import { kindOf } from '../pixels.ts'
import type { AudioBufferLike, BlobLike, RawSound, SoundHost, SoundInput } from '../types.ts'
import type { Opened } from './format.ts'
import { checkNumbers, monoFrom, onlyNumbers, pcmResampler } from './mono.ts'
import { readSamples, tooLong } from './read.ts'
import { joined } from './resample.ts'

const expected =
  'the bytes of a file (Uint8Array, ArrayBuffer, Blob), an AudioBuffer, or { samples: Float32Array, sampleRate }'

/** The samples of an input as one channel at a rate. Throws errors that begin with `it`. */
export async function samplesOf(
  input: SoundInput,
  { file, open }: SoundHost,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<Float32Array> {
  const how = { rate, seconds, open }
  const path = typeof input === 'string' ? input : (input as { href?: string } | null)?.href
  if (typeof path === 'string') {
    if (!file || /^https?:/i.test(path))
      throw new DataError(
        `it is a text, and no address is fetched here; fetch it and give what comes: predict(await (await fetch(url)).blob())`,
      )
    return readSamples(await file(path), how)
  }
  if (typeof input !== 'object' || input === null) throw new DataError(`it is ${String(input)}; expected ${expected}`)
  if ('getChannelData' in input) return collected(openBuffer(input), how)
  if ('samples' in input) return ofRaw(input, how)
  const bytes = await bytesIn(input)
  if (bytes) return readSamples(bytes, how)
  const names = Object.keys(input).slice(0, 6).join(', ')
  throw new DataError(`it is ${names ? `an object of ${names}` : kindOf(input)}; expected ${expected}`)
}

/** The bytes of a file, if an input is one. Not `../input.ts`: a part that all share would be a file of its own in the package,
 *  which models of pictures load, too. */
async function bytesIn(input: object): Promise<Uint8Array | undefined> {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  if ('arrayBuffer' in input) return new Uint8Array(await (input as BlobLike).arrayBuffer())
  return kindOf(input) === 'ArrayBuffer' ? new Uint8Array(input as ArrayBuffer) : undefined
}

/** An AudioBuffer as an opened recording. */
export function openBuffer(buffer: AudioBufferLike, encoding = 'AudioBuffer'): Opened {
  const { numberOfChannels: channels, sampleRate: rate, length: frames } = buffer
  return {
    rate,
    channels,
    encoding,
    frames,
    async *chunks() {
      if (frames > 0) yield Array.from({ length: channels }, (_, c) => buffer.getChannelData(c))
    },
  }
}

async function collected(opened: Opened, { rate, seconds }: { rate: number; seconds: number }): Promise<Float32Array> {
  if (opened.frames! > seconds * opened.rate) throw tooLong(seconds, opened.frames! / opened.rate)
  const pieces: Float32Array[] = []
  for await (const piece of onlyNumbers(monoFrom(opened, rate))) pieces.push(piece)
  return joined(pieces)
}

function ofRaw({ samples, sampleRate }: RawSound, { rate, seconds }: { rate: number; seconds: number }): Float32Array {
  const by = pcmResampler(sampleRate, rate, 'sampleRate')
  if (samples?.length > seconds * sampleRate) throw tooLong(seconds, samples.length / sampleRate)
  const first = by.push(samples)
  checkNumbers(samples)
  const found = joined([first, by.end()])
  if (found.length === 0) throw new DataError('it holds no samples (0 s); nothing was recorded')
  return found
}
