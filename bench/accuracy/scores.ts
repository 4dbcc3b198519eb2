/** What a program's predictions for a test part are worth. */
import type { Task } from '../../src/data/types.ts'
import {
  accuracy,
  argmaxRows,
  averagePrecision,
  binaryCrossEntropy,
  expectedCalibrationError,
  logLoss,
  mse,
  r2,
  take,
} from '../../src/train/metrics.ts'

/** `truth`: the class of each sample; 0 and 1 for each label; or the targets. `outputs`: a probability for each class
 *  or label, or the predicted targets. Both have `columns` numbers a sample, but a single-label `truth`, which has one. */
export interface Predicted {
  task: Task
  columns: number
  files: readonly string[]
  truth: readonly number[]
  outputs: readonly number[]
}

/** `score`: higher is better, 1 is perfect. `loss`: log loss; for several labels its mean over them; for regression the
 *  mean squared error. `ece`: expected calibration error in 15 bins, of the most probable class or of each label; null
 *  for regression. */
export interface Scores {
  score: number
  loss: number
  ece: number | null
}

/** The name of `score`. */
export const scoreOf = { single: 'accuracy', multi: 'mAP', regression: 'R2' } as const satisfies Record<Task, string>

export function scores({ task, columns, truth, outputs }: Predicted): Scores {
  if (task === 'regression')
    return { score: r2(outputs, truth, columns).mean, loss: mse(outputs, truth, columns).mean, ece: null }
  // As float32, whose ε is the lowest probability that counts: one wrong certainty can't make a mean infinite.
  const probabilities = Float32Array.from(outputs)
  const ece = expectedCalibrationError(outputs, truth, columns, { task, bins: 15 })
  if (task === 'multi')
    return {
      score: averagePrecision(outputs, truth, columns).mean,
      loss: binaryCrossEntropy(probabilities, truth),
      ece,
    }
  return { score: accuracy(argmaxRows(outputs, columns), truth), loss: logLoss(probabilities, truth, columns), ece }
}

/** A function that gives `score` of some of the samples, by their numbers; NaN where they have none. */
export function scorer({ task, columns, truth, outputs }: Predicted): (rows: Int32Array) => number {
  if (task === 'single') {
    const right = argmaxRows(outputs, columns).map((label, i) => (label === truth[i] ? 1 : 0))
    return rows => {
      let sum = 0
      for (const row of rows) sum += right[row]!
      return sum / rows.length
    }
  }
  const metric = task === 'multi' ? averagePrecision : r2
  return rows => metric(take(outputs, rows, columns), take(truth, rows, columns), columns).mean
}

export const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length
