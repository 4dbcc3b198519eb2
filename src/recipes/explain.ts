import { gradCam, overlay } from '../interpret/gradcam.ts'
import { augmentedSamples, interpret } from '../interpret/index.ts'
import { interpretLabels } from '../interpret/labels.ts'
import { interpretNumbers } from '../interpret/numbers.ts'
import { picturesOf, smallJpeg } from '../interpret/picture.ts'
import type { HeatPicture, Interpretation } from '../runs/index.ts'
import { keep, scope } from '../torch/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import type { Prepared } from './prepare.ts'

/** For several labels: from which probability each counts, and the one for all. */
export interface Thresholds {
  threshold: number
  thresholds: readonly number[]
}

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
  const nothing = { classes, task, confusion: [], topLosses: [], mostUncertain: [], perClass: [], samples }
  if (task === 'regression') return { ...nothing, regression: await interpretNumbers(judged, shown) }
  if (task === 'single') {
    const found = await interpret(judged, shown)
    return { ...found, task, samples, heatmaps: await heatMaps(prepared, found.topLosses) }
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
  const x = scope(() =>
    keep(
      valid.batch(
        Uint32Array.from(chosen, p => p.index),
        0,
      ).x,
    ),
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
