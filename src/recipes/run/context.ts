import type { Report } from '../../base/progress.ts'
import type { TrainOptions } from '../options.ts'
import type { Session } from './session.ts'

/** How far a long piece of work without losses is: decoding, features. */
export type Progress = (what: string, done: number, total: number) => void

/** Who hears of decisions and remembers answers: a run's session, or nobody. */
export type Narrator = Pick<Session, 'once' | 'choice' | 'emit'> & Partial<Pick<Session, 'stands'>>

/** What a run was told, and who hears of it. */
export interface Context {
  session: Session
  options: TrainOptions
  report: Report
  progress: Progress
  signal?: AbortSignal | undefined
  /** Called when the pictures are those of the run. */
  accepted?: (() => void) | undefined
}
