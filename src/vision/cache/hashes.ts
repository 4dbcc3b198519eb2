import { readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { fileReason } from '../../base/errors.ts'
import { ensureCache, writeAtomic } from '../../base/files.ts'
import { dealt, inParallel } from '../../base/parallel.ts'
import { BufferPool } from '../../base/pool.ts'
import { memberStamp } from '../../data/shards/members.ts'
import type { Place } from '../../data/types.ts'
import { hashFiles } from '../../torch/index.ts'
import { filesOf, pathOf, readPicture } from '../decode/decode.ts'
import { writeError } from './disk-space.ts'

/** Why a file has no content to hash. */
export interface Failure {
  kind: 'missing' | 'unreadable'
  reason: string
}

/** If a file changed less than this long before it was hashed, in milliseconds, a further change might not show in its
 *  time stamps. */
const settled = 2000

/** The most files that a thread reads and hashes in one job. */
const most = 16

/** The content of a picture's file. */
export interface ContentHash {
  /** The sha256 of its content; of several files see {@link hashOf}. */
  hash: string
  /** Size, inode and times of change, which show whether the file is still the same. Absent if the file changed so
   *  recently that they might not show another change. */
  stamp?: string
}

/** The sha256 of each picture's content, or why it can't be read. A file that was hashed before is recognised by its
 *  stamp, from a table in the cache. */
export async function contentHashes(
  dir: string,
  places: readonly Place[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<(ContentHash | Failure)[]> {
  const folder = ensureCache('pictures')
  const path = join(folder, `${sha256(realpathSync(dir)).slice(0, 24)}.hashes`)
  const table = readTable(path)
  const known: [file: string, stamp: string, hash: string][] = []
  const hashes: (ContentHash | Failure)[] = new Array(places.length)
  const missing: number[] = []
  const stamps = places.map(place => stampOf(place))
  const start = Date.now()
  const pool = new BufferPool()
  const room = (length: number) => pool.rent(length)
  stamps.forEach((stamp, i) => {
    const name = nameOf(places[i]!)
    const row = table.get(name)
    if (row && row.stamp === stamp.text) {
      hashes[i] = row
      known.push([name, row.stamp, row.hash])
    } else missing.push(i)
  })
  const hashOne = async (i: number, quick: string | undefined) => {
    const place = places[i]!
    const parts: string[] = []
    try {
      for (const part of quick ? [] : filesOf(place)) {
        const bytes = await readPicture(part, room)
        parts.push(sha256(bytes))
        pool.give(bytes)
      }
      const hash = quick ?? joined(parts)
      const { text: stamp, changed } = stamps[i]!
      const rests = changed < start - settled
      hashes[i] = rests ? { hash, stamp } : { hash }
      if (rests) known.push([nameOf(place), stamp, hash])
    } catch (error) {
      const kind = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable'
      const which = parts.length > 0 ? `${filesOf(place)[parts.length]!.file}: ` : ''
      hashes[i] = { kind, reason: `${which}${fileReason(error)}` }
    }
  }
  const { jobs, threads, width } = dealt(missing.length, most)
  await inParallel(
    jobs.length,
    async at => {
      const numbers = missing.slice(...jobs[at]!)
      const files = numbers.map(i => ({ path: pathOf(places[i]!), stamp: stamps[i]!.text }))
      const quick = await hashFiles(files, threads)
      for (const [at, i] of numbers.entries()) await hashOne(i, quick[at])
    },
    { signal, width },
  )
  if (missing.length === 0 && known.length === table.size) return hashes
  try {
    writeAtomic(path, JSON.stringify({ version: 1, known }))
  } catch (error) {
    throw await writeError(error, folder)
  }
  return hashes
}

/** The hash of a picture: the sha256 of its file; for several files the sha256 of their sha256s, one per line. */
export const hashOf = (contents: readonly Uint8Array[]): string => joined(contents.map(sha256))

const joined = (hashes: readonly string[]): string => (hashes.length === 1 ? hashes[0]! : sha256(hashes.join('\n')))

/** All files of a picture as one name. */
const nameOf = (place: Place): string =>
  filesOf(place)
    .map(({ file }) => file)
    .join('\0')

function stampOf(place: Place): { text: string; changed: number } {
  const stamps = filesOf(place).map(fileStamp)
  return { text: stamps.map(({ text }) => text).join(' '), changed: Math.max(...stamps.map(({ changed }) => changed)) }
}

function fileStamp(place: Place): { text: string; changed: number } {
  try {
    const { size, ino, mtimeMs, mtimeNs, ctimeMs, ctimeNs } = statSync(pathOf(place), { bigint: true })
    return { text: `${size} ${ino} ${mtimeNs} ${ctimeNs}`, changed: Math.max(Number(ctimeMs), Number(mtimeMs)) }
  } catch {
    return memberStamp(place.file) ?? { text: '', changed: Number.POSITIVE_INFINITY } // reading it will tell why
  }
}

function readTable(path: string): Map<string, { stamp: string; hash: string }> {
  try {
    const { version, known } = JSON.parse(readFileSync(path, 'utf8')) as {
      version: number
      known: [file: string, stamp: string, hash: string][]
    }
    return new Map(version === 1 ? known.map(([file, stamp, hash]) => [file, { stamp, hash }]) : [])
  } catch {
    return new Map() // none yet, or cut off: everything is hashed again
  }
}
