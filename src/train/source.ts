import type { Tensor } from '../torch/index.ts'
import { type MixOptions, mixBatch } from '../vision/augment/index.ts'

/** What a net learns from: samples by number. The loop decides order and batches; a source only makes tensors. */
export interface Source {
  /** How many samples an epoch has. */
  readonly count: number
  /** x: what the net takes; y [N]: class numbers, int64. The same samples and epoch give the same bits. Called inside a
   *  scope, which frees the tensors. */
  batch(samples: Uint32Array, epoch: number): Batch
}
/** Inputs and their classes. */
export interface Batch {
  x: Tensor
  y: Tensor
}

/** A source whose batches are mixed by MixUp or CutMix (`mixBatch`): a function of seed, epoch and samples alone. */
export function mixedSource<S extends Source>(source: S, options: Omit<MixOptions, 'epoch' | 'step'>): S {
  return {
    ...source,
    batch(samples, epoch) {
      const { x, y } = source.batch(samples, epoch)
      return mixBatch({ x, y }, { ...options, epoch, step: samples[0] ?? 0 })
    },
  }
}

/** All samples in their own order, in batches of at most `batchSize`. */
export function* inOrder(count: number, batchSize: number): Generator<Uint32Array> {
  for (let start = 0; start < count; start += batchSize)
    yield Uint32Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i)
}
