import { relative } from 'node:path'
import sharp from 'sharp'
import { writeAtomic } from '../base/files.ts'
import { drawChange } from '../data/augment.ts'
import { pictureBatch } from '../data/batch.ts'
import type { Augmentation, Item, Picture } from '../data/index.ts'
import type { Interpretation, JudgedPicture, SamplePicture } from '../runs/index.ts'
import { scope } from '../torch/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { argmaxRows, classReport, confusionMatrix } from '../train/metrics.ts'

/** A labelled part of the data, with what the net made of it. */
export interface Judged {
  items: readonly Item[]
  evaluation: Evaluation
}

/** Names and pixels of what is judged. */
export interface InterpretOptions {
  /** Files are shown relative to this folder. */
  dir: string
  classes: readonly string[]
  picture(number: number): Picture
  /** How many pictures of each kind. */
  most?: number
}

/** What the net does on validation pictures: confusion matrix, scores of each class, the pictures with the highest loss
 *  and those it is least sure of. Data alone; `report` draws it. */
export async function interpret(
  { items, evaluation }: Judged,
  { dir, classes, picture, most = 12 }: InterpretOptions,
): Promise<Omit<Interpretation, 'samples'>> {
  const n = classes.length
  const { probabilities, losses, targets } = evaluation
  const predicted = argmaxRows(probabilities, n)
  const confusion = confusionMatrix(predicted, targets, n)
  const judged = async (i: number): Promise<JudgedPicture> => ({
    file: relative(dir, items[i]!.file),
    actual: classes[targets[i]!]!,
    predicted: classes[predicted[i]!]!,
    loss: losses[i]!,
    probability: probabilities[i * n + predicted[i]!]!,
    thumbnail: await thumbnail(picture(items[i]!.picture)),
  })
  const order = (score: (i: number) => number) =>
    Array.from(items.keys())
      .sort((a, b) => score(b) - score(a) || a - b)
      .slice(0, most)
  return {
    classes: [...classes],
    confusion: rows(confusion, n),
    topLosses: await Promise.all(order(i => losses[i]!).map(judged)),
    mostUncertain: await Promise.all(order(i => -margin(probabilities.subarray(i * n, (i + 1) * n))).map(judged)),
    perClass: classReport(confusion).classes.map((scores, c) => ({ name: classes[c]!, ...scores })),
  }
}

/** The confusion matrix of an evaluation, row by row: actual classes, then predicted. */
export function confusionRows({ probabilities, targets }: Evaluation, classes: number): number[][] {
  return rows(confusionMatrix(argmaxRows(probabilities, classes), targets, classes), classes)
}
const rows = (matrix: ArrayLike<number>, n: number): number[][] =>
  Array.from({ length: n }, (_, r) => Array.from({ length: n }, (_, c) => matrix[r * n + c]!))

/** How far the most probable class leads the next. */
function margin(p: Float32Array): number {
  const [first = 0, second = 0] = Array.from(p).sort((a, b) => b - a)
  return first - second
}

/** Training pictures as the net sees them: changed, cropped. */
export async function augmentedSamples(
  items: readonly Item[],
  {
    classes,
    picture,
    augmentation,
    size,
    short,
    seed,
    most = 12,
  }: Pick<InterpretOptions, 'classes' | 'picture' | 'most'> & {
    augmentation: Augmentation
    size: number
    short: number
    seed: number
  },
): Promise<SamplePicture[]> {
  const chosen = Array.from({ length: Math.min(most, items.length) }, (_, i) =>
    Math.floor((i * items.length) / Math.min(most, items.length)),
  )
  const pixels = scope(() => {
    const changes = chosen.map(i => drawChange(augmentation, seed, 1, i))
    const x = pictureBatch(
      chosen.map(i => picture(items[i]!.picture)),
      changes,
      { size, short, normalization: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] } },
    )
    return x.permute(0, 2, 3, 1).clamp(0, 255).to('uint8').contiguous().data() as Uint8Array
  })
  const area = size * size * 3
  return Promise.all(
    chosen.map(async (i, k) => ({
      label: classes[items[i]!.labels[0]!]!,
      thumbnail: await thumbnail({ data: pixels.subarray(k * area, (k + 1) * area), height: size, width: size }),
    })),
  )
}

/** A small JPEG in base64. */
async function thumbnail({ data, height, width }: Picture, side = 192): Promise<string> {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 78 })
    .toBuffer()
  return jpeg.toString('base64')
}

/** Writes `interpret.json`. */
export function writeInterpretation(path: string, interpretation: Interpretation): void {
  writeAtomic(path, JSON.stringify(interpretation))
}
