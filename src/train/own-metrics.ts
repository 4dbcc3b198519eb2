import { type AnnealError, TrainingError } from '../base/errors.ts'
import type { Objective, Outputs, Targets } from './objective.ts'

/** Your own metric of a whole set. outputs: [N × columns], row by row: probabilities, or values in the targets' units;
 *  targets: class numbers [N], or rows [N × columns]. */
export type MetricFunction = (outputs: Outputs, targets: Targets, columns: number) => number
/** Your own metric, and whether higher or lower values are better. Default: higher. */
export type OwnMetric = MetricFunction | { of: MetricFunction; better?: 'higher' | 'lower' }

/** Throws for a metric that has the name of one of the task's, or that is not a function. */
export function checkMetrics(own: Readonly<Record<string, OwnMetric>>, objective: Objective): void {
  const taken = new Set(['loss', 'accuracy', objective.metric])
  for (const [name, metric] of Object.entries(own)) {
    if (typeof functionOf(metric) !== 'function')
      throw new TrainingError(
        `metrics: ${name} is neither a function nor { of: function, better }; got ${JSON.stringify(metric)}`,
      )
    if (taken.has(name)) throw taking(name)
  }
}

/** The values of your own metrics. */
export function ownScores(
  own: Readonly<Record<string, OwnMetric>>,
  { outputs, targets, metrics }: { outputs: Outputs; targets: Targets; metrics: Record<string, number> },
  columns: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(own).map(([name, metric]) => {
      if (Object.hasOwn(metrics, name)) throw taking(name)
      const value: unknown = functionOf(metric)(outputs, targets, columns)
      if (typeof value === 'number') return [name, value]
      throw new TrainingError(`metrics: ${name} must give a number, got ${String(value)}`)
    }),
  )
}

const functionOf = (metric: OwnMetric): MetricFunction => (typeof metric === 'function' ? metric : metric?.of)
const taking = (name: string): AnnealError =>
  new TrainingError(`metrics: the task has a metric called ${name} already; give yours another name`)
