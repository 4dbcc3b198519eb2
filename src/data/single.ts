import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AnnealError } from '../base/errors.ts'
import { ASPECT } from './cache.ts'
import { type DecodeOptions, decodeFile } from './decode.ts'
import type { Picture, Place, Problem } from './types.ts'
import { findPictures, toPlace } from './walk.ts'

/** Decodes one file as the cache does; an error names the file and why it can't be used. */
export const loadPicture = (
  place: Place | string,
  { short, interpolation }: Required<Pick<DecodeOptions, 'short'>> & Pick<DecodeOptions, 'interpolation'>,
): Promise<Picture> => decodeFile(place, { short, ...(interpolation && { interpolation }), aspect: ASPECT })

/** The pictures that are meant by files and folders: files as they are, of folders all pictures below, in the order of
 *  their paths. `problems` holds what folders have that is no picture. */
export function listPictures(paths: readonly string[]): { pictures: Place[]; problems: Problem[] } {
  const pictures: Place[] = []
  const problems: Problem[] = []
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat)
      throw new AnnealError(`${path} can not be read: it does not exist; expected a picture or a folder of pictures.`)
    if (!stat.isDirectory()) {
      pictures.push(toPlace(Buffer.from(path)))
      continue
    }
    const found = findPictures(Buffer.from(resolve(path)), Buffer.from(resolve(path)))
    pictures.push(...found.pictures)
    problems.push(...found.problems)
  }
  if (pictures.length === 0)
    throw new AnnealError(
      `no pictures in ${paths.join(', ') || 'an empty list'}; expected a picture or a folder of pictures.`,
    )
  return { pictures, problems }
}
