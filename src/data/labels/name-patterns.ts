import { relative } from 'node:path'
import { AnnealError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { FileKind, Noun } from '../files/file-kind.ts'
import type { Place, Problem, Split } from '../types.ts'
import { tidy } from './spelling.ts'

/** The files below a folder, listed once; there may be a million, so plain paths. */
export interface Listing {
  /** Absolute. */
  dir: string
  /** Absolute too. */
  files: string[]
  /** The bytes of those paths that are not UTF-8, by the number of the file. */
  raw: Map<number, Uint8Array>
  problems: Problem[]
  /** What its samples are. */
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

/** The words by which a folder or a cell names a split. */
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

/** Orders names as people count: `9` before `10`; names that read alike by their code units. */
export const naturalOrder = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)

/** Finds the first capture group of `pattern` in a picture's file name or, where the pattern holds a `/`, in its path
 *  below the folder (with or without a slash before it). `property` names it in errors. */
export function nameMatcher(property: string, pattern: string | RegExp): (file: string) => string | undefined {
  const regex = compiled(property, pattern)
  const groups = new RegExp(`${regex.source}|`, regex.flags).exec('')!.length - 1
  if (groups < 1)
    throw new AnnealError(
      `${option(property)} ${regex} has no capture group; expected one around what it finds in a name, such as ^([a-z]+)_.`,
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
    throw new AnnealError(
      `${option(property)} is no regular expression: ${(error as Error).message}; expected one as JavaScript writes it.`,
      { cause: error },
    )
  }
}

/** Gives each item the group that its name tells (see {@link nameMatcher}); refuses names that tell none. */
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
    throw new AnnealError(
      `${option('groupRegex')} ${pattern} finds no group in ${plural(without.length, 'name')}: ${without.slice(0, 3).join(', ')}; every ${noun.one} needs one, as those without could lie on both sides.`,
    )
  return grouped
}

/** Makes a value when it is first asked for. */
export function lazy<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
