import { readFileSync } from 'node:fs'
import { writeAtomic } from './files.ts'

/** What `make` gives for this key, kept in a file of JSON from then on. Where another process kept something meanwhile, that
 *  counts, so that all go on alike. A file that can't be read or written costs the time of making it again, nothing else. */
export function remembered<T>(path: string, key: string, make: () => T): T {
  const before = read(path)
  if (Object.hasOwn(before, key)) return before[key] as T
  const made = make()
  const known = read(path)
  if (Object.hasOwn(known, key)) return known[key] as T
  try {
    writeAtomic(path, JSON.stringify({ ...known, [key]: made }))
  } catch {
    // A full disk, or a folder that may only be read.
  }
  return made
}

function read(path: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
