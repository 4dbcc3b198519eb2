import type { Report } from '../../base/progress.ts'
import type { RunEvent } from '../../runs/index.ts'

/** Callbacks of a training run on a table, and a signal to stop it. */
export interface TableHooks {
  /** Called as soon as the run's folder is locked, with the folder and a function that adds a warning to its events. */
  onRun?: (dir: string, warn: (message: string) => void) => void
  /** Called with every event as it happens. */
  onEvent?: (event: RunEvent) => void
  /** Called with messages about downloads. */
  report?: Report
  /** Called with the progress of work without losses: reading. */
  progress?: (label: string, done: number, total: number) => void
  /** When aborted, training stops after the current step, keeps its state, and throws `Stopped`. */
  signal?: AbortSignal
  /** Called to draw the report when the run's work is done. */
  writeReport?: (runDir: string) => Promise<void>
  /** The command that the run's configuration records. */
  command?: string[]
}
