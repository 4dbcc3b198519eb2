import { existsSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { RunError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { dataExists } from '../../data/shards/find.ts'
import type { Item } from '../../data/types.ts'
import type { Dataset, Words } from '../../domain/index.ts'
import { type RunConfig, readSeen } from '../../runs/index.ts'

/** Where the files of a resumed run are now; give those that have moved. */
export interface Places {
  /** The folder or file of the data. */
  data?: string | undefined
  /** The table of labels. */
  labels?: string | undefined
  /** The decisions of `anneal clean`. */
  clean?: string | undefined
}

const tables = ['labels', 'clean'] as const

/** The configuration with the given places. A table that was inside the folder of samples has moved with it. Throws if
 *  a place does not exist. Whether the samples are the same is checked later, by their content. */
export function placed(run: string, config: RunConfig, { data, ...given }: Places): RunConfig {
  const settings = { ...config.settings }
  const now = data === undefined ? config.data : resolve(data)
  if (!dataExists(now))
    throw new RunError(
      data === undefined
        ? `${run}: its data were in ${now}, which no longer exists. Give their new place with ${option('data')}.`
        : `${data}: no such folder; expected the one that the data of ${run} have moved to.`,
    )
  for (const name of tables) {
    const path = given[name]
    const old = settings[name]
    if (typeof old !== 'string') {
      if (path !== undefined)
        throw new RunError(`${run}: began without ${option(name)}; leave it out, or start a new run.`)
      continue
    }
    const inside = relative(config.data, old)
    const along = inside.startsWith('..') || isAbsolute(inside) ? undefined : join(now, inside)
    const found = path ?? [old, along].find(p => p !== undefined && existsSync(p))
    if (found === undefined || !existsSync(found))
      throw new RunError(
        path === undefined
          ? `${run}: ${option(name)} was ${old}, which no longer exists. Give its new place with ${option(name)}.`
          : `${path}: no such file; expected the one that ${old} has moved to.`,
      )
    settings[name] = resolve(found)
  }
  return { ...config, data: now, settings }
}

/** How the samples differ in content from those that a run began with; undefined if the run keeps no list, or if the
 *  list is the same. */
export function contentDifference(
  run: string,
  { dir, of }: Pick<Dataset, 'dir' | 'of'>,
  { hash, words }: { hash(item: Item): string; words: Words },
): string | undefined {
  const seen = readSeen(run)
  if (!seen) return undefined
  const known = new Set([...seen.train, ...seen.valid])
  const found = [...of('train'), ...of('valid')].map(item => ({
    file: item.file,
    hash: hash(item).slice(0, 16),
  }))
  const here = new Set(found.map(f => f.hash))
  const missing = [...known].filter(h => !here.has(h)).length
  const others = found.filter(f => !known.has(f.hash)).map(f => relative(dir, f.file))
  const parts = [
    missing > 0 && `${missing} of its ${plural(known.size, words.one)} ${missing === 1 ? 'is' : 'are'} not here`,
    others.length > 0 &&
      `${plural(others.length, `other ${words.one}`)} ${others.length === 1 ? 'is' : 'are'}: ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}`,
  ].filter(part => part !== false)
  if (parts.length > 0) return parts.join('; ')
  const part = (split: 'train' | 'valid') => new Set(of(split).map(item => hash(item).slice(0, 16)))
  const moved = [...part('train')].filter(h => !seen.train.includes(h)).length
  return moved > 0 ? `${plural(moved, words.one)} that validated would train now` : undefined
}
