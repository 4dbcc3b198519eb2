import { AnnealError, DataError } from '../../base/errors.ts'
import { bytes as asBytes } from '../../base/format.ts'
import type { ByteReader, Opened } from './format.ts'
import type { SoundFormat } from './formats.ts'

const packageName = 'audio-decode'

/** Samples of one piece, as audio-decode gives them. */
interface Piece {
  channelData: readonly Float32Array[]
  sampleRate: number
}
type Decoders = Record<string, (source: AsyncIterable<Uint8Array>) => AsyncIterable<Piece>>

let loaded: Decoders | undefined

/** audio-decode: decoders compiled to WebAssembly. It is optional because of its size (7 MB) and because some of its
 *  decoders (AAC, AC-3) are under the GPL: only users with such files install it. */
async function library(name: string): Promise<Decoders> {
  if (loaded) return loaded
  try {
    loaded = ((await import(packageName)) as { default: Decoders }).default
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new MissingDecoder(
      `it is ${/^[AEIOM]/.test(name) ? 'an' : 'a'} ${name} file; to read it, install one more package (npm install ${packageName}), or convert it to WAVE`,
      { cause: error },
    )
  }
  return loaded
}

/** Whether the package that reads compressed recordings is installed. */
export async function hasDecoders(): Promise<boolean> {
  return library('FLAC').then(
    () => true,
    error => {
      if (error instanceof MissingDecoder) return false
      throw error
    },
  )
}

/** The package that reads a format is not installed: nothing is wrong with the file. */
export class MissingDecoder extends DataError {}

/** Bytes that are given to a decoder at a time, and the most that fit into memory for a format that needs all. */
const [step, most] = [1 << 18, 1 << 30]
/** The most seconds of a format that is decoded in memory at once. */
const longest = 2 * 3600

/** Opens a compressed recording with the package audio-decode. The first piece is decoded at once: it tells the rate.
 *  `seconds`: how long it is by its header. */
export async function openCompressed(
  reader: ByteReader,
  { name, decoder, whole }: SoundFormat,
  { seconds }: { seconds?: number | undefined } = {},
): Promise<Opened> {
  if (whole && reader.size > most)
    throw new DataError(
      `it has ${asBytes(reader.size)}, and a ${name} file is read up to ${asBytes(most)}; convert it to WAVE or FLAC`,
    )
  if (whole && seconds !== undefined && seconds > longest)
    throw new DataError(
      `it lasts ${(seconds / 3600).toFixed(1)} h, and a ${name} file is decoded in memory at once, up to ${longest / 3600} h; cut it into parts, or convert it to WAVE, FLAC or MP3`,
    )
  const decode = (await library(name))[decoder!]
  if (!decode)
    throw new DataError(
      `the installed ${packageName} can't read ${name}; update it (npm install ${packageName}@latest)`,
    )
  const pieces = decode(read(reader, whole ? reader.size : step))[Symbol.asyncIterator]()
  const next = async (): Promise<Piece | undefined> => {
    try {
      const { done, value } = await pieces.next()
      return done ? undefined : value
    } catch (error) {
      if (error instanceof AnnealError) throw error
      throw new DataError(`it can't be decoded as ${name} (${(error as Error).message}); it is damaged`, {
        cause: error,
      })
    }
  }
  const first = await next()
  if (!first) throw new DataError(`it holds no sound, or it is damaged (${name}, ${asBytes(reader.size)})`)
  const { sampleRate: rate, channelData } = first
  return {
    rate,
    channels: channelData.length,
    encoding: name,
    async *chunks() {
      for (let piece: Piece | undefined = first; piece; piece = await next()) {
        if (piece.sampleRate !== rate)
          throw new DataError(`its rate changes from ${rate} to ${piece.sampleRate} Hz in the middle; it is damaged`)
        yield piece.channelData
      }
    },
  }
}

async function* read(reader: ByteReader, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < reader.size; at += length) yield reader.read(at, length).slice()
}
