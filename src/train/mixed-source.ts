import { type MixOptions, mixBatch, mixPart } from './mix.ts'
import type { Source } from './source.ts'

/** A source whose batches are mixed by MixUp or CutMix (`mixBatch`): a function of seed, epoch and samples alone. Of several
 *  ranks each makes its rows of the batch, and reads their partners too. */
export function mixedSource<S extends Source>(source: S, options: Omit<MixOptions, 'epoch' | 'step'>): S {
  return {
    ...source,
    batch(samples, epoch) {
      const { x, y } = source.batch(samples, epoch)
      return mixBatch({ x, y }, { ...options, epoch, step: samples[0] ?? 0 })
    },
    part(batch, rows, epoch) {
      const how = { ...options, epoch, step: batch[0] ?? 0 }
      return mixPart(
        batch.length,
        rows,
        numbers =>
          source.batch(
            numbers.map(n => batch[n]!),
            epoch,
          ),
        how,
      )
    },
  }
}
