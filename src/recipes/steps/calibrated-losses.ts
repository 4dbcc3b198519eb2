import type { Evaluation } from '../../train/evaluate.ts'
import { applyTemperature, fitTemperature } from '../../train/metrics.ts'
import type { Objective } from '../../train/objective.ts'
import { sampleLosses } from '../../train/paired-losses.ts'
import { usualTemperature } from '../results/calibrate.ts'

/** The loss of each validation sample, at the temperature that fits them and the usual one best: among many samples two
 *  nets are compared by what they know, not by how confident they are. Squared or other errors of regression stay as they are. */
export function calibratedLosses(
  { task, names }: Objective,
  { logits, losses, targets }: Pick<Evaluation, 'logits' | 'losses' | 'targets'>,
): Float64Array {
  if (task === 'regression' || !logits.every(Number.isFinite)) return Float64Array.from(losses)
  const classes = names.length
  const { temperature } = fitTemperature(logits, targets, classes, { task, prior: usualTemperature })
  return sampleLosses(applyTemperature(logits, classes, temperature, { task }), targets, classes, { task })
}
