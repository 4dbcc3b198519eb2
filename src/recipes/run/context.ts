import type { Report } from '../../base/progress.ts'
import type { Domain, Progress } from '../../domain/index.ts'
import type { RecipeOptions } from '../options.ts'
import type { Session } from './session.ts'

/** What a run was asked, and who hears of it. `O`: the options of its domain. */
export interface Context<O extends object = object> {
  domain: Domain<O>
  session: Session
  options: O & RecipeOptions
  report: Report
  progress: Progress
  signal?: AbortSignal | undefined
  /** Called once the run has seen that its data are those that it began with. */
  accepted?: (() => void) | undefined
}
