import { DataError } from '../../base/errors.ts'
import type { TargetInfo, Targets } from '../types.ts'

/** The values that a model is trained on, [rows × targets]: log(1 + y) of the targets that say so. Class numbers stay as
 *  they are. Throws for a value that the target can't have. */
export function trainedValues({ task, values, classes, log, columns }: Targets): Float64Array {
  const width = task === 'single' ? 1 : classes.length
  return values.map((value, i) => {
    const target = i % width
    const row = Math.floor(i / width)
    if (
      task === 'single' ? !(Number.isInteger(value) && value >= 0 && value < classes.length) : !Number.isFinite(value)
    )
      throw new DataError(
        `the target ${columns[target] ?? ''} of row ${row} is ${value}; expected ${task === 'single' ? `a class number from 0 to ${classes.length - 1}` : 'a finite number'}`,
      )
    if (!log?.[target]) return value
    if (value > -1) return Math.log1p(value)
    throw new DataError(
      `the target ${columns[target]} of row ${row} is ${value}, which has no logarithm of 1 + y; train without the log scale`,
    )
  })
}

/** Values that a model was trained on back in the targets' units, in place: [rows × targets]. */
export function inUnits(values: Float64Array, { log, classes }: TargetInfo): Float64Array {
  if (log?.some(Boolean))
    for (let i = 0; i < values.length; i++) if (log[i % classes.length]) values[i] = Math.expm1(values[i]!)
  return values
}

/** Mean, standard deviation and range of each target over the training rows, in the values that are trained on. */
export interface TrainedScale {
  mean: number[]
  std: number[]
  min: number[]
  max: number[]
}

/** The scale of [rows × targets] values. A target that is constant has the deviation 1. */
export function trainedScale(values: Float64Array, targets: number): TrainedScale {
  const scale: TrainedScale = { mean: [], std: [], min: [], max: [] }
  const rows = values.length / targets
  for (let t = 0; t < targets; t++) {
    let [sum, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = t; i < values.length; i += targets) {
      sum += values[i]!
      min = Math.min(min, values[i]!)
      max = Math.max(max, values[i]!)
    }
    const mean = sum / rows
    let square = 0
    for (let i = t; i < values.length; i += targets) square += (values[i]! - mean) ** 2
    scale.mean.push(mean)
    scale.std.push(Math.sqrt(square / rows) || 1)
    scale.min.push(min)
    scale.max.push(max)
  }
  return scale
}

/** The loss of predictions on some rows, by which epochs and models are compared: log loss, or the root mean squared error.
 *  Targets on a log scale are compared on it. Several targets are divided by their deviation first. */
export function tableLoss(predicted: Float64Array, y: Targets, std: readonly number[]): number {
  const { log, classes } = y
  const most = (value: number, i: number) =>
    log?.[i % classes.length] ? Math.log1p(Math.max(value, -1 + 1e-9)) : value
  return trainedLoss(log?.some(Boolean) ? predicted.map(most) : predicted, trainedValues(y), y, std)
}

/** The same for predictions and values as a model is trained on. */
export function trainedLoss(
  predicted: Float64Array,
  values: Float64Array,
  { task, classes }: TargetInfo,
  std: readonly number[],
): number {
  let sum = 0
  if (task === 'single') {
    for (let row = 0; row < values.length; row++)
      sum -= Math.log(Math.max(predicted[row * classes.length + values[row]!]!, 1e-15))
    return sum / values.length
  }
  const several = classes.length > 1
  for (let i = 0; i < values.length; i++)
    sum += ((predicted[i]! - values[i]!) / (several ? std[i % classes.length]! : 1)) ** 2
  return Math.sqrt(sum / values.length)
}
