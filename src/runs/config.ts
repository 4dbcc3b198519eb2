import { RunError } from '../base/errors.ts'
import type { SampleNoun } from '../base/samples.ts'
import { readObject, runPaths } from './paths.ts'

/** `config.json`: everything that was chosen before training, as plain values. */
export type RunConfig = {
  format: 1
  anneal: string
  /** ISO 8601 time at which the run was made. */
  created: string
  /** The command line or the name of the program that made it. */
  command: string[]
  /** The kind of data; `images` where it is absent. */
  domain?: string
  /** What a sample is called; `picture` where it is absent. */
  noun?: SampleNoun
  model: string
  /** Absolute path of the data folder. */
  data: string
  classes: string[]
  seed: number
  /** For one of several nets whose weights are averaged: what its seed is above `seed`, for all but the split. */
  seedShift?: number
  /** All other settings under their option's name. */
  settings: Record<string, unknown>
  /** Node, libtorch, Anneal and others. */
  versions: Record<string, string>
  /** Processor, threads, memory, device. */
  machine: Record<string, string | number | boolean>
}

/** The kind of data of a run or of a saved model: the first versions knew pictures alone and did not write it. */
export const domainOf = ({ domain = 'images' }: { domain?: string }): string => domain

/** What a sample of a run is called. */
export const nounOf = (config: Pick<RunConfig, 'domain' | 'noun'> | undefined): SampleNoun =>
  config?.noun ??
  (domainOf(config ?? {}) === 'tables' ? { one: 'row', many: 'rows' } : { one: 'picture', many: 'pictures' })

/** The configuration of the run in a folder; undefined where there is none. */
export function readConfig(dir: string): RunConfig | undefined {
  const path = runPaths(dir).config
  try {
    return readObject<RunConfig>(path)
  } catch (cause) {
    throw new RunError(`${path}: ${(cause as Error).message}; the run can't be resumed. Start a new one.`, { cause })
  }
}
