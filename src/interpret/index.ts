import { relative } from 'node:path'
import { writeAtomic } from '../base/files.ts'
import type { Interpretation, JudgedPicture, SamplePicture } from '../runs/index.ts'
import { scope } from '../torch/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { argmaxRows, balancedAccuracy, type Confusion, classReport, confusions } from '../train/metrics.ts'
import { drawChange } from '../vision/augment/index.ts'
import { pictureBatch } from '../vision/batch.ts'
import { type Augmentation, type Item, type Picture, preview } from '../vision/index.ts'
import { picturesOf, smallJpeg } from '../vision/interpret/picture.ts'
import { margin, mostCorrect, mostIncorrect } from './ranking.ts'

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
  const judged = async (i: number): Promise<JudgedPicture> => ({
    file: relative(dir, items[i]!.file),
    actual: classes[targets[i]!]!,
    predicted: classes[predicted[i]!]!,
    loss: losses[i]!,
    probability: probabilities[i * n + predicted[i]!]!,
    thumbnail: await smallJpeg(picture(items[i]!.picture)),
  })
  const order = (scores: ArrayLike<number>) =>
    Array.from(items.keys())
      .sort((a, b) => scores[b]! - scores[a]! || a - b)
      .slice(0, most)
  const margins = Float64Array.from(predicted, (_, i) => -margin(probabilities.subarray(i * n, (i + 1) * n)))
  return {
    classes: [...classes],
    confusion: confusions(predicted, targets, n),
    balancedAccuracy: balancedAccuracy(predicted, targets, n),
    mostCorrect: await Promise.all(mostCorrect(judgement, { most }).map(r => judged(r.index))),
    mostIncorrect: await Promise.all(mostIncorrect(judgement, { most }).map(r => judged(r.index))),
    topLosses: await Promise.all(order(losses).map(judged)),
    mostUncertain: await Promise.all(order(margins).map(judged)),
    perClass: classReport(predicted, targets, n, { zeroDivision: Number.NaN }).classes.map((scores, c) => ({
      name: classes[c]!,
      ...scores,
    })),
  }
}

/** The confusion matrix of an evaluation, by its cells that are not 0. */
export const confusionsOf = ({ probabilities, targets }: Evaluation, classes: number): Confusion[] =>
  confusions(argmaxRows(probabilities, classes), targets, classes)

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
