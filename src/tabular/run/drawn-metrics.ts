import { column } from '../../train/metrics.ts'
import type { Targets } from '../types.ts'

/** Rows that were drawn with replacement: their numbers, and how often each row was drawn. */
export interface Drawn {
  rows: Int32Array
  times: Uint16Array
}

/** A metric of the rows that were drawn. */
export type DrawnMetric = (drawn: Drawn) => number

/** Several metrics of drawn rows, for `bootstrapEach`. */
export function drawnRows(n: number, metrics: readonly DrawnMetric[]): (rows: Int32Array) => number[] {
  const times = new Uint16Array(n)
  return rows => {
    times.fill(0)
    for (let i = 0; i < rows.length; i++) times[rows[i]!]!++
    return metrics.map(metric => metric({ rows, times }))
  }
}

/** A metric that is computed from how often each row was drawn, without a copy of the rows and without another sort;
 *  undefined for a metric that needs the rows themselves. */
export function drawnMetric(
  name: string,
  { task, classes, values }: Targets,
  outputs: Float64Array,
  { positive, decided }: { positive: number; decided: () => Int32Array },
): DrawnMetric | undefined {
  const width = classes.length
  if (name === 'accuracy') {
    const classOf = decided()
    return meanOver(Float64Array.from(values, (value, row) => Number(classOf[row] === value)))
  }
  if (name === 'logLoss') {
    const clipped = (p: number) => Math.min(1 - 2 ** -52, Math.max(2 ** -52, p))
    return meanOver(Float64Array.from(values, (value, row) => -Math.log(clipped(outputs[row * width + value]!))))
  }
  if (name === 'rocAuc' && width === 2)
    return areaOver(
      column(outputs, 2, positive),
      Uint8Array.from(values, value => Number(value === positive)),
    )
  if (task === 'regression' && (name === 'mae' || name === 'rmse')) {
    const errors = values.map((value, i) =>
      name === 'mae' ? Math.abs(outputs[i]! - value) : (outputs[i]! - value) ** 2,
    )
    const means = classes.map((_, t) => meanOver(column(errors, width, t)))
    return drawn =>
      means.reduce((sum, mean) => sum + (name === 'mae' ? mean(drawn) : Math.sqrt(mean(drawn))), 0) / width
  }
  return undefined
}

/** The mean of a value of each row. */
const meanOver =
  (values: Float64Array): DrawnMetric =>
  ({ rows, times }) => {
    let sum = 0
    for (let row = 0; row < values.length; row++) sum += times[row]! * values[row]!
    return sum / rows.length
  }

/** The area under the ROC curve; ties count half. NaN for a score that is NaN, and without rows of both kinds. */
function areaOver(scores: Float64Array, is: Uint8Array): DrawnMetric {
  if (scores.some(Number.isNaN)) return () => Number.NaN
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!)
  const sorted = Float64Array.from(order, row => scores[row]!)
  return ({ times }) => {
    let [area, negatives, positives] = [0, 0, 0]
    for (let i = 0; i < order.length; ) {
      let [tiedNegatives, tiedPositives] = [0, 0]
      const score = sorted[i]!
      for (; i < order.length && sorted[i] === score; i++) {
        const row = order[i]!
        if (is[row] === 1) tiedPositives += times[row]!
        else tiedNegatives += times[row]!
      }
      area += tiedPositives * (negatives + tiedNegatives / 2)
      negatives += tiedNegatives
      positives += tiedPositives
    }
    return positives === 0 || negatives === 0 ? Number.NaN : area / (positives * negatives)
  }
}
