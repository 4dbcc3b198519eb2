import type { FitTableOptions } from '../../types.ts'
import { fitLearned, type LearnedRecipe } from '../learned/fit.ts'
import { Tabm, type TabmCard, tabm } from './model.ts'

/** The settings of TabM's authors. */
const recipe: LearnedRecipe<TabmCard> = {
  kind: tabm,
  epochsFor: () => 256, // it ends before
  batchSizeFor: rows => (rows < 2800 ? 32 : rows < 4500 ? 64 : rows < 6400 ? 128 : rows < 32_000 ? 256 : 512),
  schedule: 'constant',
  lr: 2e-3,
  learning: { optimizer: 'adamw', weightDecay: 3e-4, gradClip: 1 },
  patience: 16,
  members: true,
}

/** Trains TabM at a constant rate until the validation loss has not fallen for 16 epochs. Keeps the weights of the epoch with the
 *  lowest one. The same rows, seed, threads and options give the same bits. */
export const fitTabm = (options: FitTableOptions): Promise<Tabm> =>
  fitLearned(recipe, options, (net, card) => new Tabm(net, card, options.train.y))
