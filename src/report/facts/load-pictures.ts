import { existsSync, realpathSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { mapKey, mapPicture } from '../sections/map-images.ts'
import { mostPictures } from '../sections/pictures.ts'
import type { Facts } from './facts.ts'

const largest = 40_000 // bytes of a picture that goes into the page as it is
const side = 224 // px

/** The pictures of a run as data URIs, by the `thumbnail` that stands in the file. One that can't be read is
 *  left out. Nothing outside the run folder is opened. */
export async function loadPictures(dir: string, facts: Facts): Promise<Map<string, string>> {
  const wanted = new Set(thumbnails(facts).filter(t => typeof t === 'string' && t !== ''))
  const loaded = new Map<string, string>()
  for (const thumbnail of wanted) {
    const uri = await dataUri(dir, thumbnail)
    if (uri) loaded.set(thumbnail, uri)
  }
  for (const layer of facts.featureMaps.flatMap(p => p.layers))
    for (const { data } of layer.maps) loaded.set(mapKey(layer, data), await mapPicture(layer, data))
  return loaded
}

/** The thumbnails of all pictures that the page may show. */
function thumbnails(facts: Facts): string[] {
  const { topLosses, mostUncertain, mostCorrect, mostIncorrect, samples, heatmaps, sounds, labelIssues, multi } = facts
  const lists: readonly { thumbnail: string }[][] = [
    ...[topLosses, mostUncertain, mostCorrect, mostIncorrect, samples, heatmaps, sounds, labelIssues],
    facts.featureMaps,
    ...[multi?.topLosses ?? [], facts.regression?.worst ?? []],
    ...(multi?.worst ?? []).map(w => w.pictures.slice(0, 12)),
    ...facts.nearDuplicates.map(group => group.pictures),
  ]
  const shown = lists.flatMap(list => list.slice(0, mostPictures).map(p => p.thumbnail))
  return [...shown, ...[...heatmaps, ...sounds].slice(0, mostPictures).map(p => p.overlay)]
}

async function dataUri(dir: string, thumbnail: string): Promise<string | undefined> {
  try {
    const data = /^\/9j\/[\w+/=]+$/.test(thumbnail)
      ? Buffer.from(thumbnail, 'base64')
      : await readInside(dir, thumbnail)
    if (!data) return undefined
    const isJpeg = data[0] === 0xff && data[1] === 0xd8
    const small = isJpeg && data.byteLength <= largest ? data : await shrink(data)
    return `data:image/jpeg;base64,${small.toString('base64')}`
  } catch {
    return undefined // a picture that is gone or damaged must not cost the page
  }
}

async function readInside(dir: string, path: string): Promise<Buffer | undefined> {
  const file = resolve(dir, path)
  if (!existsSync(file) || !statSync(file).isFile()) return undefined
  return realpathSync(file).startsWith(realpathSync(dir) + sep) ? readFile(file) : undefined
}

async function shrink(data: Buffer): Promise<Buffer> {
  const { default: sharp } = await import('sharp')
  const fit = { width: side, height: side, fit: 'inside' as const, withoutEnlargement: true }
  return sharp(data).rotate().resize(fit).flatten({ background: '#fff' }).jpeg({ quality: 80 }).toBuffer()
}
