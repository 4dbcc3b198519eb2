import type { TargetTable } from '../data/targets.ts'
import type { Place } from '../data/types.ts'
import { contentHashes } from '../vision/cache/hashes.ts'
import { openIndex } from '../vision/domain/open-pictures.ts'
import type { ImageOptions } from '../vision/domain/options.ts'
import type { ModelCard } from '../vision/inference/saved.ts'
import { hashIn, runData, targetsFor } from './run-samples.ts'

/** Pictures to check an exported model on, with their labels. */
export interface CheckFiles {
  places: Place[]
  targets: TargetTable
  /** Which part of the run's data they are from: training where folds leave nothing else. */
  part: 'valid' | 'train'
}

/** Finds up to `most` validation pictures of a run, as its own options label them, by their content. skip: how to do
 *  without them, for errors. */
export async function checkFiles(
  run: string,
  card: ModelCard,
  {
    most,
    ...options
  }: { most: number; data?: string | undefined; signal?: AbortSignal | undefined; skip?: string | undefined },
): Promise<CheckFiles> {
  const pictures = await runPictures(run, card, options)
  return pictures.of(pictures.held, most)
}

/** The pictures of a run that are still in its folder. */
export interface RunPictures {
  /** The part to measure on: training pictures where folds leave no others. */
  held: 'valid' | 'train'
  /** Up to `most` pictures of a part, after the first `skip`: always the same ones, of all classes. */
  of(part: 'valid' | 'train', most: number, skip?: number): CheckFiles
}

/** Finds the pictures of a run by their content, as its own options label them. */
export async function runPictures(
  run: string,
  card: ModelCard,
  { signal, ...how }: { data?: string | undefined; signal?: AbortSignal | undefined; skip?: string | undefined },
): Promise<RunPictures> {
  const { place, options, part: held, seen } = runData(run, 'pictures', { data: undefined, ...how })
  const index = await openIndex(place, options as ImageOptions)
  const hashes = await contentHashes(index.dir, index.items, { signal })
  return {
    held,
    of(part, most, after = 0) {
      const places = seen(index.items, (_, i) => hashIn(hashes[i]!), { part, most, after })
      return { places, targets: targetsFor(card, places, index.classes), part }
    },
  }
}
