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

/** Finds up to `most` validation recordings of a run, by their content: always the same ones, of all classes. */
export async function checkSounds(
  run: string,
  { card }: SoundModel,
  { most, data, signal }: { most: number; data?: string | undefined; signal?: AbortSignal | undefined },
): Promise<CheckSounds> {
  const { place, options, part, seen } = runData(run, 'recordings', { data })
  const index = await indexSounds(place, options as Parameters<typeof indexSounds>[1])
  const hashes = await contentHashes(index.items, { signal })
  const places = seen(index.items, (_, i) => hashIn(hashes[i]!), { part, most })
  return { places, targets: targetsFor(card, places, index.classes), part }
}
