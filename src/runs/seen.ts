import { writeAtomic } from '../base/files.ts'
import { readObject, runPaths } from './paths.ts'

/** `pictures.json`: the contents that a run was trained on, and those that it was validated on. */
export interface SeenPictures {
  format: 1
  /** The first 16 hexadecimal digits of each picture's sha256. */
  train: string[]
  valid: string[]
}

const digits = 16

/** Notes the pictures of a run by the sha256 of their content; one that trains counts as such alone. */
export function writeSeen(dir: string, { train, valid }: Pick<SeenPictures, 'train' | 'valid'>): void {
  const short = (hashes: readonly string[]) => [...new Set(hashes.map(hash => hash.slice(0, digits)))].sort()
  const trained = new Set(short(train))
  const seen: SeenPictures = { format: 1, train: [...trained], valid: short(valid).filter(hash => !trained.has(hash)) }
  writeAtomic(runPaths(dir).pictures, `${JSON.stringify(seen)}\n`)
}

/** The list that `writeSeen` wrote; undefined where the folder has none that can be read. */
export function readSeen(dir: string): SeenPictures | undefined {
  try {
    const seen = readObject<SeenPictures>(runPaths(dir).pictures)
    return seen?.format === 1 && Array.isArray(seen.train) && Array.isArray(seen.valid) ? seen : undefined
  } catch {
    return undefined
  }
}

/** Counts the pictures with these sha256 that a run was trained on, and those that it was validated on. */
export function countSeen(seen: SeenPictures, hashes: readonly string[]): { train: number; valid: number } {
  const count = (part: readonly string[]) => {
    const known = new Set(part)
    return hashes.filter(hash => known.has(hash.slice(0, digits))).length
  }
  return { train: count(seen.train), valid: count(seen.valid) }
}
