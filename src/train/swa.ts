import { TrainingError } from '../base/errors.ts'
import { epochOrder, trainingBatches } from '../data/sampler.ts'
import { aten, autocast, keep, type nn, noGrad, scope, type Tensor } from '../torch/index.ts'
import { WeightAverage } from './ema.ts'
import type { Precision, Trainable } from './network.ts'
import type { Source } from './source.ts'
import { turn } from './stop.ts'

/** Stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407): the equal mean of a net's weights at the ends
 *  of cycles or epochs, from a start on. BatchNorm statistics that were updated in training must be computed again
 *  (`recomputeBatchNorm`); those that were kept need not. */
export class WeightMean extends WeightAverage {
  /** The number of weights in the mean. */
  count = 0

  constructor(net: nn.Module) {
    super(net, 1)
  }
  /** Adds the current weights. */
  override update(): void {
    this.blend(this.count / (this.count + 1))
    this.count++
  }
  /** Restores a mean of `count` weights. */
  override restore(tensors: ReadonlyMap<string, Tensor>, count = 1): void {
    super.restore(tensors)
    this.count = tensors.size > 0 ? count : 0
  }
}

/** How the statistics are computed again. */
export interface BatchNormOptions {
  batchSize?: number
  precision?: Precision
  /** The seed of the order of samples; they are shuffled, since a batch must hold all kinds. */
  seed?: number
  /** The source's epoch. */
  epoch?: number
  /** Puts the net into training mode; BatchNorm that it leaves in eval keeps its statistics. Default: all modules
   *  train. */
  trainMode?: () => void
  signal?: AbortSignal | undefined
}

/** Computes the running statistics of BatchNorm again for the weights that are in the net, by one pass over the source:
 *  the plain mean over batches, as torch.optim.swa_utils.update_bn, but without dropout. Returns for how many modules
 *  it did so; 0 if all keep their statistics, and then nothing runs. If it is stopped, all statistics are restored. */
export async function recomputeBatchNorm(
  network: Trainable,
  source: Source,
  {
    batchSize = 32,
    precision = 'float32',
    seed = 42,
    epoch = 1,
    trainMode = () => void network.net.train(),
    signal,
  }: BatchNormOptions = {},
): Promise<number> {
  trainMode()
  const modules = Array.from(network.net.modules(), ([, m]) => m)
  for (const m of modules) if (m.kind === 'Dropout') m.training = false
  const norms = [...new Set(modules)].filter(m => m.kind.startsWith('BatchNorm') && m.training)
  if (norms.length > 0 && source.count < 2)
    throw new TrainingError(`BatchNorm needs at least 2 samples for its statistics, got ${source.count}`)
  const tallies = norms.map(tally)
  let whole = false
  try {
    for (const samples of norms.length > 0 ? trainingBatches(epochOrder(source.count, seed, epoch), batchSize) : []) {
      noGrad(() =>
        scope(() => {
          const { x } = source.batch(samples, epoch)
          autocast(precision, () => network.net(x), network)
        }),
      )
      await turn(signal)
    }
    whole = true
  } finally {
    for (const t of tallies) t.end(whole)
    network.net.eval()
  }
  return norms.length
}

/** Collects a module's statistics per batch from now on; `end` writes their mean into the module, or the values from
 *  before. */
function tally(norm: nn.Module) {
  const { running_mean, running_var, num_batches_tracked } = norm.own.buffers
  const buffers = [running_mean!, running_var!, num_batches_tracked!] as const
  const { before, mean, variance } = scope(() =>
    keep({
      before: buffers.map(t => t.clone()),
      mean: running_mean!.clone().zero_(),
      variance: running_var!.clone().zero_(),
    }),
  )
  let batches = 0
  const remove = norm.onForward((_, input) => {
    const axes = input.shape.map((_, d) => d).filter(d => d !== 1)
    const [v, m] = aten.var_mean(input.to('float32'), axes)
    batches++
    mean.add_(m.sub(mean), { alpha: 1 / batches })
    variance.add_(v.sub(variance), { alpha: 1 / batches })
    return undefined
  })
  return {
    end(whole: boolean) {
      remove()
      noGrad(() => {
        const values = whole && batches > 0 ? [mean, variance] : before
        for (const [i, value] of values.entries()) buffers[i]!.copy_(value)
        if (whole && batches > 0) num_batches_tracked!.fill_(batches)
      })
      for (const t of [...before, mean, variance]) t.dispose()
    },
  }
}
