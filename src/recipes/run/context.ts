import type { Report } from '../../base/progress.ts'
import type { Domain, Progress } from '../../domain/index.ts'
import type { RecipeOptions } from '../options.ts'
import type { Session } from './session.ts'

/** The options of a run, and the callbacks that report its work. `O`: the options of its domain. */
export interface Context<O extends object = object> {
  domain: Domain<O>
  session: Session
  options: O & RecipeOptions
  report: Report
  progress: Progress
  signal?: AbortSignal | undefined
  /** For one of several nets whose weights are averaged: what is added to the seed, for all but the split. */
  seedShift?: number | undefined
  /** Called once the run has checked that its data are those that it began with. */
  accepted?: (() => void) | undefined
}
