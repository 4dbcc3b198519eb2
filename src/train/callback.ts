import type { optim, Tensor } from '../torch/index.ts'
import type { Evaluation } from './evaluate.ts'
import type { LearnerProgress, LearnerState } from './learner-state.ts'
import type { Trainable } from './network.ts'
import type { PredictedValidationBatch, Source, ValidationBatch } from './source.ts'

/** A batch in training, from `beforeBatch` to `beforeZeroGrad`. Its tensors are freed at the end of the step (`keep`
 *  keeps one). A hook may replace them: the step goes on with the new ones. */
export interface InputBatch {
  /** Numbers of its samples in the training source. */
  readonly samples: Uint32Array
  /** The numbers of its epoch and its step, counted from 1 over all fits. */
  readonly epoch: number
  readonly step: number
  /** Its place in the epoch, from 1, and how many batches the epoch has. */
  readonly number: number
  readonly of: number
  /** The share of the fit that is done before it, in [0, 1). */
  readonly progress: number
  /** The input of the net, after the batch transforms. */
  x: Tensor
  /** The targets: class numbers int64 [N], or rows [N, C]. */
  y: Tensor
}
/** A batch with the net's prediction. */
export interface PredictedBatch extends InputBatch {
  /** The net's outputs in float32, before softmax or sigmoid: [N, C]. */
  prediction: Tensor
}
/** A batch with its loss, one number. */
export interface LossBatch extends PredictedBatch {
  loss: Tensor
}

/** The plan of a fit. */
export interface FitInfo {
  epochs: number
  batchesPerEpoch: number
}
/** The facts about a finished batch. `step` and `epoch` count from 1 over all fits. */
export interface BatchInfo {
  step: number
  epoch: number
  /** The share of this fit that is done, in (0, 1]. */
  progress: number
  loss: number
  /** The debiased mean of the losses, β = 0.98. */
  smooth: number
  /** One rate per layer group; 0 for a frozen group. */
  lrs: number[]
  momentum: number
}
/** The facts about a finished epoch and its validation. */
export interface EpochInfo {
  step: number
  epoch: number
  /** NaN without a batch. */
  trainLoss: number
  /** NaN without validation. */
  validLoss: number
  /** NaN without validation, and for regression. */
  accuracy: number
  /** The metric that weights are chosen by, and all metrics: the task's and your own. */
  score: number
  metrics: Record<string, number>
  seconds: number
  lrs: number[]
}

/** `stop`: this batch is finished, no other begins, the epoch is validated, and the fit ends. `cancel`: the fit ends
 *  now, without validation. */
export type FitAnswer = 'stop' | 'cancel'
/** `skip epoch`: the rest of this epoch is skipped, with its validation and `afterEpoch`. */
export type EpochAnswer = FitAnswer | 'skip epoch'
/** `skip train`: the rest of this epoch's batches is skipped; validation follows. */
export type TrainAnswer = EpochAnswer | 'skip train'
/** `skip batch`: the rest of this batch is skipped. Its gradients so far stay, and the next batch adds its own. */
export type BatchAnswer = TrainAnswer | 'skip batch'
/** `skip validate`: this epoch is not validated. */
export type ValidateAnswer = EpochAnswer | 'skip validate'

/** What an event within a batch may return: an answer, or nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook may return nothing
export type HookAnswer<A> = A | undefined | void
/** What an event between batches may return: the same, or a promise of it. */
export type AsyncHookAnswer<A> = HookAnswer<A> | Promise<HookAnswer<A>>

/** Hooks into the loop, as a plain object; each is optional. `learn.showTrainingLoop()` shows where each runs. Every
 *  event calls all callbacks, those with a lower `order` first; of their answers the one that skips most is used.
 *
 *  From `beforeBatch` to `beforeZeroGrad`, and around validation batches, hooks run inside the step: they may read and
 *  replace its tensors, and must not be async. The others may be async. */
export interface Callback {
  /** Its name in `showTrainingLoop()`. */
  name?: string
  /** Default: 0. */
  order?: number
  beforeFit?(info: FitInfo, learn: Training): AsyncHookAnswer<FitAnswer>
  beforeEpoch?(info: { epoch: number }, learn: Training): AsyncHookAnswer<EpochAnswer>
  beforeTrain?(info: { epoch: number }, learn: Training): AsyncHookAnswer<TrainAnswer>
  /** The batch has x and y. */
  beforeBatch?(batch: InputBatch, learn: Training): HookAnswer<BatchAnswer>
  afterPrediction?(batch: PredictedBatch, learn: Training): HookAnswer<BatchAnswer>
  afterLoss?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer>
  beforeBackward?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer | 'skip backward'>
  /** The gradients are computed and unscaled; `gradClip` has not clipped them yet. */
  afterBackward?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer>
  beforeStep?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer | 'skip step'>
  /** The optimizer has changed the weights. */
  afterStep?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer>
  beforeZeroGrad?(batch: LossBatch, learn: Training): HookAnswer<BatchAnswer | 'skip zero-grad'>
  /** The batch is finished and its tensors are freed. Not called for a batch that is skipped before its backward. */
  afterBatch?(info: BatchInfo, learn: Training): AsyncHookAnswer<TrainAnswer>
  afterTrain?(info: { epoch: number; trainLoss: number }, learn: Training): AsyncHookAnswer<EpochAnswer>
  beforeValidate?(info: { epoch: number }, learn: Training): AsyncHookAnswer<ValidateAnswer>
  beforeValidationBatch?(batch: ValidationBatch, learn: Training): HookAnswer<ValidateAnswer>
  afterValidationBatch?(batch: PredictedValidationBatch, learn: Training): HookAnswer<ValidateAnswer>
  afterValidate?(evaluation: Evaluation, learn: Training): AsyncHookAnswer<EpochAnswer>
  afterEpoch?(info: EpochInfo, learn: Training): AsyncHookAnswer<FitAnswer>
  afterFit?(info: { history: readonly EpochInfo[] }, learn: Training): AsyncHookAnswer<FitAnswer>
}

/** The learner as callbacks see it. */
export interface Training {
  readonly network: Trainable
  readonly train: Source
  readonly valid: Source | undefined
  readonly device: string
  /** Names of the layer groups, and which of them do not train, earliest first. */
  readonly groups: readonly string[]
  readonly frozen: readonly boolean[]
  /** Epochs and steps so far, over all fits. */
  readonly epoch: number
  readonly step: number
  /** The validation results of the last epoch. */
  readonly evaluated: Evaluation | undefined
  /** The optimizer of the running fit. */
  readonly optimizer: optim.Optimizer | undefined
  /** The training loss of outputs against targets, with class weights and smoothing. */
  loss(outputs: Tensor, y: Tensor): Tensor
  validate(source?: Source): Promise<Evaluation>
  /** Runs `fn` with the averaged weights in the net, if an average is kept. */
  averaged<T>(fn: () => Promise<T> | T): Promise<T>
  progress(): LearnerProgress
  state(options?: { copy?: boolean }): LearnerState<Tensor>
}
