import { relative } from 'node:path'
import { writeAtomic } from '../base/files.ts'
import type { Item } from '../data/types.ts'
import type { Interpretation, JudgedPicture } from '../runs/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { argmaxRows, balancedAccuracy, type Confusion, classReport, confusions } from '../train/metrics.ts'
import { margin, mostCorrect, mostIncorrect } from './ranking.ts'

/** A labelled part of the data, with what the net made of it. */
export interface Judged {
  items: readonly Item[]
  evaluation: Evaluation
}

/** Names of what is judged, and how a sample is shown. */
export interface InterpretOptions {
  /** Files are shown relative to this folder. */
  dir: string
  classes: readonly string[]
  /** A small picture of a sample as a JPEG in base64; empty where there is nothing to show. */
  show(item: Item): Promise<string>
  /** How many samples of each kind. */
  most?: number
}

/** What the net does on validation pictures: confusion matrix, scores of each class, the pictures with the highest loss
 *  and those it is least sure of. Data alone; `report` draws it. */
export async function interpret(
  { items, evaluation }: Judged,
  { dir, classes, show, most = 12 }: InterpretOptions,
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
    thumbnail: await show(items[i]!),
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

/** Writes `interpret.json`. */
export function writeInterpretation(path: string, interpretation: Interpretation): void {
  writeAtomic(path, JSON.stringify(interpretation))
}
