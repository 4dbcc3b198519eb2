import { onOneThread, optim } from '../../../torch/index.ts'
import type { FitTableOptions } from '../../types.ts'
import { batchSizeFor } from '../batch-size.ts'
import { fitLearned, type LearnedRecipe } from '../learned/fit.ts'
import { Mlp, type MlpCard, mlp } from './model.ts'

/** Epochs by the number of training rows. */
const epochsFor = (rows: number): number => (rows <= 30_000 ? 30 : rows <= 100_000 ? 20 : rows <= 300_000 ? 10 : 5)

const recipe: LearnedRecipe<MlpCard> = {
  kind: mlp,
  epochsFor,
  batchSizeFor,
  schedule: 'one-cycle',
  // fastai's Adam.
  learning: { optimizer: groups => optim.adamw(groups, { betas: [0.9, 0.99], eps: 1e-5 }) },
  // Waking other threads costs more than they save for layers as small as these.
  run: fit => onOneThread(fit),
}

/** Trains fastai's TabularModel by one cycle. Default rate: the rate finder's. Keeps the weights of the epoch with the lowest
 *  validation loss. The same rows, seed, threads and options give the same bits. */
export const fitMlp = (options: FitTableOptions): Promise<Mlp> =>
  fitLearned(recipe, options, (net, card) => new Mlp(net, card, options.train.y))
