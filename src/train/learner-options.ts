import { AnnealError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
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

/** An augmentation of your own: changes a training batch x before the net sees it. The same `random` comes for the same
 *  seed, epoch and samples, so a resumed fit draws the same. */
export type BatchTransform = (x: Tensor, info: { samples: Uint32Array; epoch: number; random: Random }) => Tensor

/** Settings that have a value in every learner. */
export interface LearnerSettings {
  /** What the net's outputs mean; one class per sample unless given. */
  objective: Objective
  batchSize: number
  /** Samples of a batch without gradients; twice the training batch unless given. */
  evalBatchSize: number
  /** By name, or your own: parameter groups → an optimizer. */
  optimizer: OptimizerName | OptimizerFunction
  weightDecay: number
  labelSmoothing: number
  precision: Precision
  seed: number
}

/** What a learner trains on, and how. */
export interface LearnerOptions extends Partial<LearnerSettings> {
  train: Source
  valid?: Source | undefined
  classes: readonly string[]
  /** Instead of the objective's. */
  loss?: LossFunction | undefined
  /** Your own metrics beside the task's, by name: of all validation outputs (probabilities, or numbers for regression). */
  metrics?: Readonly<Record<string, OwnMetric>> | undefined
  /** Your own changes of training batches, one after another. */
  batchTransforms?: readonly BatchTransform[] | undefined
  /** [classes]: how much a mistake in each class weighs. */
  classWeights?: readonly number[] | undefined
  /** [N]: how often a sample is seen, beside the others; all alike unless given. */
  sampleWeights?: readonly number[] | undefined
  /** Clip the norm of all gradients together to this. */
  gradClip?: number | undefined
  /** Keep an exponential average of the weights over about this many steps, and validate with it (Polyak & Juditsky
   *  1992); 0 keeps none. */
  averageSteps?: number
  callbacks?: readonly Callback[]
}

/** The options with the usual values where they leave something out. An error where they can't be. */
export function settled(options: LearnerOptions): LearnerOptions & LearnerSettings {
  const { train, batchSize = 32, metrics = {}, loss } = options
  const given = options.objective ?? objective('single', options.classes)
  if (train.count < 2) throw new AnnealError(`training needs at least 2 pictures, got ${train.count}`)
  if (!Number.isInteger(batchSize) || batchSize < 2)
    throw new AnnealError(`the batch size must be a whole number from 2, got ${batchSize}`)
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

/** How a fit goes: constant rate, or cycles of cosine annealing, or one cycle, or your own schedule; by batch. */
export interface FitOptions {
  /** One rate for the last group, or one per group, earliest first. */
  lr?: number | readonly number[]
  /** Each earlier group's rate is the next one's divided by this; only with one `lr`. */
  factor?: number
  /** By name, or your own: progress t in [0, 1) → what each rate is multiplied by, or `{ lr, momentum }` of two such
   *  functions, momentum as it is. `schedules` has parts to compose. */
  schedule?: ScheduleName | Schedule | Curves
  /** Of the one-cycle: the share that warms up, and what the rate starts below its top by. */
  warmup?: number
  div?: number
  cycleLen?: number
  cycleMult?: number
  callbacks?: readonly Callback[]
  signal?: AbortSignal | undefined
  /** Where an interrupted fit goes on; after `loadState` of a fit in progress it is known. */
  from?: FitProgress | undefined
}
