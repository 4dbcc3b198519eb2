import type { Evaluation } from './evaluate.ts'
import type { Objective } from './objective.ts'
import { sampleLosses } from './paired-losses.ts'
import type { Source } from './source.ts'

/** The number of each row's sample, from 0; undefined where each row is a whole sample. */
export type Parts = Source['parts']

type Numbers = Float32Array | Float64Array | Int32Array

/** How many samples the rows belong to. */
const samplesIn = (parts: Uint32Array): number => parts.reduce((most, part) => Math.max(most, part + 1), 0)

/** The mean over the rows of each sample. values: [rows × width] → [samples × width]; without parts the values
 *  themselves. */
export function meanByPart<T extends Float32Array | Float64Array>(values: T, parts: Parts, width = 1): T {
  if (!parts) return values
  const count = samplesIn(parts)
  const rows = new Float64Array(count)
  for (const part of parts) rows[part]!++
  const sums = new Float64Array(count * width)
  for (const [row, part] of parts.entries())
    for (let c = 0; c < width; c++) sums[part * width + c]! += values[row * width + c]!
  return new (values.constructor as new (from: Float64Array) => T)(
    sums.map((sum, i) => sum / rows[Math.floor(i / width)]!),
  )
}

/** What all rows of a sample share, such as its target: [rows × width] → [samples × width]. */
export function onceByPart<T extends Numbers>(values: T, parts: Parts, width = 1): T {
  if (!parts) return values
  const out = values.slice(0, samplesIn(parts) * width) as T
  for (const [row, part] of parts.entries())
    for (let c = 0; c < width; c++) out[part * width + c] = values[row * width + c]!
  return out
}

/** The first row of each sample. */
export function firstOfParts<T>(rows: readonly T[], parts: Parts): readonly T[] {
  if (!parts) return rows
  const first: T[] = new Array(samplesIn(parts))
  for (const [row, part] of parts.entries()) first[part] ??= rows[row]!
  return first
}

/** The evaluation of whole samples, where a row is a part of one (a window of a recording): the prediction of a sample is
 *  the mean over its rows, as `predict` gives it, and its loss that of this prediction; for regression the mean of the
 *  losses of its rows. Without `parts` the evaluation itself. The metrics are computed again. */
export function pooled(
  evaluation: Evaluation,
  { parts }: Pick<Source, 'parts'>,
  objective: Pick<Objective, 'names' | 'score' | 'metric' | 'task'>,
): Evaluation {
  if (!parts) return evaluation
  const classes = objective.names.length
  const targets = onceByPart(evaluation.targets, parts, objective.task === 'single' ? 1 : classes)
  const probabilities = meanByPart(evaluation.probabilities, parts, classes)
  const { task } = objective
  const losses =
    task === 'regression'
      ? meanByPart(evaluation.losses, parts)
      : Float32Array.from(sampleLosses(probabilities, targets, classes, { task }))
  const metrics = objective.score(probabilities, targets)
  return {
    ...evaluation,
    probabilities,
    logits: meanByPart(evaluation.logits, parts, classes),
    losses,
    targets,
    metrics,
    loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    score: metrics[objective.metric] ?? Number.NaN,
    accuracy: metrics.accuracy ?? Number.NaN,
  }
}
