import { existsSync } from 'node:fs'
import { sha256 } from '../../base/digest.ts'
import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { type TargetTable, targetsOf } from '../../data/targets.ts'
import type { Place } from '../../data/types.ts'
import { placed } from '../../recipes/run/moved-files.ts'
import { restoredOptions } from '../../recipes/run/stored-options.ts'
import { isRun, readConfig, readSeen } from '../../runs/index.ts'
import { contentHashes } from '../../sound/cache/cache.ts'
import { indexSounds } from '../../sound/dataset.ts'
import type { SoundModel } from './model-graph.ts'

/** Recordings to check an exported model on, with their labels. */
export interface CheckSounds {
  places: readonly Place[]
  targets: TargetTable
  /** Which part of the run's data they are from: training if folds leave nothing else. */
  part: 'valid' | 'train'
}

const skip = 'Or leave out the check (--no-check).'

/** Finds up to `most` validation recordings of a run, by their content: always the same ones, of all classes. */
export async function checkSounds(
  run: string,
  { card: { classes, task = 'single' } }: SoundModel,
  { most, data, signal }: { most: number; data?: string | undefined; signal?: AbortSignal | undefined },
): Promise<CheckSounds> {
  const config = isRun(run) ? readConfig(run) : undefined
  const seen = config ? readSeen(run) : undefined
  if (!config || !seen)
    throw new ModelError(
      `${run}: is no run that keeps a list of its recordings, so there is nothing to check the exported model on. Give the folder of a run. ${skip}`,
    )
  if (data === undefined && !existsSync(config.data))
    throw new ModelError(
      `${run}: its recordings were in ${config.data}, which no longer exists. Give their new place with ${option('data')}. ${skip}`,
    )
  const { settings, data: place } = placed(run, config, { data })
  const options = { ...restoredOptions(run, settings, undefined), seed: config.seed }
  const index = await indexSounds(place, options as Parameters<typeof indexSounds>[1])
  const hashes = await contentHashes(index.items, { signal })
  const part = seen.valid.length > 0 ? 'valid' : 'train'
  const wanted = new Set(seen[part])
  const found = index.items
    .flatMap((item, i) => {
      const content = hashes[i]!
      return 'hash' in content && wanted.delete(content.hash.slice(0, 16)) ? [{ item, hash: content.hash }] : []
    })
    // An order that has nothing to do with classes, and is the same each time.
    .sort((a, b) => (sha256(a.hash) < sha256(b.hash) ? -1 : 1))
    .slice(0, most)
  if (found.length === 0)
    throw new ModelError(
      `${place}: holds none of the recordings that ${run} was ${part === 'valid' ? 'validated' : 'trained'} on. Give their place with ${option('data')}. ${skip}`,
    )
  const numbers = index.classes.map(name => classes.indexOf(name))
  const rows = found.map(({ item }) => ({
    labels: item.labels.map(label => numbers[label]!),
    ...(item.values && { values: classes.map(name => item.values![index.classes.indexOf(name)]!) }),
  }))
  return { places: found.map(({ item }) => item), targets: targetsOf(rows, task, classes.length), part }
}
