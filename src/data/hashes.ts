import { createHash } from 'node:crypto'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, writeAtomic } from '../base/files.ts'
import { inParallel } from '../base/parallel.ts'
import { fileReason, readPicture } from './decode.ts'
import { writeError } from './space.ts'
import type { Place } from './types.ts'

/** Why a file has no content to hash. */
export interface Failure {
  kind: 'missing' | 'unreadable'
  reason: string
}

/** A file changed within this time of being hashed could change again without its time stamps showing it. */
const settled = 2000

/** The sha256 of each file's content, or why it can't be read. What was hashed before is known again by size, inode and
 *  times of change, from a table kept in the cache. */
export async function contentHashes(
  dir: string,
  places: readonly Place[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<(string | Failure)[]> {
  const folder = cacheFolder('pictures')
  const path = join(folder, `${sha256(realpathSync(dir)).slice(0, 24)}.hashes`)
  const table = readTable(path)
  const known: [file: string, stamp: string, hash: string][] = []
  const hashes: (string | Failure)[] = new Array(places.length)
  const missing: number[] = []
  const stamps = places.map(place => stampOf(place))
  const start = Date.now()
  stamps.forEach((stamp, i) => {
    const file = places[i]!.file
    const row = table.get(file)
    if (row && row.stamp === stamp.text) {
      hashes[i] = row.hash
      known.push([file, row.stamp, row.hash])
    } else missing.push(i)
  })
  await inParallel(
    missing.length,
    async at => {
      const i = missing[at]!
      const place = places[i]!
      try {
        const hash = sha256(await readPicture(place))
        hashes[i] = hash
        if (stamps[i]!.changed < start - settled) known.push([place.file, stamps[i]!.text, hash])
      } catch (error) {
        const kind = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable'
        hashes[i] = { kind, reason: fileReason(error) }
      }
    },
    { signal },
  )
  if (missing.length === 0 && known.length === table.size) return hashes
  try {
    writeAtomic(path, JSON.stringify({ version: 1, known }))
  } catch (error) {
    throw await writeError(error, folder)
  }
  return hashes
}

/** 64 hexadecimal digits. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

function stampOf({ file, raw }: Place): { text: string; changed: number } {
  try {
    const { size, ino, mtimeMs, mtimeNs, ctimeMs, ctimeNs } = statSync(raw ? Buffer.from(raw) : file, { bigint: true })
    return { text: `${size} ${ino} ${mtimeNs} ${ctimeNs}`, changed: Math.max(Number(ctimeMs), Number(mtimeMs)) }
  } catch {
    return { text: '', changed: Number.POSITIVE_INFINITY } // reading it will tell why
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
