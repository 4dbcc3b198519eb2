import type { ByteReader } from './format.ts'

/** Bytes that are read from a file at a time. */
const step = 1 << 20

/** Looks at single bytes of a recording anywhere; the file is read in pieces of a megabyte. */
export interface Peek {
  readonly size: number
  /** The byte at a position; 0 after the end. */
  at(position: number): number
  /** Four letters, or so many as asked. */
  text(position: number, length?: number): string
  /** A whole number of so many bytes, the first one the highest. */
  big(position: number, length: number): number
  /** The same, the first one the lowest. */
  little(position: number, length: number): number
  /** So many bytes; the view is valid until the next call. */
  bytes(position: number, length: number): Uint8Array
}

/** Looks at a recording's bytes; a megabyte is held. */
export function peekAt(reader: ByteReader): Peek {
  let from = 0
  let held = new Uint8Array(0)
  const { size } = reader
  const at = (position: number): number => {
    if (position < from || position >= from + held.length) {
      if (position < 0 || position >= size) return 0
      from = Math.max(0, position - 64)
      held = reader.read(from, step).slice()
    }
    return held[position - from]!
  }
  const number = (position: number, length: number, order: (i: number) => number) => {
    let value = 0
    for (let i = 0; i < length; i++) value = value * 256 + at(position + order(i))
    return value
  }
  return {
    size,
    at,
    text: (position, length = 4) => String.fromCharCode(...Array.from({ length }, (_, i) => at(position + i))),
    big: (position, length) => number(position, length, i => i),
    little: (position, length) => number(position, length, i => length - 1 - i),
    bytes(position, length) {
      if (position < from || position + length > from + held.length) {
        from = position
        held = reader.read(position, Math.max(step, length)).slice()
      }
      return held.subarray(position - from, position - from + length)
    },
  }
}

/** What a compressed recording promises, by its frames, pages or boxes, without decoding it. */
export interface Promised {
  /** Seconds of sound in what could be read of it; undefined if that does not say it. */
  seconds?: number | undefined
  /** Seconds that its header announces. */
  announced?: number | undefined
  /** Bytes of sound, and those of them that belong to no whole frame. */
  bytes: number
  lost: number
  /** Where the first of them is. */
  at?: number | undefined
  /** Bytes that are missing at the end of the file. */
  missing?: number | undefined
  /** It ends in the middle of a frame. */
  cut: boolean
  /** Why it is not read although it is whole. */
  unread?: string
}
