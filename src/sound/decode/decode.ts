import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { AnnealError, DataError, fileReason } from '../../base/errors.ts'
import type { ByteReader } from '../../runtime/sound/format.ts'
import { bytesReader, type Heard, monoFrom } from '../../runtime/sound/mono.ts'
import { openSound } from '../../runtime/sound/open.ts'

/** A recording as the nets take it: one channel, -1 to 1. */
export interface Sound {
  samples: Float32Array
  /** Samples in a second. */
  rate: number
}

/** The bytes of a file, read where they are needed. */
export function fileReader(path: string | Uint8Array): ByteReader & { close(): void } {
  const fd = openSync(typeof path === 'string' ? path : Buffer.from(path), 'r')
  const { size } = fstatSync(fd)
  return {
    size,
    read(from, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - from)))
      for (let done = 0; done < bytes.length; ) {
        const count = readSync(fd, bytes, done, bytes.length - done, from + done)
        if (count === 0) throw new DataError('it became shorter while it was read; run again when it is complete')
        done += count
      }
      return bytes
    },
    close: () => closeSync(fd),
  }
}

/** The samples of a recording as one channel (`monoFrom`), from its bytes. */
export async function* monoOf(
  reader: ByteReader,
  rate: number | ((own: number) => number),
): AsyncGenerator<Float32Array, Heard> {
  return yield* monoFrom(await openSound(reader), rate)
}

/** The same, with the pieces given to `sink`. */
export async function readMono(
  reader: ByteReader,
  rate: number | ((own: number) => number),
  sink: (piece: Float32Array) => void,
): Promise<Heard> {
  const pieces = monoOf(reader, rate)
  for (;;) {
    const { done, value } = await pieces.next()
    if (done) return value
    sink(value)
  }
}

/** The error of a recording with its name: `dog/a.wav: it is cut off …`. Other errors stay as they are. */
export function namedError(error: unknown, name: string): unknown {
  const why =
    error instanceof AnnealError ? error.message : (error as NodeJS.ErrnoException).code ? fileReason(error) : undefined
  return why === undefined ? error : new DataError(`${name}: ${why}.`, { cause: error })
}

/** Reads a recording whole: a path, or the bytes of a file. Throws an error with its name and the reason. `seconds`: the
 *  most that is read into memory. */
export async function readSound(
  from: string | Uint8Array,
  { rate, name, seconds = 3 * 3600 }: { rate?: number; name?: string; seconds?: number } = {},
): Promise<Sound & Heard> {
  const said = name ?? (typeof from === 'string' ? from : `a recording of ${from.length} bytes`)
  const pieces: Float32Array[] = []
  let [own, total] = [0, 0]
  try {
    const reader = typeof from === 'string' ? fileReader(from) : bytesReader(from)
    try {
      const heard = await readMono(
        reader,
        old => (own = rate ?? old),
        piece => {
          total += piece.length
          if (total > seconds * own)
            throw new DataError(
              `it is longer than ${seconds} s, the most that is read into memory at once; cut it into parts`,
            )
          pieces.push(piece)
        },
      )
      const samples = new Float32Array(total)
      let at = 0
      for (const piece of pieces) {
        samples.set(piece, at)
        at += piece.length
      }
      return { ...heard, samples, rate: own }
    } finally {
      if ('close' in reader) (reader as ReturnType<typeof fileReader>).close()
    }
  } catch (error) {
    throw namedError(error, said)
  }
}
