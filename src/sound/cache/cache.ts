import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { sha256, sha256File } from '../../base/digest.ts'
import { AnnealError, DataError, fileReason } from '../../base/errors.ts'
import { cacheError, cacheFolder, ensureCache, writeAtomic } from '../../base/files.ts'
import { withLock } from '../../base/lock.ts'
import { type Report, silent } from '../../base/progress.ts'
import type { Place } from '../../data/types.ts'
import { MissingDecoder } from '../../runtime/sound/compressed.ts'
import { fileReader, readMono } from '../decode/decode.ts'
import { openStore, type Row, readIndex, type SoundStore, type StoreIndex } from './store.ts'

/** Changes whenever a file would decode to other samples. */
const version = 3

/** A file, and the sha256 of its content. */
export interface Content extends Place {
  hash: string
}

/** How recordings are decoded, and callbacks. */
export interface CacheOptions {
  /** Samples in a second. */
  rate: number
  onProgress?: ((done: number, total: number) => void) | undefined
  report?: Report | undefined
  signal?: AbortSignal | undefined
}

const pathOf = ({ file, raw }: Place) => raw ?? file

/** The sha256 of each recording's content, or why it can't be read. */
export async function contentHashes(
  places: readonly Place[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<({ hash: string } | { kind: 'missing' | 'unreadable'; reason: string })[]> {
  const found: Awaited<ReturnType<typeof contentHashes>> = []
  for (const place of places) {
    signal?.throwIfAborted()
    try {
      found.push({ hash: await sha256File(place.raw ? (Buffer.from(place.raw) as unknown as string) : place.file) })
    } catch (error) {
      const kind = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable'
      found.push({ kind, reason: fileReason(error) })
    }
  }
  return found
}

/** Decodes each content once, as one channel at a rate, and keeps its samples in `<key>.bin` with an index `<key>.json`;
 *  if both exist, it opens them. Samples go to the disk as they are decoded: an hour of sound needs no more memory than a
 *  second. If it is killed, stopped or out of space, it leaves nothing that looks like a complete store. */
export async function cacheSounds(contents: readonly Content[], options: CacheOptions): Promise<SoundStore> {
  const { rate, report = silent, signal } = options
  const folder = ensureCache('sounds')
  const base = join(
    folder,
    sha256(`${version} ${rate} ${contents.map(content => content.hash).join('\n')}`).slice(0, 40),
  )
  const there = openStore(base)
  if (there) return there
  try {
    await withLock(
      base,
      async () => {
        if (!readIndex(base)) await build(contents, options, base)
      },
      holder => report({ line: `waiting for another process that decodes these recordings: ${holder}` }),
      signal,
    )
  } catch (error) {
    throw cacheError(error, folder)
  }
  const built = openStore(base)
  if (!built) throw new DataError(`the cache ${base}.bin went away right after it was written; run again.`)
  return built
}

async function build(
  contents: readonly Content[],
  { rate, onProgress, signal }: CacheOptions,
  base: string,
): Promise<void> {
  sweep(cacheFolder('sounds'))
  const temp = `${base}.${process.pid}.tmp`
  const fd = openSync(temp, 'wx')
  const rows: Row[] = []
  let end = 0 // samples that are kept
  try {
    for (const content of contents) {
      signal?.throwIfAborted()
      let at = end
      const write = (piece: Float32Array) => {
        signal?.throwIfAborted()
        const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, 4 * at + done)
        at += piece.length
      }
      rows.push(await decode(content, rate, write, () => ({ offset: end, samples: at - end })))
      if (!('reason' in rows.at(-1)!)) end = at
      onProgress?.(rows.length, contents.length)
      if (rows.length % 16 === 0) await turn()
    }
    if (end === 0) writeSync(fd, new Uint8Array(4), 0, 4, 0) // an empty file can't be mapped
    fsyncSync(fd)
    closeSync(fd)
    renameSync(temp, `${base}.bin`)
    const bytes = statSync(`${base}.bin`).size
    writeAtomic(`${base}.json`, JSON.stringify({ version: 1, rate, bytes, rows } satisfies StoreIndex))
  } catch (error) {
    try {
      closeSync(fd)
    } catch {
      // closed before
    }
    rmSync(temp, { force: true })
    throw error
  }
}

/** Decodes one recording. What is wrong with it becomes its reason; that a package is missing stops the run. */
async function decode(
  { hash, ...place }: Content,
  rate: number,
  write: (piece: Float32Array) => void,
  kept: () => { offset: number; samples: number },
): Promise<Row> {
  try {
    const reader = fileReader(pathOf(place))
    try {
      const heard = await readMono(reader, rate, write)
      return { hash, ...kept(), heard }
    } finally {
      reader.close()
    }
  } catch (error) {
    if (error instanceof MissingDecoder) throw new DataError(`${place.file}: ${error.message}.`, { cause: error })
    if (error instanceof AnnealError) return { hash, reason: error.message }
    throw error
  }
}

/** Removes files of processes that were killed, once they are an hour old. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (name.endsWith('.tmp') && age > 3_600_000) rmSync(path, { force: true })
  }
}
