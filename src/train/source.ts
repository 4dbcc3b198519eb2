import type { TargetTable } from '../data/targets.ts'
import type { Tensor } from '../torch/index.ts'

/** The samples that a net is trained on, by number. The loop decides order and batches; a source only makes tensors. */
export interface Source {
  /** How many samples an epoch has. */
  readonly count: number
  /** Where a row is a part of a sample (a window of a recording): the number of its sample, from 0. `count` counts rows. */
  readonly parts?: Uint32Array | undefined
  /** x: the net's input; y [N]: class numbers, int64. The same samples and epoch give the same bits. Called inside a
   *  scope, which frees the tensors. */
  batch(samples: Uint32Array, epoch: number): Batch
  /** Some rows of a batch, from the first one up to the place after the last, where a row depends on other samples of the
   *  batch: the same bits as in the whole batch. Default: the batch of these samples alone. */
  part?(batch: Uint32Array, rows: { from: number; to: number }, epoch: number): Batch
}
/** A source that knows the targets of all its samples. */
export interface LabelledSource extends Source {
  /** As `targetsOf` makes them: class numbers [N], or rows [N × classes]. */
  readonly targets: TargetTable
}
/** Inputs and their classes. */
export interface Batch {
  x: Tensor
  y: Tensor
}

/** A batch of a fit's validation. */
export interface ValidationBatch {
  readonly samples: Uint32Array
  x: Tensor
  y: Tensor
}
/** A validation batch with the net's prediction [N, C], in float32. */
export interface PredictedValidationBatch extends ValidationBatch {
  prediction: Tensor
}

/** All samples in their own order, in batches of at most `batchSize`. */
export function* inOrder(count: number, batchSize: number): Generator<Uint32Array> {
  for (let start = 0; start < count; start += batchSize)
    yield Uint32Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i)
}
