import type { Phase } from '../../runs/index.ts'
import type { EpochLosses } from '../../train/advise.ts'
import type { EpochInfo } from '../../train/callback.ts'
import type { LearnerProgress } from '../../train/learner-state.ts'
import type { StoredTensor } from '../../weights/index.ts'
import type { Best, BestKeeper, PathPoint, Validated } from './best-weights.ts'

/** The result of the steps at one size. */
export interface StageResult {
  size: number
  /** The best weights of this size, by validation. */
  best: Best
  /** Epochs and steps so far, over all sizes. */
  epochs: number
  step: number
  /** The learning rate of the head, with which the next size begins; absent if there was no frozen phase. */
  headLr?: number | undefined
  /** What was chosen on the validation samples: the L2 of the head, the weights. */
  chose: ('head' | 'weights')[]
  /** Validated points from the weights of the frozen phase to those of the whole net. */
  path?: PathPoint[]
}

/** The result of the frozen phase: the best head, by validation. */
export interface HeadResult extends Validated {
  /** Whether the whole net begins from a logistic regression, which is regularised by its L2, not by dropout. */
  logistic: boolean
  /** The strength of L2 of that regression. */
  l2?: number | undefined
  /** Whether cross-validation chose that strength, so that the validation samples have chosen nothing. */
  crossValidated: boolean
  /** Epochs and steps so far, over the whole run. */
  epoch: number
  step: number
  /** The learning rate that it trained at, found or given. */
  lr: number
}

/** What became of training the body by pairs. */
export interface Tuned {
  /** The best weights, if it was better. */
  best?: Best | undefined
  /** The strength of L2 of its head. */
  l2?: number | undefined
}

/** The state from which an interrupted phase goes on: plain data, and the tensors of the checkpoint. */
export interface From<State> {
  state: State
  tensors: ReadonlyMap<string, StoredTensor>
}

/** The progress of the phase of the whole net, for the resume state: the plain data; the tensors are stored apart. */
export interface WholeState {
  kind: 'whole'
  lrs: number[]
  cycle: number
  cycleLen: number
  /** Why the next cycle is longer than the last one. */
  grown?: string | undefined
  epochsDone: number
  history: EpochLosses[]
  /** The best weights of this size so far; absent before the first epoch of a net from random weights. */
  best?: Best | undefined
  /** The validation loss of the best weights of the whole net, at the temperature that fits best. */
  calibrated?: number | undefined
  /** The last epoch of a cycle that has ended, until its weights are judged. */
  ended?: EpochInfo | undefined
  /** Whether the last cycle that was judged is the last of all. */
  enough?: boolean
  /** Validated points from the weights of the frozen phase to those of the last cycle. */
  path?: PathPoint[] | undefined
  /** Names of the weights kept at the ends of cycles. */
  snapshots?: string[]
  /** Seconds of the slowest epoch so far; before the first epoch an estimate, if the time is limited. */
  slowest: number
  /** The progress of the learner, with its fit in progress unless it is between two cycles. */
  learner: LearnerProgress
}

/** Where the phase of the whole net begins, and the keeper of its best weights. */
export interface WholeOptions {
  /** The phase in the run's events. */
  phase: Phase
  /** The result of the frozen phase of this size, if there was one. */
  head: HeadResult | undefined
  /** Whether the body has been trained: before this run, or at an earlier size. */
  trained: boolean
  /** The validation results of the frozen phase. */
  best: Best | undefined
  /** The share of the minutes that may be spent by the end of this size. */
  until: number
  keeper: BestKeeper
  /** Whether the net that it begins from was trained by pairs. */
  byPairs?: boolean | undefined
  /** The state from which an interrupted phase goes on. */
  from?: From<WholeState> | undefined
}
