import type { Report } from '../../base/progress.ts'
import type { RunConfig, RunEvent, RunResult } from '../../runs/index.ts'
import type { TableOptions } from '../options.ts'
import type { OpenEmbedder } from '../texts/embedder.ts'
import type { OpenTable } from './open.ts'

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
  /** Opens the net for columns of texts. Without it they are left out. */
  embedder?: OpenEmbedder | undefined
  /** The command that the run's configuration records. */
  command?: string[]
}

/** A run's configuration without the facts that libtorch reports. */
export type Asked = Omit<RunConfig, 'versions' | 'machine'> & Partial<RunConfig>

/** What one run trains: everything, or one fold of a table that is open already. */
export interface Job {
  mode: 'create' | 'append'
  config: Asked
  options: TableOptions
  /** The table of all folds, and the fold of this run, counted from 0. */
  open?: OpenTable
  fold?: number
}

/** What a run made. */
export interface Made {
  result: RunResult
  made: Pick<RunConfig, 'model' | 'classes'>
}
