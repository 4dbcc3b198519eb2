import { constants } from 'node:buffer'
import { openSync, readFileSync, readSync, statSync } from 'node:fs'
import { AnnealError } from '../base/errors.ts'
import { aten, scope } from '../torch/index.ts'
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

/** The index of a store that is whole, else undefined. */
export function readIndex(base: string): StoreIndex | undefined {
  try {
    const index = JSON.parse(readFileSync(`${base}.json`, 'utf8')) as StoreIndex
    return index.version === 1 && statSync(`${base}.bin`).size === index.bytes ? index : undefined
  } catch {
    return undefined
  }
}

/** Opens a store that is whole, else undefined. Its file is mapped: pages are read when first touched, shared between
 *  processes, and the system's to take back. Larger ones than an array can show are read picture by picture. */
export function openStore(base: string): PictureStore | undefined {
  const index = readIndex(base)
  if (!index) return undefined
  const { rows, bytes } = index
  const path = `${base}.bin`
  const mapped = bytes > 0 && bytes <= constants.MAX_LENGTH ? mapFile(path, bytes) : undefined
  const fd = mapped ? undefined : openSync(path, 'r')
  return {
    rows,
    bytes,
    picture(number) {
      const row = rows[number]
      if (!row || !('offset' in row)) throw new RangeError(`no picture ${number} is kept; there are ${rows.length}`)
      const { height, width, offset } = row
      const size = height * width * 3
      if (mapped) return { data: mapped.subarray(offset, offset + size), height, width }
      const data = new Uint8Array(size)
      readAll(fd!, data, offset)
      return { data, height, width }
    },
  }
}

/** The bytes of a file as memory, by libtorch's mmap; not to be written to. */
function mapFile(path: string, size: number): Uint8Array {
  return scope(() => aten.from_file(path, { shared: false, size, dtype: 'uint8' }).view() as Uint8Array)
}

/** Fills `data` from a place in a file. */
export function readAll(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) {
    const count = readSync(fd, data, done, data.length - done, position + done)
    if (count === 0) throw new AnnealError('the picture cache was cut short while in use; run again to build it anew.')
    done += count
  }
}
