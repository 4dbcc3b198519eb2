import { DataError } from '../../base/errors.ts'
import { bytes as asBytes, percent } from '../../base/format.ts'
import { walkAiff, walkAsf, walkBoxes, walkCaf, walkFlac, walkWebm } from './boxes.ts'
import { type Peek, type Promised, peekAt } from './bytes-of.ts'
import type { ByteReader, Opened } from './format.ts'
import { walkFrames } from './frames.ts'
import { walkPages } from './pages.ts'

/** A recording is used, with a word, if at most this share of it can't be read; else it is refused. */
const tolerated = 0.02
/** Encoders add up to so many seconds at both ends, which decoders leave out. */
const added = 0.15
/** Seconds of a frame of MP3, nearly. */
const oneFrame = 0.03

const walks: Record<string, (file: Peek, name: string) => Promised | undefined> = {
  MP3: walkFrames,
  AAC: walkFrames,
  AMR: walkFrames,
  'Ogg Vorbis': walkPages,
  Opus: walkPages,
  FLAC: walkFlac,
  'MPEG-4': walkBoxes,
  AIFF: walkAiff,
  CAF: walkCaf,
  WebM: walkWebm,
  'Windows Media': walkAsf,
}

/** Opens a compressed recording and checks that it is there whole: before it is decoded by its frames, pages or boxes, and
 *  after by the length that they promise. Decoders pass over what they can't read without a word. What is small goes to
 *  `Opened.notes`. Throws errors that begin with `it`. */
export async function openWhole<F extends { name: string }>(
  reader: ByteReader,
  format: F,
  open: (reader: ByteReader, format: F, known: { seconds?: number | undefined }) => Promise<Opened>,
): Promise<Opened> {
  const { name } = format
  const found = walks[name]?.(peekAt(reader), name)
  if (!found) return open(reader, format, {})
  const { notes, promised } = judge(found, name)
  const opened = await open(reader, format, { seconds: promised || undefined })
  return {
    ...opened,
    notes,
    async *chunks() {
      let count = 0
      for await (const planes of opened.chunks()) {
        count += planes[0]!.length
        yield planes
      }
      const read = count / opened.rate
      if (read < (1 - tolerated) * promised - (name === 'FLAC' ? 0 : added)) {
        if (name === 'FLAC' || name === 'AIFF') throw cutOff(promised, read, 'could be decoded')
        throw new DataError(
          `only a part of it can be read: it has ${promised.toFixed(2)} s of ${name}, and ${read.toFixed(2)} s could be decoded; it is damaged. ${copy}`,
        )
      }
      if (name === 'FLAC' && read < promised - 1e-6)
        notes.push(
          `${(promised - read).toFixed(2)} s of ${promised.toFixed(2)} s could not be decoded and are left out`,
        )
    },
  }
}

const copy = 'Copy it again, or save what can be played from an editor'
const cutOff = (announced: number, there: number, how: string) =>
  new DataError(
    `it is cut off or damaged: its header announces ${announced.toFixed(2)} s and ${there.toFixed(2)} s ${how}; copy it again`,
  )

/** Refuses what is damaged by more than is tolerated, before it is decoded. Returns words about the rest, and the seconds that
 *  decoding has to give. */
function judge(found: Promised, name: string): { notes: string[]; promised: number } {
  const { bytes, lost, at, missing = 0, cut, seconds, announced, unread } = found
  if (unread) throw new DataError(unread)
  if (missing > tolerated * (bytes + missing))
    throw new DataError(
      `it is cut off: ${asBytes(missing)} of ${asBytes(bytes + missing)} are missing at its end; copy it again`,
    )
  if (lost > tolerated * bytes)
    throw new DataError(
      `${cut ? 'it is cut off, or ' : ''}only a part of it can be read: ${asBytes(Math.round(lost))} of ${asBytes(bytes)} of sound (${percent(lost / bytes)}), from byte ${at} on, are no ${name}; it is damaged. ${copy}`,
    )
  const notes: string[] = []
  if (lost > 0) notes.push(`${asBytes(Math.round(lost))} of it, from byte ${at} on, are no ${name} and are left out`)
  if (cut) notes.push('its last frame is cut off and is left out')
  if (name !== 'MP3') return { notes, promised: Math.max(announced ?? 0, seconds ?? 0) }
  // An MP3 file that an editor cut between two frames keeps the length of the old one in its header: its frames are right.
  if (announced !== undefined && seconds! < (1 - tolerated) * announced - oneFrame) {
    if (cut || lost > 0) throw cutOff(announced, seconds!, 'are there')
    notes.push(`its header announces ${announced.toFixed(2)} s and it has ${seconds!.toFixed(2)} s, which are read`)
  }
  // Decoders stop where the header says that the sound ends.
  return { notes, promised: Math.min(seconds ?? 0, announced ?? seconds ?? 0) }
}
