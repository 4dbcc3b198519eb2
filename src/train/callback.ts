import type { Learner } from './learner.ts'

/** What the loop tells after a batch. `step` and `epoch` count from 1 over the learner's life. */
export interface BatchInfo {
  step: number
  epoch: number
  /** Share of this fit that is done, in (0, 1]. */
  progress: number
  loss: number
  /** The debiased mean of the losses, β = 0.98. */
  smooth: number
  /** One rate a layer group, 0 where it is frozen. */
  lrs: number[]
  momentum: number
}
/** What the loop tells after an epoch and its validation. */
export interface EpochInfo {
  step: number
  epoch: number
  trainLoss: number
  /** NaN without validation pictures. */
  validLoss: number
  /** NaN without validation pictures, and for numbers. */
  accuracy: number
  /** The metric that weights are chosen by, and all metrics of the task. */
  score: number
  metrics: Record<string, number>
  seconds: number
  lrs: number[]
}

/** Hooks into the loop, as a plain object; each is optional and may be async. `'stop'` ends the fit after this point.
 *  Those with a lower `order` run first (default 0). */
export interface Callback {
  order?: number
  onFitStart?(learn: Learner): unknown
  onEpochStart?(info: { epoch: number }, learn: Learner): unknown
  onBatchEnd?(info: BatchInfo, learn: Learner): unknown
  onEpochEnd?(info: EpochInfo, learn: Learner): unknown
  onFitEnd?(learn: Learner): unknown
}
