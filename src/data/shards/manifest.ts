import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataError } from '../../base/errors.ts'
import type { Task } from '../types.ts'
import type { Shards } from './find.ts'
import { tarAt } from './members.ts'

/** `index.json` beside shards that `anneal shard` wrote. */
export interface Manifest {
  format: 'anneal-shards'
  version: 1
  task: Task
  /** The names of the classes: `.cls` holds their numbers. For the task `regression` the names of the targets. */
  classes: readonly string[]
  samples: number
  /** How a reader orders the samples, so that training is the same as on the files: by part, class and name, or by name. */
  order: 'class' | 'file'
  /** The seed that the samples were shuffled by, before they were written. */
  seed: number
  /** The tars in their order, relative to this file. */
  shards: readonly { file: string; bytes: number; samples: number; sha256: string }[]
}

/** The name of the file. */
export const manifestName = 'index.json'

/** The names of classes beside the shards of others, one a line, in the order of the numbers in `.cls`. */
const classNames = ['classnames.txt', 'classes.txt']

/** What stands beside the tars: our index, or a list of class names. Throws if the tars are not those of the index. */
export function readBeside(shards: Shards): { manifest?: Manifest; names?: readonly string[]; source?: string } {
  const path = join(shards.dir, manifestName)
  const manifest = existsSync(path) ? parse(path) : undefined
  if (manifest) {
    checkFiles(shards, manifest, path)
    return { manifest, names: manifest.classes, source: manifestName }
  }
  const list = classNames.find(name => existsSync(join(shards.dir, name)))
  if (list === undefined) return {}
  const names = readFileSync(join(shards.dir, list), 'utf8').replace(/\n+$/, '').split(/\r?\n/)
  return { names, source: list }
}

function parse(path: string): Manifest | undefined {
  let read: Partial<Manifest>
  try {
    read = JSON.parse(readFileSync(path, 'utf8')) as Partial<Manifest>
  } catch (error) {
    throw new DataError(
      `${path} is no JSON: ${(error as Error).message}; expected the index of the shards beside it. Make the shards again.`,
    )
  }
  if (read.format !== 'anneal-shards') return undefined // somebody else's
  if (read.version !== 1)
    throw new DataError(
      `${path} is of version ${read.version}, expected 1; it was written by a newer Anneal. Update Anneal.`,
    )
  return read as Manifest
}

function checkFiles({ dir, tars, whole }: Shards, { shards }: Manifest, path: string): void {
  const known = new Map(shards.map(shard => [shard.file, shard]))
  const here = new Set(tars.map(tar => tar.slice(dir.length + 1)))
  const gone = whole ? shards.find(({ file }) => !here.has(file)) : undefined
  if (gone)
    throw new DataError(
      `${path} names ${gone.file}, which is not there; expected all ${shards.length} shards. Copy it too, or name the tars to use: '${join(dir, '*.tar')}'.`,
    )
  for (const name of here) {
    const shard = known.get(name)
    if (!shard)
      throw new DataError(
        `${join(dir, name)} is not in ${path}; expected the ${shards.length} shards that it names. Move it to a folder of its own.`,
      )
    const { bytes } = tarAt(join(dir, name))
    if (bytes !== shard.bytes)
      throw new DataError(
        `${join(dir, name)} has ${bytes} bytes, and ${path} says ${shard.bytes}; expected the file as it was written. Copy it again.`,
      )
  }
}
