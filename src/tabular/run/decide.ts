import { percent } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { CalibrationPart } from '../../runs/index.ts'
import {
  accuracyMulti,
  applyTemperature,
  bestThresholds,
  bootstrap,
  column,
  fBeta,
  fitTemperature,
  reliability,
  type TemperaturePrior,
  type ThresholdMetric,
  take,
  toLogits,
} from '../../train/metrics.ts'
import type { Targets } from '../types.ts'
import type { Decision } from './metrics.ts'

/** Writes a decision with its reason into the run's log. */
export type Choose = (what: string, value: string, reason: string) => void

/** Models of tables stop at the lowest validation loss, so their probabilities are near the right ones. */
const usual: TemperaturePrior = { temperature: 1, deviation: 0.4 }
/** A positive class with a smaller share is rare: the most probable class would nearly never be it. */
const rare = 0.2

/** Probabilities at a temperature: [rows × classes]. */
export const atTemperature = (probabilities: Float64Array, classes: number, temperature: number): Float64Array =>
  temperature === 1 ? probabilities : Float64Array.from(applyTemperature(toLogits(probabilities), classes, temperature))

/** One temperature for the probabilities, fitted on validation rows, few or many; 1 for regression. */
export function calibrate(
  choose: Choose,
  { task, classes, values }: Targets,
  probabilities: Float64Array,
): { temperature: number; calibration?: CalibrationPart } {
  if (task === 'regression') return { temperature: 1 }
  const n = classes.length
  const curve = (p: Float64Array) => {
    const { bins, ece } = reliability(p, values, n)
    return { bins, ece }
  }
  const before = curve(probabilities)
  const { temperature } = fitTemperature(toLogits(probabilities), values, n, { prior: usual })
  const after = curve(atTemperature(probabilities, n, temperature))
  choose(
    'temperature',
    temperature.toFixed(3),
    `fits the validation rows best; expected calibration error ${before.ece.toFixed(3)} before, ${after.ece.toFixed(3)} after`,
  )
  return { temperature, calibration: { before, after, temperature } }
}

/** The positive one of two classes: the one that was named, else the rarer one in training, else the second. */
export function positiveClass(
  choose: Choose,
  { task, classes, values }: Targets,
  named: string | undefined,
): number | undefined {
  if (task === 'regression' || classes.length !== 2) return undefined
  const ones = values.reduce((sum, v) => sum + v, 0)
  const positive = named === undefined ? Number(2 * ones <= values.length) : classes.indexOf(named)
  choose(
    'positive class',
    classes[positive]!,
    named === undefined
      ? `the rarer one, ${percent((positive === 1 ? ones : values.length - ones) / values.length)} of the training rows; average precision, F1 and the threshold are for it (${option('positive')} names another)`
      : 'as asked',
  )
  return positive
}

/** The threshold of the positive class, found on validation rows for a metric. Without a metric: for F1 where the class
 *  is rare in training, else 0.5. It moves from 0.5 only where that is better by more than chance. */
export function chooseThreshold(
  choose: Choose,
  { values }: Pick<Targets, 'values'>,
  probabilities: Float64Array,
  {
    positive,
    share,
    metric,
    seed,
  }: { positive: number; share: number; metric?: ThresholdMetric | undefined; seed: number },
): Decision {
  if (metric === undefined && share >= rare) return { positive }
  const wanted = metric ?? 'f1'
  const score = Float32Array.from(column(probabilities, 2, positive))
  const is = Float32Array.from(values, v => Number(v === positive))
  const { threshold: found, value, half } = bestThresholds(score, is, 1, { metric: wanted, average: 'macro' })
  const threshold = beatsHalf(found, wanted, { score, is, seed }) ? found : 0.5
  const why = metric === undefined ? `the class is rare (${percent(share)})` : 'as asked'
  const said = `${found.toFixed(3)} gives ${value.toFixed(3)}, 0.5 gives ${half.toFixed(3)}`
  choose(
    'threshold',
    threshold.toFixed(3),
    `for ${wanted} on the validation rows, since ${why}: ${said}${threshold === found ? '' : ', which is no more than chance'} (${option('thresholdFor')} names another metric)`,
  )
  return { positive, threshold }
}

/** Draws of the validation rows; few, since a table may have many rows. */
const draws = (rows: number) => Math.max(20, Math.min(100, Math.floor(2e7 / rows)))

/** Whether a threshold beats 0.5 in nine of ten bootstrap draws of these rows. */
function beatsHalf(
  threshold: number,
  metric: ThresholdMetric,
  { score, is, seed }: { score: Float32Array; is: Float32Array; seed: number },
): boolean {
  const gain = (rows: ArrayLike<number>) => {
    const [p, y] = [take(score, rows), take(is, rows)]
    const at = (t: number) =>
      metric === 'accuracy'
        ? accuracyMulti(p, y, 1, { thresholds: t })
        : fBeta(p, y, 1, { beta: Number(metric.slice(1)), average: 'macro', thresholds: t })
    return at(threshold) - at(0.5)
  }
  return threshold !== 0.5 && bootstrap(gain, is.length, { seed, rounds: draws(is.length), level: 0.8 }).low > 0
}
