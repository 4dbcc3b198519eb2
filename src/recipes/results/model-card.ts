import { version } from '../../base/version.ts'
import { savedComputing } from '../../train/saved-computing.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import type { RecipeOptions } from '../options.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Thresholds } from './calibrate.ts'

/** The model card, saved as JSON beside the weights: what was prepared, and its validation results. */
export function modelCard(
  { domain, modelName, objective, preprocessing, precision, by, device }: Prepared,
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
    ...savedComputing(by.step, device),
    metrics,
    anneal: version(),
  }
}

/** Temperature and thresholds as a card has them; default values are left out. */
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
