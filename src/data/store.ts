import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { AnnealError } from '../base/errors.ts'
import type { Picture } from './types.ts'

/** One content: where its pixels lie, or why it has none. */
export type Row = { hash: string; offset: number; height: number; width: number } | { hash: string; reason: string }

/** `<base>.json`; the pixels are in `<base>.bin`, picture after picture, uint8 [height, width, 3]. */
export interface StoreIndex {
  version: 1
  bytes: number
  rows: Row[]
}

/** Decoded pictures by number. */
export interface PictureStore {
  rows: readonly Row[]
  /** Size of the pixels. */
  bytes: number
  /** A view that may be shared: not to be written to. */
  picture(number: number): Picture
}

/** Up to this many bytes pictures stay in memory once read; of larger stores each is read when asked for. */
const inMemory = 2 ** 31

/** The index of a store that is whole, else undefined. */
export function readIndex(base: string): StoreIndex | undefined {
  try {
    const index = JSON.parse(readFileSync(`${base}.json`, 'utf8')) as StoreIndex
    return index.version === 1 && statSync(`${base}.bin`).size === index.bytes ? index : undefined
  } catch {
    return undefined
  }
}

/** Opens a store that is whole, else undefined. Costs no reading: pictures are read when first asked for. */
export function openStore(base: string): PictureStore | undefined {
  const index = readIndex(base)
  if (!index) return undefined
  const { rows, bytes } = index
  const fd = openSync(`${base}.bin`, 'r')
  const held = bytes <= inMemory ? new Uint8Array(bytes) : undefined // untouched pages cost nothing
  const filled = new Uint8Array(rows.length)
  let left = rows.filter(row => 'offset' in row).length
  return {
    rows,
    bytes,
    picture(number) {
      const row = rows[number]
      if (!row || !('offset' in row)) throw new RangeError(`no picture ${number} is kept; there are ${rows.length}`)
      const { height, width, offset } = row
      const size = height * width * 3
      const data = held ? held.subarray(offset, offset + size) : new Uint8Array(size)
      if (filled[number]) return { data, height, width }
      readAll(fd, data, offset)
      if (held) {
        filled[number] = 1
        if (--left === 0) closeSync(fd)
      }
      return { data, height, width }
    },
  }
}

/** Fills `data` from a place in a file. */
export function readAll(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) {
    const count = readSync(fd, data, done, data.length - done, position + done)
    if (count === 0) throw new AnnealError('the picture cache was cut short while in use; run again to build it anew.')
    done += count
  }
}
