import { relative } from 'node:path'
import { answerOf, augmentedSamples, interpret } from '../../interpret/index.ts'
import { interpretLabels } from '../../interpret/multi-label.ts'
import { interpretNumbers } from '../../interpret/regression.ts'
import type { FeaturePicture, HeatPicture, Interpretation } from '../../runs/index.ts'
import { keep, scope, type Tensor } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import type { Source } from '../../train/source.ts'
import { layerFeatures } from '../../vision/interpret/feature-maps.ts'
import { gradCam, overlay } from '../../vision/interpret/gradcam.ts'
import { keptMaps } from '../../vision/interpret/map-images.ts'
import { picturesOf, smallJpeg } from '../../vision/interpret/picture.ts'
import type { Prepared } from '../prepare/prepare.ts'
import type { Thresholds } from './calibrate.ts'

/** What the net makes of the validation pictures, as evaluated, and how it sees training pictures. */
export async function explain(
  prepared: Prepared,
  evaluation: Evaluation,
  thresholds: Thresholds = { threshold: 0.5, thresholds: prepared.classes.map(() => 0.5) },
): Promise<Interpretation> {
  const { task, source, pictures, classes, augment, preprocessing, seed } = prepared
  const { size, short } = preprocessing
  const shown = { dir: pictures.data.dir, classes, picture: (n: number) => pictures.picture(n) }
  const judged = { items: source('valid').items, evaluation }
  const samples = await augmentedSamples(source('train').items, { ...shown, augmentation: augment, seed, size, short })
  const featureMaps = await featuresOf(prepared, evaluation)
  const seen = { samples, ...(featureMaps.length > 0 ? { featureMaps } : {}) }
  const nothing = { classes, task, confusion: [], topLosses: [], mostUncertain: [], perClass: [], ...seen }
  if (task === 'regression')
    return { ...nothing, regression: await interpretNumbers(judged, { ...shown, scale: prepared.objective.scale }) }
  if (task === 'single') {
    const found = await interpret(judged, shown)
    return { ...found, task, ...seen, heatmaps: await heatMaps(prepared, found.topLosses) }
  }
  const multi = await interpretLabels(judged, { ...shown, ...thresholds })
  return { ...nothing, perClass: multi.perClass, multi }
}

/** Where the net looked: the validation pictures with the highest loss, with Grad-CAM for the class that was told. */
async function heatMaps(
  { net, source, pictures, classes, preprocessing, precision }: Prepared,
  judged: Interpretation['topLosses'],
  most = 8,
): Promise<HeatPicture[]> {
  const valid = source('valid')
  const numbers = new Map(valid.items.map((item, i) => [item.file, i]))
  const chosen = judged.slice(0, most).flatMap(p => {
    const index = numbers.get(`${pictures.data.dir}/${p.file}`)
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

/** What layers make of two validation pictures, those of the lowest and of the highest loss: `most` maps each of an early
 *  layer, one in the middle and the last. */
async function featuresOf(
  { net, source, pictures, classes, preprocessing, precision }: Prepared,
  { losses }: Evaluation,
  most = 6,
): Promise<FeaturePicture[]> {
  const valid = source('valid')
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
          file: relative(pictures.data.dir, file),
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

/** Validation pictures as the net takes them: [N, C, H, W], to be disposed. */
const inputOf = (source: Source, indices: readonly number[]): Tensor =>
  scope(() => keep(source.batch(Uint32Array.from(indices), 0).x))
