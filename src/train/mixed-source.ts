import { type MixOptions, mixBatch } from './mix.ts'
import type { Source } from './source.ts'

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
