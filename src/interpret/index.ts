import { relative } from 'node:path'
import { writeAtomic } from '../base/files.ts'
import { drawChange } from '../data/augment.ts'
import { pictureBatch } from '../data/batch.ts'
import { type Augmentation, type Item, type Picture, preview } from '../data/index.ts'
import type { Interpretation, JudgedPicture, SamplePicture } from '../runs/index.ts'
import { scope } from '../torch/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { argmaxRows, balancedAccuracy, classReport, confusionMatrix } from '../train/metrics.ts'
import { picturesOf, smallJpeg } from './picture.ts'
import { mostCorrect, mostIncorrect } from './ranking.ts'

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
  const judgement = { task: 'single', classes: n, probabilities, targets, losses } as const
  const predicted = argmaxRows(probabilities, n)
  const confusion = confusionMatrix(predicted, targets, n)
  const judged = async (i: number): Promise<JudgedPicture> => ({
    file: relative(dir, items[i]!.file),
    actual: classes[targets[i]!]!,
    predicted: classes[predicted[i]!]!,
    loss: losses[i]!,
    probability: probabilities[i * n + predicted[i]!]!,
    thumbnail: await smallJpeg(picture(items[i]!.picture)),
  })
  const order = (score: (i: number) => number) =>
    Array.from(items.keys())
      .sort((a, b) => score(b) - score(a) || a - b)
      .slice(0, most)
  return {
    classes: [...classes],
    confusion: rows(confusion, n),
    balancedAccuracy: balancedAccuracy(predicted, targets, n),
    mostCorrect: await Promise.all(mostCorrect(judgement, { most }).map(r => judged(r.index))),
    mostIncorrect: await Promise.all(mostIncorrect(judgement, { most }).map(r => judged(r.index))),
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

/** What is to be told of a picture, as words. */
export const answerOf = ({ labels, values }: Item, classes: readonly string[]): string =>
  values
    ? values
        .map((v, i) => (values.length > 1 ? `${classes[i]} ${+v.toPrecision(4)}` : String(+v.toPrecision(4))))
        .join(', ')
    : labels.map(label => classes[label]!).join(', ') || 'no label'

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

/** Writes `interpret.json`. */
export function writeInterpretation(path: string, interpretation: Interpretation): void {
  writeAtomic(path, JSON.stringify(interpretation))
}
