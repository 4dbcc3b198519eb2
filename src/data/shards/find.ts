import { type Dirent, existsSync, readdirSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { splitNamed } from '../labels/name-patterns.ts'
import type { Split } from '../types.ts'

/** The tars that a path means. */
export interface Shards {
  /** The path as it was given. */
  given: string
  /** Absolute: the folder that all of them lie below. */
  dir: string
  /** Absolute paths, ordered by name. */
  tars: string[]
  /** Whether these are all tars of the folder. */
  whole: boolean
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined // also for a path below a file, as those of members of tars are
  }
}

const isTar = (name: string) => /\.tar$/i.test(name) && !name.startsWith('.')
/** What may lie beside tars: lists of names, indexes, sums. */
const isBeside = /\.(json|txt|md|csv|idx|yaml|sha256)$|^[^.]+$/i
const isPattern = (path: string) => /[*?]|\{\d+\.\.\d+\}/.test(path)

/** The tars that a path means: a tar, a pattern (`shards/*.tar`, `shards/photos-{000000..000012}.tar`), or a folder that holds
 *  tars and neither pictures nor other folders than train, valid and test with tars inside. Undefined for any other path. */
export function shardsAt(path: string): Shards | undefined {
  const stat = statOf(path)
  if (stat?.isDirectory()) return inFolder(path)
  if (stat)
    return isTar(basename(path))
      ? { given: path, dir: dirname(resolve(path)), tars: [resolve(path)], whole: false }
      : undefined
  if (!isPattern(path) || !/\.tar$/i.test(path)) return undefined
  const dir = dirname(resolve(path))
  if (isPattern(dir))
    throw new DataError(
      `${path}: only the name of the tars may have *, ? or {0..9}, not their folder; expected a pattern such as shards/*.tar.`,
    )
  const wanted = expanded(basename(path)).map(asRegex)
  const there = tarsIn(dir)
  const missing = wanted.find(regex => !there.some(name => regex.test(name)))
  if (missing !== undefined)
    throw new DataError(
      `${path} names no tar${wanted.length > 1 ? ` ${missing.source.slice(1, -1).replaceAll('\\', '')}` : ''}: ${existsSync(dir) ? `${dir} holds ${there.slice(0, 5).join(', ') || 'none'}` : `there is no folder ${dir}`}. Check the path.`,
    )
  const tars = there.filter(name => wanted.some(regex => regex.test(name))).map(name => join(dir, name))
  return { given: path, dir, tars, whole: false }
}

function inFolder(path: string): Shards | undefined {
  const dir = resolve(path)
  let entries: Dirent[]
  try {
    entries = readdirSync(dir, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
  } catch {
    return undefined // who reads the folder says why
  }
  const others = entries.filter(entry => entry.isFile() && !isTar(entry.name) && !isBeside.test(entry.name))
  if (others.length > 0) return undefined // pictures, with an archive beside them
  const folders = entries.filter(entry => statOf(join(dir, entry.name))?.isDirectory())
  if (!folders.every(({ name }) => splitNamed(name) !== undefined && tarsIn(join(dir, name)).length > 0))
    return undefined
  const tars = ['', ...folders.map(({ name }) => name)].flatMap(name =>
    tarsIn(join(dir, name)).map(tar => join(dir, name, tar)),
  )
  return tars.length === 0 ? undefined : { given: path, dir, tars: tars.sort(), whole: true }
}

function tarsIn(dir: string): string[] {
  try {
    return readdirSync(dir).filter(isTar).sort()
  } catch {
    return []
  }
}

/** `a-{008..010}.tar` → `a-008.tar`, `a-009.tar`, `a-010.tar`. */
function expanded(pattern: string): string[] {
  const [whole, first, last] = /\{(\d+)\.\.(\d+)\}/.exec(pattern) ?? []
  if (whole === undefined) return [pattern]
  const [from, to] = [Number(first), Number(last)]
  if (to < from || to - from > 1e6)
    throw new DataError(
      `${pattern}: ${whole} is no range; expected two numbers, the smaller one first, such as {000..012}.`,
    )
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(first!.length, '0')).flatMap(
    number => expanded(pattern.replace(whole, number)),
  )
}

const asRegex = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  )

/** Whether there are data at a path: a file, a folder, or the tars of a pattern. */
export const dataExists = (path: string): boolean =>
  existsSync(path) || (isPattern(path) && shardsAt(path) !== undefined)

/** The folder that the names of samples are relative to: the folder itself, or that of the tars. */
export const dataFolder = (path: string): string =>
  isPattern(path) || isTar(basename(path)) ? dirname(resolve(path)) : resolve(path)

/** The part that each tar is for, by a word of its name or its folder (`imagenet-train-000000.tar`, `valid/0.tar`); undefined
 *  if none has such a word, or if all are for training. Throws if some have one and some have none. */
export function splitsOf({ dir, tars, given }: Shards): Split[] | undefined {
  const words = tars.map(tar =>
    tar
      .slice(dir.length + 1)
      .split(/[/\-_.]+/)
      .map(splitNamed)
      .find(split => split !== undefined),
  )
  const kinds = new Set(words)
  if (!kinds.has('train') || kinds.size === 1) return undefined
  const without = words.indexOf(undefined)
  if (without >= 0)
    throw new DataError(
      `${given}: some tars are named train, valid or test, and ${basename(tars[without]!)} is not; expected one of these words in the name of each tar, or of none. Rename it, or name the tars to use: ${join(given, 'train-*.tar')}.`,
    )
  return words as Split[]
}
