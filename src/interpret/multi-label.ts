import { relative } from 'node:path'
import type { LabelledPicture, MultiInterpretation } from '../runs/index.ts'
import {
  averagePrecision,
  classReportMulti,
  column,
  decide,
  multilabelConfusion,
  precisionRecallCurve,
} from '../train/metrics.ts'
import type { InterpretOptions, Judged } from './index.ts'
import { confusedLabels, topLossesByLabel } from './ranking.ts'

/** Points of a drawn curve at most. */
const mostPoints = 200

/** What the net does on pictures with several labels: a 2 × 2 table, average precision and a precision-recall curve for
 *  each label, averages, and the pictures on which each label is most wrong. Data alone; `report` draws it. */
export async function interpretLabels(
  { items, evaluation }: Judged,
  {
    dir,
    classes,
    show,
    threshold,
    thresholds,
    most = 6,
  }: InterpretOptions & { threshold: number; thresholds: readonly number[] },
): Promise<MultiInterpretation> {
  const { probabilities, targets, losses } = evaluation
  const n = classes.length
  const ap = averagePrecision(probabilities, targets, n).classes
  const tables = multilabelConfusion(probabilities, targets, n, { thresholds })
  const report = classReportMulti(probabilities, targets, n, { thresholds, zeroDivision: Number.NaN })
  const decided = decide(probabilities, n, thresholds)
  const named = (values: ArrayLike<number>, i: number) => classes.filter((_, c) => values[i * n + c] === 1)
  const shown = async (i: number, label?: number, loss = losses[i]!): Promise<LabelledPicture> => ({
    file: relative(dir, items[i]!.file),
    actual: named(targets, i),
    predicted: named(decided, i),
    loss,
    ...(label === undefined ? {} : { probability: probabilities[i * n + label]! }),
    thumbnail: await show(items[i]!),
  })
  const ranked = Array.from(items.keys()).sort((a, b) => losses[b]! - losses[a]! || a - b)
  const judgement = { task: 'multi', classes: n, thresholds, probabilities, targets, losses } as const
  const worst = topLossesByLabel(judgement, { most }).slice(0, 40)
  const { classes: rows, ...averages } = report
  return {
    threshold,
    thresholds: [...thresholds],
    perClass: rows.map((scores, c) => ({
      name: classes[c]!,
      ...scores,
      ...tables[c]!,
      ap: Number.isNaN(ap[c]!) ? null : ap[c]!,
      threshold: thresholds[c]!,
    })),
    curves: classes.map((name, c) => ({ name, points: curve(column(probabilities, n, c), column(targets, n, c)) })),
    worst: await Promise.all(
      worst.map(async ({ label, samples }) => ({
        name: classes[label]!,
        pictures: await Promise.all(samples.map(s => shown(s.index, label, s.loss))),
      })),
    ),
    averages,
    confused: confusedLabels(judgement)
      .slice(0, 20)
      .map(({ actual, predicted, count }) => ({
        actual: classes[actual]!,
        predicted: classes[predicted]!,
        count,
      })),
    topLosses: await Promise.all(ranked.slice(0, 12).map(i => shown(i))),
  }
}

/** A precision-recall curve with recall rising, at most `mostPoints` of it. */
function curve(scores: ArrayLike<number>, targets: ArrayLike<number>): [number, number][] {
  const { precision, recall } = precisionRecallCurve(scores, targets)
  const points = recall
    .map((r, i): [number, number] => [r, precision[i]!])
    .filter(p => p.every(Number.isFinite))
    .sort((a, b) => a[0] - b[0] || b[1] - a[1])
  const every = Math.ceil(points.length / mostPoints)
  return points.filter((_, i) => i % every === 0 || i === points.length - 1)
}
