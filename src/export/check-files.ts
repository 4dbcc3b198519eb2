import { existsSync, statSync } from 'node:fs'
import { sha256 } from '../base/digest.ts'
import { ModelError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import { type TargetTable, targetsOf } from '../data/targets.ts'
import type { Place } from '../data/types.ts'
import { placed } from '../recipes/run/moved-files.ts'
import { restoredOptions } from '../recipes/run/stored-options.ts'
import { readConfig, readSeen } from '../runs/index.ts'
import { contentHashes } from '../vision/cache/hashes.ts'
import { openIndex } from '../vision/domain/open-pictures.ts'
import type { ImageOptions } from '../vision/domain/options.ts'
import type { ModelCard } from '../vision/inference/saved.ts'

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
  { classes, task = 'single' }: ModelCard,
  {
    data,
    signal,
    skip = 'Or leave out the check (--no-check).',
  }: { data?: string | undefined; signal?: AbortSignal | undefined; skip?: string | undefined },
): Promise<RunPictures> {
  const isRun = statSync(run, { throwIfNoEntry: false })?.isDirectory()
  const config = isRun ? readConfig(run) : undefined
  const seen = isRun ? readSeen(run) : undefined
  if (!config || !seen)
    throw new ModelError(
      `${run}: is no run that keeps a list of its pictures, so there is nothing to check the exported model on. Give the folder of a run. ${skip}`,
    )
  if (data === undefined && !existsSync(config.data))
    throw new ModelError(
      `${run}: its pictures were in ${config.data}, which no longer exists. Give their new place with ${option('data')}. ${skip}`,
    )
  const { settings, data: folder } = placed(run, config, { data })
  const options = restoredOptions(run, settings, undefined) as ImageOptions
  const index = await openIndex(folder, { ...options, seed: config.seed })
  const hashes = await contentHashes(index.dir, index.items, { signal })
  const numbers = index.classes.map(name => classes.indexOf(name))
  const of: RunPictures['of'] = (part, most, after = 0) => {
    const wanted = new Set(seen[part])
    const found = index.items
      .flatMap((item, i) => {
        const content = hashes[i]!
        return 'hash' in content && wanted.delete(content.hash.slice(0, 16)) ? [{ item, hash: content.hash }] : []
      })
      // An order that has nothing to do with classes, and is the same each time.
      .sort((a, b) => (sha256(a.hash) < sha256(b.hash) ? -1 : 1))
      .slice(after, after + most)
    if (found.length === 0)
      throw new ModelError(
        `${folder}: holds none of the pictures that ${run} was ${part === 'valid' ? 'validated' : 'trained'} on. Give their place with ${option('data')}. ${skip}`,
      )
    const rows = found.map(({ item }) => ({
      labels: item.labels.map(label => numbers[label]!),
      ...(item.values && { values: classes.map(name => item.values![index.classes.indexOf(name)]!) }),
    }))
    return { places: found.map(({ item }) => item), targets: targetsOf(rows, task, classes.length), part }
  }
  return { held: seen.valid.length > 0 ? 'valid' : 'train', of }
}
