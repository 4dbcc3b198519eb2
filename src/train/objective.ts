import { TrainingError } from '../base/errors.ts'
import { withDecimals } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { samples } from '../base/samples.ts'
import type { Task } from '../data/index.ts'
import type { TargetTable } from '../data/targets.ts'
import { leadingMetric } from '../runs/index.ts'
import { aten, F, fromArray, type Tensor } from '../torch/index.ts'
import { focalLoss, sigmoidFocalLoss } from './balance.ts'
import { type LabelThresholds, scoresOf } from './metrics.ts'

/** The name of a loss. `auto`: cross-entropy for single-label, binary cross-entropy for multi-label, squared error for
 *  regression. */
export type LossName = 'auto' | 'focal' | 'mse' | 'mae' | 'huber'

/** The options of a loss. */
export interface LossOptions {
  labelSmoothing?: number
  /** [C]: the weight of each class; for multi-label the weight of the label's presence. */
  weight?: Tensor | undefined
  reduction?: F.Reduction
}

/** The meaning of a net's outputs: their loss, activation and metrics. */
export interface Objective {
  readonly task: Task
  /** Names of the outputs: classes or targets. */
  readonly names: readonly string[]
  /** Mean and standard deviation of the targets, for regression. */
  readonly scale?: TargetScale
  /** Whether the mean training loss with class weights is divided by the sum of their weights, not by the number of
   *  samples. */
  readonly weighsMean?: boolean
  /** Outputs x: [N, C] against y: int64 [N], or [N, C] (regression in float64, in the targets' units); `none` gives one
   *  loss per sample, [N]. */
  loss(x: Tensor, y: Tensor, options?: LossOptions): Tensor
  /** The loss that is reported for both training and validation: without smoothing, weights or focus. */
  plainLoss(x: Tensor, y: Tensor, options?: Pick<LossOptions, 'reduction'>): Tensor
  /** The predictions from x: probabilities (softmax, or a sigmoid per label), or float64 values in the targets' units.
   *  [N, C] */
  activate(x: Tensor): Tensor
  /** The metric that weights are chosen by; higher is better. */
  readonly metric: string
  /** Metrics over a whole set; outputs are activated, [N × C]. */
  score(outputs: Outputs, targets: Targets): Record<string, number>
}

/** Targets: class numbers [N], or rows [N × C]: 0 and 1 in float32, regression targets in float64. */
export type Targets = TargetTable
/** Activated outputs [N × C]: probabilities in float32, regression values in float64. */
export type Outputs = Float32Array | Float64Array

/** Mean and standard deviation of each target over the training pictures, [T], since nets learn values near 0 best. */
export interface TargetScale {
  mean: readonly number[]
  std: readonly number[]
  /** How many decimals the training targets have, [T]; −3 if all are whole thousands. */
  decimals?: readonly number[]
}

/** A predicted value of a target as text, with all decimals that the target has, and at least four digits of its
 *  standard deviation. */
export function targetText(value: number, target: number, scale: TargetScale | undefined): string {
  const std = scale?.std[target]
  if (std === undefined || !(std > 0)) return String(Number(value.toPrecision(5)))
  const few = 3 - Math.floor(Math.log10(std))
  return withDecimals(value, Math.max(few, scale!.decimals?.[target] ?? few))
}

/** The options of an objective. */
export interface ObjectiveOptions {
  loss?: LossName
  /** For regression. */
  scale?: TargetScale | undefined
  /** The classes have different sizes: balanced accuracy is reported beside accuracy, which would look too good
   *  alone. */
  uneven?: boolean
}

/** The objective of a task. */
export function objective(
  task: Task,
  names: readonly string[],
  { loss = 'auto', scale, uneven = false }: ObjectiveOptions = {},
): Objective {
  const fits: Record<Task, readonly LossName[]> = {
    single: ['auto', 'focal'],
    multi: ['auto', 'focal'],
    regression: ['auto', 'mse', 'mae', 'huber'],
  }
  if (!fits[task].includes(loss))
    throw new TrainingError(
      `${setting('loss', loss)}: does not fit ${taskWords(task)}; expected ${fits[task].filter(l => l !== 'auto').join(', ')} or nothing`,
    )
  if (task === 'single') return oneClass(names, loss, uneven)
  if (task === 'multi') return manyLabels(names, loss)
  return numbers(names, loss, scale ?? { mean: names.map(() => 0), std: names.map(() => 1) })
}

const taskWords = (task: Task): string =>
  ({
    single: `${samples.many} of one class each`,
    multi: `${samples.many} with several labels`,
    regression: 'numbers',
  })[task]
