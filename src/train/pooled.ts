import type { Evaluation } from './evaluate.ts'
import type { Objective } from './objective.ts'
import { sampleLosses } from './paired-losses.ts'
import { meanByPart, onceByPart } from './parts.ts'
import type { Source } from './source.ts'

export * from './parts.ts'

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
