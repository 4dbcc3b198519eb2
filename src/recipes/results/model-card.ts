import { version } from '../../base/version.ts'
import type { ModelCard } from '../../vision/inference/saved.ts'
import type { TrainOptions } from '../options.ts'
import type { Prepared } from '../prepare/prepare.ts'
import type { Thresholds } from './calibrate.ts'

/** The JSON beside the weights of what was prepared, with how it validated. */
export function modelCard(
  { modelName, task, objective, classes, preprocessing, precision }: Prepared,
  { hidden = [], dropout = 0.5 }: Pick<TrainOptions, 'hidden' | 'dropout'>,
  metrics: ModelCard['metrics'],
  more: Pick<ModelCard, 'thresholds' | 'temperature'> = {},
): ModelCard {
  return {
    format: 'anneal-classifier',
    version: 1,
    architecture: modelName,
    head: { hidden, dropout },
    ...(task === 'single' ? {} : { task }),
    classes,
    preprocessing,
    ...more,
    ...(objective.scale ? { scale: objective.scale } : {}),
    precision,
    metrics,
    anneal: version(),
  }
}

/** Temperature and thresholds as a card has them: none where they are the usual ones. */
export const decisions = ({
  temperature,
  thresholds,
}: {
  temperature: number
  thresholds?: Thresholds | undefined
}): Pick<ModelCard, 'thresholds' | 'temperature'> => ({
  ...(temperature === 1 ? {} : { temperature }),
  ...(thresholds ? { thresholds: thresholds.thresholds } : {}),
})
