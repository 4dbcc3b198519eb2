import type { Phase } from '../../runs/index.ts'
import type { EpochLosses } from '../../train/advise.ts'
import type { LearnerProgress } from '../../train/learner-state.ts'
import type { StoredTensor } from '../../weights/index.ts'
import type { Best, BestKeeper, Validated } from './best-weights.ts'

/** How the steps at one size ended. */
export interface StageResult {
  size: number
  /** The best weights of this size, by validation. */
  best: Best
  /** Epochs and steps so far, over all sizes. */
  epochs: number
  step: number
  /** The rate of the head, for the next size to begin with; none where it had no phase of its own. */
  headLr?: number | undefined
}

/** How the frozen phase ended: the best head, by validation. */
export interface HeadResult extends Validated {
  /** Whether the whole net begins from a logistic regression: regularised by its L2, not by dropout. */
  logistic: boolean
  /** Epochs and steps so far, over the whole run. */
  epoch: number
  step: number
  /** The learning rate that it trained at, found or given. */
  lr: number
}

/** Where an interrupted phase goes on: its own state as plain data, and the tensors of the checkpoint. */
export interface From<State> {
  state: State
  tensors: ReadonlyMap<string, StoredTensor>
}

/** Where the whole phase stands, for the resume state: plain data beside the tensors. */
export interface WholeState {
  kind: 'whole'
  lrs: number[]
  cycle: number
  cycleLen: number
  epochsDone: number
  history: EpochLosses[]
  /** The best weights of this size so far; none before the first epoch of a net that begins from random ones. */
  best?: Best | undefined
  /** Names of the weights kept at the ends of cycles. */
  snapshots?: string[]
  /** Seconds of the slowest epoch so far; an estimate before the first, where the time is limited. */
  slowest: number
  /** Where the learner stands; with its fit in progress, where it is not between two cycles. */
  learner: LearnerProgress
}

/** Where the whole phase begins, and who keeps its best weights. */
export interface WholeOptions {
  /** The phase in the run's events. */
  phase: Phase
  /** How the frozen phase of this size ended, where it had one. */
  head: HeadResult | undefined
  /** Whether the body has been trained: before this run, or at an earlier size. */
  trained: boolean
  /** How the frozen phase validated. */
  best: Best | undefined
  /** The share of the minutes that are spent at the end of this size. */
  until: number
  keeper: BestKeeper
  /** Where an interrupted phase goes on. */
  from?: From<WholeState> | undefined
}
