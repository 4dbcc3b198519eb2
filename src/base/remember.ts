import { readFileSync } from 'node:fs'
import { writeAtomic } from './files.ts'

/** What `make` gives for this key, kept in a file of JSON from then on, or as long as it `counts`. Where another process kept
 *  something meanwhile, that counts, so that all go on alike. A file that can't be read or written costs the time of making
 *  it again, nothing else. */
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
