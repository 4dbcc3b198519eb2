import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { AnnealError, fileReason, ImageError } from '../../base/errors.ts'
import { cacheFolder, writeAtomic } from '../../base/files.ts'
import { withLock } from '../../base/lock.ts'
import { dealt, inParallel } from '../../base/parallel.ts'
import { BufferPool } from '../../base/pool.ts'
import { type Report, silent } from '../../base/progress.ts'
import type { Place } from '../../data/types.ts'
import { decodeJpegFiles, type StampedFile, type WrittenRgb } from '../../torch/index.ts'
import {
  type ChannelOptions,
  type Decoded,
  type DecodeOptions,
  decodeBands,
  filesOf,
  pathOf,
  readPicture,
} from '../decode/decode.ts'
import { decoderVersion } from '../decode/formats.ts'
import { LIMIT_INPUT_PIXELS } from '../decode/limits.ts'
import { depthOf } from '../decode/raster.ts'
import { checkSpace, writeError } from './disk-space.ts'
import { type ContentHash, hashOf } from './hashes.ts'
import { openStore, type PictureStore, type Row, readIndex, readRow, type StoreIndex } from './store.ts'

/** How pictures are resized before training, which channels are kept, and a callback. */
export interface CacheOptions extends ChannelOptions {
  /** The short side in pixels; smaller pictures are left as they are. */
  short: number
  interpolation?: 'bilinear' | 'bicubic'
  onProgress?: ((done: number, total: number) => void) | undefined
  /** Called if this process waits for another one that decodes the same pictures. */
  report?: Report | undefined
  signal?: AbortSignal | undefined
}

/** A file, the sha256 of its content, and the stamp that shows whether it is still the same. */
export interface Content extends Place, ContentHash {}

/** The longest side that is kept, as a multiple of the short side. */
export const ASPECT = 2

/** The most pictures that a thread decodes in one job. */
const most = 8

/** The free disk space is checked after this many pictures. */
const spaceEvery = 64

/** Decodes each content once and keeps its pixels in `<key>.bin` with an index `<key>.json`; if both exist, it opens
 *  them. Contents that another store of the same kind holds are copied from it. If it is killed, aborted or out of
 *  space, it leaves nothing that looks like a complete store. */
export async function cachePictures(contents: readonly Content[], options: CacheOptions): Promise<PictureStore> {
  const { short, interpolation = 'bilinear' } = options
  if (!Number.isInteger(short) || short < 1 || short > 8192)
    throw new ImageError(`the short side of cached pictures is a whole number from 1 to 8192; got ${short}. Try 256.`)
  const kind = sha256(`2 ${short} ${ASPECT} ${interpolation} ${decoderVersion()}${channelKey(options)}`).slice(0, 12)
  const key = `${kind}-${sha256(contents.map(content => content.hash).join('\n')).slice(0, 32)}`
  const folder = cacheFolder('pictures')
  const base = join(folder, key)
  const there = openStore(base)
  if (there) return there
  const { report = silent, signal } = options
  try {
    await withLock(
      base,
      async () => {
        if (!readIndex(base)) await build(contents, { ...options, interpolation }, { folder, kind, base })
      },
      holder => report({ line: `waiting for another process that decodes these pictures: ${holder}` }),
      signal,
    )
  } catch (error) {
    throw await writeError(error, folder)
  }
  const built = openStore(base)
  if (!built) throw new ImageError(`the picture cache ${base}.bin went away right after it was written; run again.`)
  return built
}

/** The part of the key for files that are not 8-bit colour; it changes whenever such a file would decode to other
 *  values. */
function channelKey({ channels = 'rgb', range }: ChannelOptions): string {
  if (channels === 'rgb') return ''
  return ` 1 ${channels}${channels === 'copy' && range ? ` ${range.join(' ')}` : ''}`
}