const perSample = (losses: Tensor, reduction: F.Reduction = 'mean'): Tensor =>
  reduction === 'none' ? losses : reduction === 'sum' ? losses.sum() : losses.mean()

function oneClass(names: readonly string[], loss: LossName, uneven: boolean): Objective {
  const plainLoss: Objective['plainLoss'] = (x, y, options = {}) => F.crossEntropy(x, y, options)
  return {
    task: 'single',
    names,
    weighsMean: loss !== 'focal',
    metric: leadingMetric('single').key,
    plainLoss,
    loss: (x, y, { weight, labelSmoothing = 0, reduction = 'mean' } = {}) => {
      const options = { reduction, ...(weight ? { weight } : {}) }
      return loss === 'focal' ? focalLoss(x, y, options) : F.crossEntropy(x, y, { ...options, labelSmoothing })
    },
    activate: x => x.softmax(1),
    score: (outputs, targets) =>
      scoresOf('single', { outputs, targets, classes: names.length }, uneven ? {} : { without: ['balancedAccuracy'] }),
  }
}

function manyLabels(names: readonly string[], loss: LossName): Objective {
  const bce = (x: Tensor, y: Tensor, posWeight?: Tensor) =>
    F.bceWithLogits(x, y, { reduction: 'none', ...(posWeight ? { posWeight } : {}) }).mean(1)
  return {
    task: 'multi',
    names,
    metric: leadingMetric('multi').key,
    plainLoss: (x, y, { reduction } = {}) => perSample(bce(x, y), reduction),
    loss: (x, y, { weight, labelSmoothing = 0, reduction } = {}) => {
      const smooth = labelSmoothing > 0 ? y.mul(1 - labelSmoothing).add(labelSmoothing / 2) : y
      return loss === 'focal'
        ? perSample(sigmoidFocalLoss(x, smooth, { reduction: 'none' }).mean(1), reduction)
        : perSample(bce(x, smooth, weight), reduction)
    },
    activate: x => x.sigmoid(),
    score: (outputs, targets) => labelScores(outputs, targets, names.length),
  }
}

/** The same in float64: on its device, or on the CPU if the device has no such type (the GPU of a Mac). */
const inFloat64 = (x: Tensor): Tensor => x.to('float64', { device: x.device.startsWith('mps') ? 'cpu' : x.device })

function numbers(names: readonly string[], loss: LossName, scale: TargetScale): Objective {
  const { mean, std } = scale
  // In float64 until standardised; afterwards values are near 0, where float32 is precise enough.
  const row = (values: readonly number[], like: Tensor) =>
    fromArray(Float64Array.from(values), [1, values.length]).to('float64', { device: like.device })
  const standard = (y: Tensor) => {
    const exact = inFloat64(y)
    return exact.sub(row(mean, exact)).div(row(std, exact)).to('float32', { device: y.device })
  }
  const difference: Record<Exclude<LossName, 'focal'>, (x: Tensor, y: Tensor) => Tensor> = {
    auto: (x, y) => aten.mse_loss(x, y, { reduction: 0 }),
    mse: (x, y) => aten.mse_loss(x, y, { reduction: 0 }),
    mae: (x, y) => aten.l1_loss(x, y, { reduction: 0 }),
    huber: (x, y) => aten.smooth_l1_loss(x, y, { reduction: 0 }),
  }
  const of = difference[loss === 'focal' ? 'auto' : loss]
  const plainLoss: Objective['plainLoss'] = (x, y, { reduction } = {}) =>
    perSample(of(x, standard(y)).mean(1), reduction)
  return {
    task: 'regression',
    names,
    scale,
    metric: leadingMetric('regression').key,
    plainLoss,
    loss: (x, y, { reduction } = {}) => plainLoss(x, y, reduction ? { reduction } : {}),
    activate: x => {
      const exact = inFloat64(x)
      return exact.mul(row(std, exact)).add(row(mean, exact))
    },
    score: (outputs, targets) => scoresOf('regression', { outputs, targets, classes: names.length }),
  }
}

/** The metrics of multi-label outputs: mAP, and at the thresholds macro F1 and F2 and the share of correct decisions. A
 *  label that no sample has is left out of mAP, and also of F1 and F2 if it is never predicted. */
export const labelScores = (
  outputs: Outputs,
  targets: ArrayLike<number>,
  classes: number,
  thresholds: LabelThresholds = 0.5,
): Record<'mAP' | 'f1' | 'f2' | 'accuracy', number> => scoresOf('multi', { outputs, targets, classes, thresholds })

export { metricText as said } from '../runs/index.ts'
