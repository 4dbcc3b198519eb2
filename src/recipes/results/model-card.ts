import { version } from '../../base/version.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import type { RecipeOptions } from '../options.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Thresholds } from './calibrate.ts'

/** The JSON beside the weights of what was prepared, with how it validated. */
export function modelCard(
  { domain, modelName, objective, preprocessing, precision }: Prepared,
  { hidden = [], dropout = 0.5 }: Pick<RecipeOptions, 'hidden' | 'dropout'>,
  metrics: ModelCard['metrics'],
  more: Pick<ModelCard, 'thresholds' | 'temperature'> = {},
): ModelCard {
  const { task, names } = objective
  return {
    format: 'anneal-classifier',
    version: 1,
    domain: domain.name,
    architecture: modelName,
    head: { hidden, dropout },
    ...(task === 'single' ? {} : { task }),
    classes: names,
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
