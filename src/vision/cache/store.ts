import { constants } from 'node:buffer'
import { openSync, readFileSync, readSync, statSync } from 'node:fs'
import { ImageError } from '../../base/errors.ts'
import { aten, scope } from '../../torch/index.ts'
import type { Decoded } from '../decode/decode.ts'
import { type Depth, pixelArrays } from '../decode/raster.ts'
import type { Picture } from '../types.ts'

/** One content: the place of its pixels, or why it has none. */
export type Row = KeptRow | { hash: string; reason: string }

/** The pixels begin at `offset`, a multiple of their size: [height, width, channels]. Default: 3 channels of uint8. */
export interface KeptRow {
  hash: string
  offset: number
  height: number
  width: number
  channels?: number
  depth?: Depth
  /** How many values were missing in the file. */
  filled?: number
}

/** `<base>.json`; the pixels are in `<base>.bin`, picture after picture, little-endian. */
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
  /** A view that may be shared: do not write to it. */
  picture(number: number): Picture
}

/** The index of a complete store, else undefined. */
export function readIndex(base: string): StoreIndex | undefined {
  try {
    const index = JSON.parse(readFileSync(`${base}.json`, 'utf8')) as StoreIndex
    return index.version === 1 && statSync(`${base}.bin`).size === index.bytes ? index : undefined
  } catch {
    return undefined
  }
}

/** Opens a complete store; undefined if there is none. Its file is mapped: pages are read at first use, shared between
 *  processes, and the system may drop them. A file that is too large for one array is read picture by picture. */
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
      return mapped ? pictureOf(row, mapped.subarray(row.offset, row.offset + rowBytes(row))) : readRow(fd!, row)
    },
  }
}

/** Size of a picture's pixels. */
const rowBytes = ({ height, width, channels = 3, depth = 'uint8' }: KeptRow): number =>
  height * width * channels * pixelArrays[depth].BYTES_PER_ELEMENT

/** Reads the pixels of a row into new memory. */
export function readRow(fd: number, row: KeptRow): Decoded {
  const bytes = new Uint8Array(rowBytes(row))
  readAll(fd, bytes, row.offset)
  return pictureOf(row, bytes)
}

function pictureOf({ height, width, channels, depth = 'uint8', filled }: KeptRow, bytes: Uint8Array): Decoded {
  const pixels = pixelArrays[depth]
  const data =
    depth === 'uint8'
      ? bytes
      : new pixels(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / pixels.BYTES_PER_ELEMENT)
  return { data, height, width, ...(channels && { channels }), ...(filled && { filled }) }
}

/** Maps a file into memory by libtorch's mmap; do not write to it. */
function mapFile(path: string, size: number): Uint8Array {
  return scope(() => aten.from_file(path, { shared: false, size, dtype: 'uint8' }).view() as Uint8Array)
}

/** Fills `data` from a position in a file. */
function readAll(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) {
    const count = readSync(fd, data, done, data.length - done, position + done)
    if (count === 0) throw new ImageError('the picture cache was cut short while in use; run again to build a new one.')
    done += count
  }
}
