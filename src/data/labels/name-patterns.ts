import { relative } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { tidy } from '../../cells/tidy.ts'
import type { FileKind, Noun } from '../files/file-kind.ts'
import type { Place, Problem, Split } from '../types.ts'

/** The files below a folder, listed once. Files are plain paths, because there may be a million. */
export interface Listing {
  /** Absolute. */
  dir: string
  /** Absolute paths. */
  files: string[]
  /** The bytes of the paths that are not UTF-8, by the index of the file. */
  raw: Map<number, Uint8Array>
  problems: Problem[]
  /** The kind of its samples. */
  fileKind: FileKind
}

/** Places as a listing. */
export function listingOf(
  dir: string,
  places: readonly Place[],
  { problems, fileKind }: Pick<Listing, 'problems' | 'fileKind'>,
): Listing {
  const raw = new Map<number, Uint8Array>()
  const files = places.map((place, i) => {
    if (place.raw) raw.set(i, place.raw)
    return place.file
  })
  return { dir, files, raw, problems, fileKind }
}

/** The path of a file below the folder. */
export const nameIn = ({ dir, files }: Listing, file: number): string => files[file]!.slice(dir.length + 1)

/** The words for each split in the names of folders and in cells. */
export const splitNames: Record<Split, readonly string[]> = {
  train: ['train', 'training'],
  valid: ['valid', 'validation', 'val'],
  test: ['test', 'testing'],
}

/** In the order of training. */
export const splits = ['train', 'valid', 'test'] as const

/** The split that a word names. */
export const splitNamed = (word: string): Split | undefined =>
  splits.find(split => splitNames[split].includes(tidy(word).toLowerCase()))

const collator = new Intl.Collator('en', { numeric: true })

/** Natural order: `9` before `10`. Names that this order treats as equal are ordered by code units. */
export const naturalOrder = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)

/** Finds the first capture group of `pattern` in the file name of a picture. If the pattern contains `/`, it is matched
 *  against the path below the folder (with or without a slash before it). `property`: the option, for errors. */
export function nameMatcher(property: string, pattern: string | RegExp): (file: string) => string | undefined {
  const regex = compiled(property, pattern)
  const groups = new RegExp(`${regex.source}|`, regex.flags).exec('')!.length - 1
  if (groups < 1)
    throw new DataError(
      `${option(property)} ${regex} has no capture group; expected a group around the part of the name to use, such as ^([a-z]+)_.`,
    )
  const onPath = regex.source.includes('/')
  return file => {
    const found = onPath
      ? (regex.exec(file) ?? regex.exec(`/${file}`))
      : regex.exec(file.slice(file.lastIndexOf('/') + 1))
    return found?.[1] || undefined
  }
}

function compiled(property: string, pattern: string | RegExp): RegExp {
  try {
    return typeof pattern === 'string'
      ? new RegExp(pattern)
      : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  } catch (error) {
    throw new DataError(
      `${option(property)} is not a regular expression: ${(error as Error).message}; expected the syntax of JavaScript.`,
      { cause: error },
    )
  }
}

/** Gives each item the group that its name contains (see {@link nameMatcher}). Throws for names without a group. */
export function groupedByName<T extends { file: string }>(
  items: readonly T[],
  { dir, pattern, noun }: { dir: string; pattern: string | RegExp; noun: Noun },
): (T & { group: string })[] {
  const match = nameMatcher('groupRegex', pattern)
  const without: string[] = []
  const grouped = items.map(item => {
    const file = relative(dir, item.file)
    const group = match(file)
    if (group === undefined) without.push(file)
    return { ...item, group: group ?? '' }
  })
  if (without.length > 0)
    throw new DataError(
      `${option('groupRegex')} ${pattern} finds no group in ${plural(without.length, 'name')}: ${without.slice(0, 3).join(', ')}; every ${noun.one} needs a group, because a ${noun.one} without one could be on the wrong side of the split.`,
    )
  return grouped
}

/** Makes a value at the first call, and keeps it. */
export function lazy<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
