import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'
import { ImageError } from '../base/errors.ts'
import { setting } from '../base/options.ts'
import { isSample, listFolder, toPlace } from '../data/labels/list-files.ts'
import type { Place, Problem } from '../data/types.ts'
import { pictureFiles } from './decode/formats.ts'

/** The part of a picture that a file holds, by its name. */
interface Part {
  /** Folder and name without the suffix. */
  stem: string
  suffix: number
}

/** Checks the endings of file names that name the channels (`_DAPI`, `_GFP`). */
export function checkSuffixes(suffixes: readonly string[]): void {
  const wrong = suffixes.find((suffix, i) => suffix.includes('/') || suffixes.indexOf(suffix) !== i)
  if (suffixes.length > 1 && wrong === undefined) return
  throw new ImageError(
    `channel files need two or more different endings of their names, before the dot; got ${suffixes.map(s => `"${s}"`).join(', ') || 'none'}. Try ${setting('channelFiles', ['_DAPI', '_GFP'])}.`,
  )
}

/** The longest suffix that a file's name ends with, before its extension. */
function partOf(file: string, suffixes: readonly string[]): Part | undefined {
  const stem = basename(file, extname(file))
  const fitting = suffixes.filter(suffix => stem.endsWith(suffix))
  if (fitting.length === 0) return undefined
  const longest = fitting.reduce((best, suffix) => (suffix.length > best.length ? suffix : best))
  return { stem: join(dirname(file), stem.slice(0, stem.length - longest.length)), suffix: suffixes.indexOf(longest) }
}

/** Joins files that hold one channel each into pictures: with the suffixes `_DAPI` and `_GFP`, `cell1_DAPI.tif` and
 *  `cell1_GFP.tif` become one place; its `file` is the first and its `bands` are the others, in the order of the
 *  suffixes. A picture with a missing file is left out and listed in `problems`, as is a file whose name has none of
 *  the endings. There, paths are relative to `dir` if it is given. */
export function groupBands(
  places: readonly Place[],
  suffixes: readonly string[],
  dir?: string,
): { places: Place[]; problems: Problem[] } {
  checkSuffixes(suffixes)
  const problems: Problem[] = []
  const report = (kind: 'missing' | 'not-a-picture' | 'duplicate', file: string, reason: string) =>
    problems.push({ kind, file: dir ? relative(dir, file) : file, reason, kept: false, counted: kind === 'missing' })
  const groups = new Map<string, (Place | undefined)[]>()
  for (const place of places) {
    const part = partOf(place.file, suffixes)
    if (!part) {
      report('not-a-picture', place.file, `its name ends with none of ${suffixes.join(', ')}`)
      continue
    }
    const group = groups.get(part.stem) ?? new Array<Place | undefined>(suffixes.length).fill(undefined)
    groups.set(part.stem, group)
    const before = group[part.suffix]
    if (before) report('duplicate', place.file, `${basename(before.file)} is this channel already`)
    else group[part.suffix] = place
  }
  const joined: Place[] = []
  for (const [stem, group] of groups) {
    const [first, ...bands] = group
    const there = group.find(place => place !== undefined)!
    const absent = suffixes.filter((_, i) => !group[i])
    for (const suffix of absent)
      report(
        'missing',
        `${stem}${suffix}${extname(there.file)}`,
        `this channel of ${basename(there.file)} is not there`,
      )
    if (absent.length === 0) joined.push(bands.length > 0 ? { ...first!, bands: bands as Place[] } : first!)
  }
  return { places: joined, problems }
}

/** The whole picture of a file that holds one channel; the other files are beside it. Throws if one is missing. */
export function withBands(place: Place, suffixes: readonly string[]): Place {
  if (place.bands || suffixes.length === 0) return place
  checkSuffixes(suffixes)
  const part = partOf(place.file, suffixes)
  if (!part)
    throw new ImageError(
      `${place.file}: the model was trained on pictures with one file per channel, whose names end with ${suffixes.join(', ')}; this name has none of these endings.`,
    )
  const path = place.raw ? Buffer.from(place.raw) : Buffer.from(place.file)
  const folder = Buffer.from(dirname(path.toString('latin1')), 'latin1')
  const beside = existsSync(folder)
    ? listFolder(folder)
        .filter(
          ({ type, name }) => type === 'file' && partOf(join(dirname(place.file), name), suffixes)?.stem === part.stem,
        )
        .filter(({ path }) => isSample(path, pictureFiles))
        .map(({ path }) => toPlace(path))
    : []
  const { places, problems } = groupBands(beside, suffixes)
  if (places[0]) return places[0]
  const missing = problems.find(({ kind }) => kind === 'missing')
  throw new ImageError(
    `${place.file}: ${missing ? `${missing.file} is not there` : 'it is no picture or is not there'}; the model was trained on pictures with one file per channel (${suffixes.join(', ')}).`,
  )
}

/** Joins the items of an index with one file per channel: all items of a picture become one (`groupBands`). */
export function joinBands<I extends { dir: string; items: (Place & object)[]; problems: Problem[] }>(
  index: I,
  suffixes: readonly string[],
): I {
  const { places, problems } = groupBands(index.items, suffixes, index.dir)
  const joined = new Map(places.map(place => [place.file, place.bands]))
  const items = index.items.flatMap(item => {
    const bands = joined.get(item.file)
    return bands ? [{ ...item, bands }] : []
  })
  return { ...index, items, problems: [...index.problems, ...problems] }
}
