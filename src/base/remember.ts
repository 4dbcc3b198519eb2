import { readFileSync } from 'node:fs'
import { writeAtomic } from './files.ts'

/** The result of `make` for this key, kept in a JSON file and used again while `counts` accepts it. If another process
 *  has stored a result meanwhile, that one is used, so that all processes use the same. If the file can't be read or
 *  written, the result is only made again. */
export function remembered<T>(path: string, key: string, make: () => T, counts = (_kept: T): boolean => true): T {
  const kept = () => {
    const known = read(path)
    return { known, valid: Object.hasOwn(known, key) && counts(known[key] as T) }
  }
  const before = kept()
  if (before.valid) return before.known[key] as T
  const made = make()
  const { known, valid } = kept()
  if (valid) return known[key] as T
  try {
    writeAtomic(path, JSON.stringify({ ...known, [key]: made }))
  } catch {
    // A full disk, or a read-only folder.
  }
  return made
}

/** The result that is kept for this key, if there is one that `counts` accepts. */
export function recalled<T>(path: string, key: string, counts = (_kept: T): boolean => true): T | undefined {
  const known = read(path)
  return Object.hasOwn(known, key) && counts(known[key] as T) ? (known[key] as T) : undefined
}

function read(path: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
