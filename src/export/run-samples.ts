import { existsSync } from 'node:fs'
import { sha256 } from '../base/digest.ts'
import { ModelError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import { type TargetTable, targetsOf } from '../data/targets.ts'
import type { Item } from '../data/types.ts'
import { placed } from '../recipes/run/moved-files.ts'
import { restoredOptions } from '../recipes/run/stored-options.ts'
import { isRun, readConfig, readSeen } from '../runs/index.ts'
import type { ModelCard } from '../train/saved-model.ts'

/** How to do without the check, for errors. */
export const withoutCheck = 'Or leave out the check (--no-check).'

/** The data of a run, to find its samples again. */
export interface RunData {
  /** Where they are now. */
  place: string
  /** The options of the run, which label them. */
  options: Record<string, unknown>
  /** The part to check on: training if folds leave no other. */
  part: 'valid' | 'train'
  /** Up to `most` items of a part by their content, after the first `after`: always the same ones, in an order that has nothing
   *  to do with classes. `hashOf`: the sha256 of an item's content, if it can be read. Throws if there are none. */
  seen<T>(
    items: readonly T[],
    hashOf: (item: T, i: number) => string | undefined,
    { part, most, after }: { part: 'valid' | 'train'; most: number; after?: number },
  ): T[]
}

/** Finds the data of a run. noun: what its samples are, `pictures`; skip: how to do without them, for errors. */
export function runData(
  run: string,
  noun: string,
  { data, skip = withoutCheck }: { data: string | undefined; skip?: string | undefined },
): RunData {
  const config = isRun(run) ? readConfig(run) : undefined
  const seen = config ? readSeen(run) : undefined
  if (!config || !seen)
    throw new ModelError(
      `${run}: is no run that keeps a list of its ${noun}, so there is nothing to check the exported model on. Give the folder of a run. ${skip}`,
    )
  if (data === undefined && !existsSync(config.data))
    throw new ModelError(
      `${run}: its ${noun} were in ${config.data}, which no longer exists. Give their new place with ${option('data')}. ${skip}`,
    )
  const { settings, data: place } = placed(run, config, { data })
  return {
    place,
    options: { ...restoredOptions(run, settings, undefined), seed: config.seed },
    part: seen.valid.length > 0 ? 'valid' : 'train',
    seen(items, hashOf, { part, most, after = 0 }) {
      const wanted = new Set(seen[part])
      const found = items
        .flatMap((item, i) => {
          const hash = hashOf(item, i)
          return hash !== undefined && wanted.delete(hash.slice(0, 16)) ? [{ item, order: sha256(hash) }] : []
        })
        .sort((a, b) => (a.order < b.order ? -1 : 1))
        .slice(after, after + most)
      if (found.length === 0)
        throw new ModelError(
          `${place}: holds none of the ${noun} that ${run} was ${part === 'valid' ? 'validated' : 'trained'} on. Give their place with ${option('data')}. ${skip}`,
        )
      return found.map(({ item }) => item)
    },
  }
}

/** The targets of items for a trained model, whose classes may be in another order. own: the classes of the items. */
export function targetsFor(
  { classes, task = 'single' }: ModelCard,
  items: readonly Pick<Item, 'labels' | 'values'>[],
  own: readonly string[],
): TargetTable {
  const numbers = own.map(name => classes.indexOf(name))
  const rows = items.map(({ labels, values }) => ({
    labels: labels.map(label => numbers[label]!),
    ...(values && { values: classes.map(name => values[own.indexOf(name)]!) }),
  }))
  return targetsOf(rows, task, classes.length)
}

/** The sha256 of a file that could be read. */
export const hashIn = (content: { hash: string } | object): string | undefined =>
  'hash' in content ? content.hash : undefined
