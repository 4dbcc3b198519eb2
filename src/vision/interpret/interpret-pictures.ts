import { relative } from 'node:path'
import type { Item } from '../../data/types.ts'
import type { Trained } from '../../domain/index.ts'
import { answerOf } from '../../interpret/index.ts'
import type { FeaturePicture, HeatPicture, Interpretation, SamplePicture } from '../../runs/index.ts'
import { keep, scope, type Tensor } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import type { LabelledSource, Source } from '../../train/source.ts'
import { type Augmentation, drawChange } from '../augment/index.ts'
import { pictureBatch } from '../batch.ts'
import { preview } from '../decode/preview.ts'
import type { Preprocessing } from '../inference/saved.ts'
import type { Picture, Item as PictureItem } from '../types.ts'
import { layerFeatures } from './feature-maps.ts'
import { gradCam, overlay } from './gradcam.ts'
import { keptMaps } from './map-images.ts'
import { picturesOf, smallJpeg } from './picture.ts'

/** The pictures of a run, as inputs of its network. */
export interface Shown {
  /** Files are shown relative to this folder. */
  dir: string
  preprocessing: Preprocessing
  valid: LabelledSource & { items: readonly Item[] }
}

/** Interprets validation pictures: Grad-CAM of those with the highest loss, and the feature maps of two. */
export async function interpretPictures(
  trained: Trained,
  { losses }: Evaluation,
  found: Interpretation,
  shown: Shown,
): Promise<Partial<Interpretation>> {
  const featureMaps = await featuresOf(trained, shown, losses)
  return {
    ...(featureMaps.length > 0 ? { featureMaps } : {}),
    ...(found.task === 'single' || found.task === undefined
      ? { heatmaps: await heatMaps(trained, shown, found.topLosses) }
      : {}),
  }
}

/** Training pictures as the net sees them: augmented and cropped. */
export async function augmentedSamples(
  items: readonly PictureItem[],
  {
    classes,
    picture,
    augmentation,
    size,
    short,
    seed,
    most = 12,
  }: {
    classes: readonly string[]
    picture(number: number): Picture
    augmentation: Augmentation
    size: number
    short: number
    seed: number
    /** How many pictures. */
    most?: number
  },
): Promise<SamplePicture[]> {
  const chosen = Array.from({ length: Math.min(most, items.length) }, (_, i) =>
    Math.floor((i * items.length) / Math.min(most, items.length)),
  )
  const changed = scope(() => {
    const changes = chosen.map(i => drawChange(augmentation, seed, 1, i))
    const shown = chosen.map(i => preview(picture(items[i]!.picture)))
    const plain = { mean: [0, 0, 0], std: [1, 1, 1] }
    return picturesOf(pictureBatch(shown, changes, { size, short, normalization: plain }), plain)
  })
  return Promise.all(
    chosen.map(async (i, k) => ({
      label: answerOf(items[i]!, classes),
      thumbnail: await smallJpeg(changed[k]!),
    })),
  )
}

/** The validation pictures with the highest loss, with Grad-CAM for the predicted class. */
async function heatMaps(
  { net, classes, precision }: Trained,
  { valid, dir, preprocessing }: Shown,
  judged: Interpretation['topLosses'],
  most = 8,
): Promise<HeatPicture[]> {
  const numbers = new Map(valid.items.map((item, i) => [item.file, i]))
  const chosen = judged.slice(0, most).flatMap(p => {
    const index = numbers.get(`${dir}/${p.file}`)
    return index === undefined ? [] : [{ ...p, index }]
  })
  if (chosen.length === 0) return []
  const x = inputOf(
    valid,
    chosen.map(p => p.index),
  )
  try {
    const told = chosen.map(p => classes.indexOf(p.predicted))
    const { maps, height, width } = gradCam(net, x, told, { precision })
    const crops = picturesOf(x, preprocessing)
    const area = height * width
    return await Promise.all(
      chosen.map(async ({ index, ...p }, i) => ({
        ...p,
        thumbnail: await smallJpeg(crops[i]!),
        overlay: await smallJpeg(overlay(crops[i]!, maps.subarray(i * area, (i + 1) * area))),
        of: p.predicted,
      })),
    )
  } finally {
    x.dispose()
  }
}

/** Layer outputs for two validation pictures, those with the lowest and the highest loss: `most` maps each of an early
 *  layer, one in the middle and the last. */
async function featuresOf(
  { net, classes, precision }: Trained,
  { valid, dir, preprocessing }: Shown,
  losses: Float32Array,
  most = 6,
): Promise<FeaturePicture[]> {
  const order = Array.from(losses.keys()).sort((a, b) => losses[a]! - losses[b]!)
  return Promise.all(
    [...new Set([...order.slice(0, 1), ...order.slice(-1)])].map(async index => {
      const x = inputOf(valid, [index])
      try {
        const found = layerFeatures(net, x, { channels: most, precision })
        const layers = [...new Set([found.at(0), found.at(found.length >> 1), found.at(-1)])].filter(
          l => l !== undefined,
        )
        const { file, ...item } = valid.items[index]!
        return {
          file: relative(dir, file),
          label: answerOf({ file, ...item }, classes),
          thumbnail: await smallJpeg(picturesOf(x, preprocessing)[0]!),
          layers: layers.map(layer => keptMaps(layer)),
        }
      } finally {
        x.dispose()
      }
    }),
  )
}

/** Validation pictures as inputs of the net: [N, C, H, W]; the caller disposes it. */
const inputOf = (source: Source, indices: readonly number[]): Tensor =>
  scope(() => keep(source.batch(Uint32Array.from(indices), 0).x))