async function build(
  contents: readonly Content[],
  { onProgress, signal, short, interpolation, channels, range }: CacheOptions & DecodeOptions,
  { folder, kind, base }: { folder: string; kind: string; base: string },
): Promise<void> {
  sweep(folder, base)
  const older = olderStores(folder, kind, new Set(contents.map(content => content.hash)))
  const rows: Row[] = new Array(contents.length)
  const temp = `${base}.${process.pid}.tmp`
  const file = await open(temp, 'wx')
  const decoding = {
    short,
    ...(interpolation && { interpolation }),
    ...(channels && { channels }),
    range,
    aspect: ASPECT,
  }
  const pool = new BufferPool()
  const end = new BigInt64Array(1) // moved on by the addon's threads too
  const bytes = () => Number(Atomics.load(end, 0))
  let done = 0
  const needed = () => (bytes() / Math.max(1, done)) * (contents.length - done)
  const keep = async (i: number, written: WrittenRgb | undefined) => {
    const { hash } = contents[i]!
    const made = written ?? older.take(hash) ?? (await decodeContent(contents[i]!, decoding, pool))
    if ('reason' in made) rows[i] = { hash, reason: made.reason }
    else if ('offset' in made) rows[i] = { hash, ...made }
    else {
      const data = new Uint8Array(made.data.buffer, made.data.byteOffset, made.data.byteLength)
      const unit = made.data.BYTES_PER_ELEMENT
      const offset = Math.ceil(Number(Atomics.add(end, 0, BigInt(data.length + unit - 1))) / unit) * unit
      rows[i] = rowOf(hash, offset, made)
      await writeAll(file, data, offset)
      pool.give(data)
    }
    if (++done % spaceEvery === 0) await checkSpace(folder, needed())
    onProgress?.(done, contents.length)
  }
  const { jobs, threads, width } = dealt(contents.length, most)
  const target = { to: file.fd, end, threads }
  try {
    await inParallel(
      jobs.length,
      async at => {
        const [from, to] = jobs[at]!
        const files = contents.slice(from, to).map(c => (older.has(c.hash) ? noFile : jpegFile(c, decoding)))
        const written = await decodeJpegFiles(files, { ...decoding, limit: LIMIT_INPUT_PIXELS }, target)
        for (let i = from; i < to; i++) await keep(i, written[i - from])
      },
      { signal, width },
    )
    await file.truncate(bytes())
    await file.sync()
    await file.close()
    await rename(temp, `${base}.bin`)
    writeAtomic(`${base}.json`, JSON.stringify({ version: 1, bytes: bytes(), rows } satisfies StoreIndex))
    older.removeSuperseded()
  } catch (error) {
    await file.close().catch(() => {})
    rmSync(temp, { force: true })
    throw await writeError(error, folder, needed())
  } finally {
    older.close()
  }
}

function rowOf(hash: string, offset: number, { data, height, width, channels = 3, filled }: Decoded): Row {
  const depth = depthOf(data)
  return {
    hash,
    offset,
    height,
    width,
    ...(channels !== 3 && { channels }),
    ...(depth !== 'uint8' && { depth }),
    ...(filled && { filled }),
  }
}

/** A file for `decodeJpegFiles`; an empty entry for a file that it can't decode. */
const jpegFile = (content: Content, { channels }: ChannelOptions): StampedFile =>
  content.stamp !== undefined && !content.bands && channels !== 'keep' && /\.jpe?g$/i.test(content.file)
    ? { path: pathOf(content), stamp: content.stamp }
    : noFile
const noFile: StampedFile = { path: '', stamp: '' }

async function decodeContent(
  { hash, ...place }: Content,
  options: DecodeOptions & { short: number; aspect: number },
  pool: BufferPool,
): Promise<Decoded | { reason: string }> {
  const room = (bytes: number) => pool.rent(bytes)
  const contents: Uint8Array[] = []
  for (const part of filesOf(place))
    contents.push(
      await readPicture(part, room).catch(error => {
        throw new ImageError(
          `${part.file} could be read a moment ago and can not be now: ${fileReason(error)}; run again when the folder is at rest.`,
          { cause: error },
        )
      }),
    )
  if (hashOf(contents) !== hash)
    throw new ImageError(`${place.file} changed while it was read; run again when it is complete.`)
  try {
    return await decodeBands(place, contents, { ...options, room })
  } catch (error) {
    if (error instanceof AnnealError) return { reason: error.message }
    throw error
  } finally {
    for (const bytes of contents) pool.give(bytes)
  }
}

async function writeAll(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; )
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten
}

/** Removes files that killed processes left: those of this store, whose lock we hold, and all that are older than an
 *  hour. */
function sweep(folder: string, base: string): void {
  const names = new Set(readdirSync(folder))
  for (const name of names) {
    const path = join(folder, name)
    const part = name.endsWith('.tmp') || (name.endsWith('.bin') && !names.has(name.replace(/bin$/, 'json')))
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (part && (path.startsWith(`${base}.`) || age > 3_600_000)) rmSync(path, { force: true })
  }
}

/** The wanted contents that other stores of the same kind hold. A store that holds almost nothing else is
 *  superseded. */
function olderStores(folder: string, kind: string, wanted: ReadonlySet<string>) {
  const held = new Map<string, { fd: number; row: Row }>()
  const opened: number[] = []
  const superseded: string[] = []
  for (const name of readdirSync(folder)) {
    const base = join(folder, name.replace(/\.json$/, ''))
    const index = name.startsWith(`${kind}-`) && name.endsWith('.json') ? readIndex(base) : undefined
    if (!index) continue
    const shared = index.rows.filter(row => wanted.has(row.hash))
    if (shared.length === 0) continue
    const fd = openSync(`${base}.bin`, 'r')
    opened.push(fd)
    for (const row of shared) held.set(row.hash, { fd, row })
    if (shared.length >= 0.9 * index.rows.length) superseded.push(base)
  }
  return {
    has: (hash: string) => held.has(hash),
    take(hash: string): Decoded | { reason: string } | undefined {
      const found = held.get(hash)
      return found && ('reason' in found.row ? found.row : readRow(found.fd, found.row))
    },
    removeSuperseded() {
      for (const base of superseded) for (const end of ['json', 'bin']) rmSync(`${base}.${end}`, { force: true })
    },
    close() {
      for (const fd of opened) closeSync(fd)
    },
  }
}
