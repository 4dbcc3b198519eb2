import { TrainingError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { samples } from '../base/samples.ts'
import type { Ranks } from '../ranks/ranks.ts'
import type { Tensor } from '../torch/index.ts'
import type { Callback } from './callback.ts'
import type { FitProgress } from './learner-state.ts'
import type { Precision } from './network.ts'
import { type Objective, objective } from './objective.ts'
import type { OptimizerFunction, OptimizerName } from './optimizer.ts'
import { type LossFunction, withLoss } from './own-loss.ts'
import { checkMetrics, type OwnMetric } from './own-metrics.ts'
import type { Curves, ScheduleName } from './rates/named.ts'
import type { Schedule } from './rates/schedule.ts'
import type { Source } from './source.ts'

/** Your own augmentation: changes a training batch x before the net gets it. `random` is the same for the same seed,
 *  epoch and samples, so a resumed fit draws the same numbers. */
export type BatchTransform = (x: Tensor, info: { samples: Uint32Array; epoch: number; random: Random }) => Tensor

/** Settings that have a value in every learner. */
export interface LearnerSettings {
  /** The meaning of the net's outputs. Default: single-label. */
  objective: Objective
  batchSize: number
  /** The batch size without gradients. Default: twice the training batch. */
  evalBatchSize: number
  /** The name of an optimizer, or your own function: parameter groups → an optimizer. */
  optimizer: OptimizerName | OptimizerFunction
  weightDecay: number
  labelSmoothing: number
  precision: Precision
  seed: number
}

/** The data and the settings of a learner. */
export interface LearnerOptions extends Partial<LearnerSettings> {
  train: Source
  valid?: Source | undefined
  classes: readonly string[]
  /** Your own loss, instead of the objective's. */
  loss?: LossFunction | undefined
  /** Your own metrics beside those of the task, by name. They get all validation outputs (probabilities, or values for
   *  regression). */
  metrics?: Readonly<Record<string, OwnMetric>> | undefined
  /** Your own changes of training batches, one after another. */
  batchTransforms?: readonly BatchTransform[] | undefined
  /** [classes]: the weight of a mistake in each class. */
  classWeights?: readonly number[] | undefined
  /** [N]: how often a sample is seen, relative to the others. Default: all equally often. */
  sampleWeights?: readonly number[] | undefined
  /** Clip the norm of all gradients together to this. */
  gradClip?: number | undefined
  /** Keep an exponential average of the weights over about this many steps, and validate with it (Polyak & Juditsky
   *  1992); 0 keeps none. */
  averageSteps?: number
  /** The processes that train this net together, each with its share of every batch. Default: this one alone. */
  ranks?: Ranks | undefined
  /** The type in which gradients are sent to the other ranks. Default: float32. */
  gradientType?: 'float32' | 'bfloat16' | undefined
  /** Whether BatchNorm takes its statistics from the batches of all ranks. */
  syncBn?: boolean | undefined
  callbacks?: readonly Callback[]
}

/** The options with their defaults. Throws for values that are not allowed. */
export function settled(options: LearnerOptions): LearnerOptions & LearnerSettings {
  const { train, batchSize = 32, metrics = {}, loss } = options
  const given = options.objective ?? objective('single', options.classes)
  if (train.count < 2) throw new TrainingError(`training needs at least 2 ${samples.many}, got ${train.count}`)
  if (!Number.isInteger(batchSize) || batchSize < 2)
    throw new TrainingError(`the batch size must be a whole number from 2, got ${batchSize}`)
  checkMetrics(metrics, given)
  return {
    evalBatchSize: batchSize * 2,
    optimizer: 'adamw',
    weightDecay: 0.01,
    labelSmoothing: 0,
    precision: 'float32',
    seed: 42,
    averageSteps: 0,
    ...options,
    batchSize,
    objective: loss ? withLoss(given, loss) : given,
  }
}

/** The options of a fit: constant rate, cycles of cosine annealing, one cycle, or your own schedule, per batch. */
export interface FitOptions {
  /** One rate for the last group, or one per group, earliest first. */
  lr?: number | readonly number[]
  /** Each earlier group's rate is the next one's divided by this; only with one `lr`. */
  factor?: number
  /** The name of a schedule, or your own function: progress t in [0, 1) → the factor of each rate; or `{ lr, momentum
   *  }` with two such functions, where momentum is the value itself. `schedules` has parts to compose. */
  schedule?: ScheduleName | Schedule | Curves
  /** For the one-cycle: the share of the warm-up, and the divisor of the highest rate that gives the first rate. */
  warmup?: number
  div?: number
  cycleLen?: number
  cycleMult?: number
  callbacks?: readonly Callback[]
  signal?: AbortSignal | undefined
  /** The point from which an interrupted fit goes on; not needed after `loadState` of a fit in progress. */
  from?: FitProgress | undefined
}
