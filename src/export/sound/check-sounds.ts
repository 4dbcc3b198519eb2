import type { TargetTable } from '../../data/targets.ts'
import type { Place } from '../../data/types.ts'
import { contentHashes } from '../../sound/cache/cache.ts'
import { indexSounds } from '../../sound/dataset.ts'
import { hashIn, runData, targetsFor } from '../run-samples.ts'
import type { SoundModel } from './model-graph.ts'

/** Recordings to check an exported model on, with their labels. */
export interface CheckSounds {
  places: readonly Place[]
  targets: TargetTable
  /** Which part of the run's data they are from: training if folds leave nothing else. */
  part: 'valid' | 'train'
}

/** The recordings of a run that are still in its data. */
export interface RunSounds {
  /** The part to measure on: training recordings if folds leave no others. */
  held: 'valid' | 'train'
  /** Up to `most` recordings of a part, after the first `skip`: always the same ones, of all classes. */
  of(part: 'valid' | 'train', most: number, skip?: number): CheckSounds
}

/** Finds the recordings of a run by their content, as its own options label them. skip: how to do without them, for errors. */
export async function runSounds(
  run: string,
  { card }: Pick<SoundModel, 'card'>,
  { data, skip, signal }: { data?: string | undefined; skip?: string | undefined; signal?: AbortSignal | undefined },
): Promise<RunSounds> {
  const { place, options, part: held, seen } = runData(run, 'recordings', { data, skip })
  const index = await indexSounds(place, options as Parameters<typeof indexSounds>[1])
  const hashes = await contentHashes(index.items, { signal })
  return {
    held,
    of(part, most, after = 0) {
      const places = seen(index.items, (_, i) => hashIn(hashes[i]!), { part, most, after })
      return { places, targets: targetsFor(card, places, index.classes), part }
    },
  }
}
