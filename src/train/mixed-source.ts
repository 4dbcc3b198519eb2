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
      const read = (places: Uint32Array) => {
        const samples = places.map(place => batch[place]!)
        return source.batch(samples, epoch)
      }
      return mixPart(batch.length, rows, read, { ...options, epoch, step: batch[0] ?? 0 })
    },
  }
}
