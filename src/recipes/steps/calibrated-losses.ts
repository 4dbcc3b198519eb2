import type { Evaluation } from '../../train/evaluate.ts'
import { applyTemperature, fitTemperature } from '../../train/metrics.ts'
import type { Objective } from '../../train/objective.ts'
import { sampleLosses } from '../../train/paired-losses.ts'
import { meanByPart, onceByPart, type Parts } from '../../train/pooled.ts'
import { usualTemperature } from '../results/calibrate.ts'

/** The loss of each validation sample, at the temperature that fits them and the usual one best: among many samples two
 *  nets are compared by what they know, not by how confident they are. Squared or other errors of regression stay as they are.
 *  `parts`: of samples with several rows; the loss is then that of the mean of their probabilities. */
export function calibratedLosses(
  { task, names }: Objective,
  { logits, losses, targets }: Pick<Evaluation, 'logits' | 'losses' | 'targets'>,
  parts?: Parts,
): Float64Array {
  if (task === 'regression' || !logits.every(Number.isFinite)) return meanByPart(Float64Array.from(losses), parts)
  const classes = names.length
  const { temperature } = fitTemperature(logits, targets, classes, { task, prior: usualTemperature, parts })
  const told = meanByPart(applyTemperature(logits, classes, temperature, { task }), parts, classes)
  return sampleLosses(told, onceByPart(targets, parts, task === 'single' ? 1 : classes), classes, { task })
}
