import { constants } from 'node:buffer'
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { DataError } from '../../base/errors.ts'
import type { Heard } from '../../runtime/sound/mono.ts'
import { aten, scope } from '../../torch/index.ts'

/** A recording in the cache: where its samples begin and how many they are, in one channel; or why it has none. */
export type Row = KeptRow | { hash: string; reason: string }
/** A recording that could be read. */
export interface KeptRow {
  hash: string
  offset: number
  samples: number
  heard: Heard
}

/** `<base>.json`; the samples are in `<base>.bin`, recording after recording, float32, little-endian. */
export interface StoreIndex {
  version: 1
  /** Samples in a second. */
  rate: number
  bytes: number
  rows: Row[]
}

/** Decoded recordings by number. */
export interface SoundStore {
  rate: number
  rows: readonly Row[]
  /** Samples of a recording from a position: those that there are. A view that may be shared; do not write to it. */
  samples(number: number, from?: number, count?: number): Float32Array
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

/** Opens a complete store; undefined if there is none. Its file is mapped: pages are read at first use and shared
 *  between processes, and the system may drop them, so hours of sound need little memory. */
export function openStore(base: string): SoundStore | undefined {
  const index = readIndex(base)
  if (!index) return undefined
  const { rows, bytes, rate } = index
  const path = `${base}.bin`
  const all = bytes > 0 && bytes <= constants.MAX_LENGTH ? mapFile(path, bytes / 4) : undefined
  return {
    rate,
    rows,
    samples(number, from = 0, count = Number.POSITIVE_INFINITY) {
      const row = rows[number]
      if (!row || !('offset' in row)) throw new RangeError(`no recording ${number} is kept; there are ${rows.length}`)
      const begin = row.offset + Math.min(row.samples, Math.max(0, from))
      const end = row.offset + Math.max(0, Math.min(row.samples, from + count))
      return all ? all.subarray(begin, Math.max(begin, end)) : readSamples(path, begin, Math.max(0, end - begin))
    },
  }
}

/** Maps a file into memory by libtorch's mmap; do not write to it. */
const mapFile = (path: string, size: number): Float32Array =>
  scope(() => aten.from_file(path, { shared: false, size, dtype: 'float32' }).view() as Float32Array)

function readSamples(path: string, from: number, count: number): Float32Array {
  const bytes = new Uint8Array(4 * count)
  const fd = openSync(path, 'r')
  try {
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(fd, bytes, done, bytes.length - done, 4 * from + done)
      if (read === 0)
        throw new DataError('the cache of recordings was cut short while in use; run again to build a new one.')
      done += read
    }
  } finally {
    closeSync(fd)
  }
  return new Float32Array(bytes.buffer)
}
