import type { Tensor } from '../torch/index.ts'

/** A batch in training, from `beforeBatch` to `beforeZeroGrad`. Its tensors are freed at the end of the step (`keep` keeps
 *  one). A hook may put others in their place: the step goes on with those. */
export interface InputBatch {
  /** Numbers of its samples in the training source. */
  readonly samples: Uint32Array
  /** The epoch and the step that it is, counted from 1 over the learner's life. */
  readonly epoch: number
  readonly step: number
  /** Its place in the epoch, from 1, and how many batches the epoch has. */
  readonly number: number
  readonly of: number
  /** Share of the fit that is done before it, in [0, 1). */
  readonly progress: number
  /** What the net takes, after the batch transforms. */
  x: Tensor
  /** The targets: class numbers int64 [N], or rows [N, C]. */
  y: Tensor
}
/** A batch after the net has seen it. */
export interface PredictedBatch extends InputBatch {
  /** The net's outputs in float32, before softmax or sigmoid: [N, C]. */
  prediction: Tensor
}
/** A batch with its loss, one number. */
export interface LossBatch extends PredictedBatch {
  loss: Tensor
}
/** A batch of a fit's validation. */
export interface ValidationBatch {
  readonly samples: Uint32Array
  x: Tensor
  y: Tensor
}
/** The same after the net has seen it; prediction [N, C] in float32. */
export interface PredictedValidationBatch extends ValidationBatch {
  prediction: Tensor
}
