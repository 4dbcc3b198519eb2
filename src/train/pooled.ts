import type { Evaluation } from './evaluate.ts'
import type { Objective } from './objective.ts'
import type { LabelledSource } from './source.ts'

/** The evaluation of whole samples, where a row is a part of one (a window of a recording): the prediction of a sample is
 *  the mean over its rows, as `predict` gives it, and its loss the mean of theirs. Without `source.parts` the evaluation
 *  itself. The metrics are computed again. */
export function pooled(
  evaluation: Evaluation,
  { parts }: Pick<LabelledSource, 'parts'>,
  objective: Pick<Objective, 'names' | 'score' | 'metric' | 'task'>,
): Evaluation {
  if (!parts) return evaluation
  const classes = objective.names.length
  const count = parts.reduce((most, part) => Math.max(most, part + 1), 0)
  const rows = new Float64Array(count)
  for (const part of parts) rows[part]!++
  const mean = <T extends Float32Array | Float64Array>(values: T, width: number): T => {
    const out = new (values.constructor as new (n: number) => T)(count * width)
    for (const [row, part] of parts.entries())
      for (let c = 0; c < width; c++) out[part * width + c]! += values[row * width + c]! / rows[part]!
    return out
  }
  const width = objective.task === 'single' ? 1 : classes
  const targets = evaluation.targets.slice(0, count * width)
  for (const [row, part] of parts.entries())
    for (let c = 0; c < width; c++) targets[part * width + c] = evaluation.targets[row * width + c]!
  const probabilities = mean(evaluation.probabilities, classes)
  const losses = mean(evaluation.losses, 1)
  const metrics = objective.score(probabilities, targets)
  return {
    ...evaluation,
    probabilities,
    logits: mean(evaluation.logits, classes),
    losses,
    targets,
    metrics,
    loss: losses.reduce((sum, loss) => sum + loss, 0) / count,
    score: metrics[objective.metric] ?? Number.NaN,
    accuracy: metrics.accuracy ?? Number.NaN,
  }
}
