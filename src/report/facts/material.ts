import type { RunRecord } from '../../runs/index.ts'
import type { Chart } from '../charts/plot.ts'
import type { Facts } from './facts.ts'

/** The charts of a page; a missing one had nothing to draw. */
export type Charts = {
  finders: Chart[]
  schedule?: Chart | undefined
  losses?: Chart | undefined
  score?: Chart | undefined
  confusion?: Chart | undefined
  testConfusion?: Chart | undefined
  /** Of each label, in the order of the curves. */
  recall: (Chart | undefined)[]
  /** Of each target. */
  scatter: Chart[]
  calibration?: Chart | undefined
  sizes?: Chart | undefined
  weightPath?: Chart | undefined
  time?: Chart | undefined
  /** Of a table. */
  baselines?: Chart | undefined
  importance?: Chart | undefined
  dependence?: Chart[]
  residuals?: Chart | undefined
  byRows?: Chart | undefined
}

/** Everything that a page is made of. `pictures` holds data URIs by thumbnail. */
export type Material = { record: RunRecord; facts: Facts; charts: Charts; pictures: ReadonlyMap<string, string> }

/** Whether the times stand beside the last chart of the training, which has no neighbour. */
export const timeFillsGap = ({ time, losses, score, finders, schedule, weightPath }: Charts): boolean =>
  time !== undefined && [losses, score, ...finders, schedule, weightPath].filter(c => c !== undefined).length % 2 === 1
