import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileReason, ImageError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { findSamples, toPlace } from '../../data/labels/list-files.ts'
import { shardsAt } from '../../data/shards/find.ts'
import { picturesInTars } from '../../data/shards/from-shards.ts'
import { nameInTar } from '../../data/shards/members.ts'
import type { Place, Problem } from '../../data/types.ts'
import { ASPECT } from '../cache/cache.ts'
import { groupBands, withBands } from '../channel-files.ts'
import type { Picture } from '../types.ts'
import { type ChannelMode, decode, decodeFile, decodeRaster } from './decode.ts'
import { pictureFiles } from './formats.ts'
import type { Raster } from './raster.ts'

/** The format that a trained model expects of a picture; the preprocessing of a saved model has these fields. */
export interface LoadOptions {
  /** The short side in pixels; smaller pictures are left as they are. */
  short: number
  interpolation?: 'bilinear' | 'bicubic'
  /** How channels are decoded. Default: `rgb`. */
  mode?: ChannelMode
  range?: readonly [low: number, high: number] | undefined
  /** How many channels there must be. */
  channels?: number | undefined
  /** Endings of the names of a picture's files, if each channel has its own file. */
  bands?: readonly string[] | undefined
}

/** Decodes one file as the cache does, with the files of its other channels; an error names the file and why it can't
 *  be used. */
export async function loadPicture(
  place: Place | string,
  { short, interpolation = 'bilinear', mode = 'rgb', range, channels, bands = [] }: LoadOptions,
): Promise<Picture> {
  const whole = withBands(typeof place === 'string' ? { file: place } : place, bands)
  const picture = await decodeFile(whole, { short, interpolation, aspect: ASPECT, channels: mode, range })
  checkChannelCount(picture, whole.file, { channels })
  return picture
}

/** Decodes the bytes of one file, or raw pixels, as `loadPicture` decodes a file; errors begin with `name`. */
export async function loadContent(
  content: Uint8Array | Raster,
  name: string,
  { short, interpolation = 'bilinear', mode = 'rgb', range, channels, bands = [] }: LoadOptions,
): Promise<Picture> {
  const isFile = content instanceof Uint8Array
  if (isFile && bands.length > 1)
    throw new ImageError(
      `${name}: the model was trained on pictures with one file per channel (${bands.join(', ')}). Give the path of one of the files, or all channels as raw pixels { data, width, height, channels: ${channels ?? bands.length} }.`,
    )
  const options = { short, interpolation, aspect: ASPECT, channels: mode, range }
  let picture: Picture
  try {
    picture = await (isFile
      ? decode(content, options)
      : decodeRaster(content, { ...options, stacked: bands.length > 1 }))
  } catch (error) {
    throw new ImageError(`${name} is no picture that can be used: ${fileReason(error)}.`, { cause: error })
  }
  checkChannelCount(picture, name, { channels })
  return picture
}

/** Throws if a picture does not have the number of channels that a model was trained on. */
export function checkChannelCount(
  { channels: got = 3 }: Picture,
  file: string,
  { channels }: Pick<LoadOptions, 'channels'>,
): void {
  if (channels !== undefined && got !== channels)
    throw new ImageError(
      `${file} has ${plural(got, 'channel')}; the model was trained on ${channels}. Use pictures like those of its training.`,
    )
}

/** Lists the pictures of these files and folders: each file, and all pictures below each folder or in each tar in the order of
 *  their paths. With `bands` (endings of names) the files of one picture are joined. `problems` lists the files in folders
 *  that are not pictures. */
export function listPictures(
  paths: readonly string[],
  { bands = [] }: { bands?: readonly string[] | undefined } = {},
): { pictures: Place[]; problems: Problem[] } {
  const pictures: Place[] = []
  const problems: Problem[] = []
  const given = new Set<string>()
  for (const path of paths) {
    const shards = shardsAt(path)
    if (shards) {
      for (const file of picturesInTars(shards, pictureFiles)) pictures.push({ file })
      continue
    }
    if (nameInTar(path) !== undefined) {
      pictures.push({ file: path }) // one picture in a tar
      continue
    }
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat)
      throw new ImageError(`${path} can not be read: it does not exist; expected a picture or a folder of pictures.`)
    if (!stat.isDirectory()) {
      const place = wholePlace(toPlace(Buffer.from(path)), bands)
      if (bands.length === 0 || !given.has(place.file)) pictures.push(place)
      given.add(place.file)
      continue
    }
    const found = findSamples(Buffer.from(resolve(path)), Buffer.from(resolve(path)), pictureFiles)
    const joined = bands.length > 0 ? groupBands(found.samples, bands) : { places: found.samples, problems: [] }
    for (const picture of joined.places) pictures.push(picture) // may be more than a call takes arguments
    for (const problem of found.problems.concat(joined.problems)) problems.push(problem)
  }
  if (pictures.length === 0) {
    const why = problems.find(problem => problem.counted) ?? problems[0]
    const found = why ? ` (${plural(problems.length, 'file')} can not be used; ${why.file}: ${why.reason})` : ''
    throw new ImageError(
      `no pictures in ${paths.join(', ') || 'an empty list'}${found}; expected a picture or a folder of pictures.`,
    )
  }
  return { pictures, problems }
}

/** A file with the files of its other channels; alone if one is missing, which is reported when the picture is
 *  loaded. */
function wholePlace(place: Place, bands: readonly string[]): Place {
  try {
    return withBands(place, bands)
  } catch {
    return place
  }
}
