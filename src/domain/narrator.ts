import type { Report } from '../base/progress.ts'
import type { EventBody } from '../runs/index.ts'
import type { Precision } from '../train/network.ts'

/** Shows the progress of long work that has no losses: decoding, features. */
export type Progress = (what: string, done: number, total: number) => void

/** Receives every decision, and remembers answers so that a resumed run does not decide again. */
export interface Narrator {
  /** Runs `fn` once in a run; a resumed run gets the same answer. The answer is plain data. */
  once<T>(name: string, fn: () => Promise<T> | T): Promise<T>
  /** Writes a decision with its reason into the run's log. */
  choice(what: string, value: string, reason: string): void
  emit(event: EventBody): void
  /** Notes what is kept if the run stops now, and what must be done again. */
  stands?(kept: string, again?: string): void
}

/** What a domain gets beside its index: the options of the run, and the callbacks that report its work. */
export interface DomainContext<O> {
  options: O
  narrator: Narrator
  /** Called with messages about downloads. */
  report: Report
  progress: Progress
  signal?: AbortSignal | undefined
}

/** Options of every run that its domain reads too. */
export interface SharedOptions {
  /** The name of a model, or `auto`. */
  model?: string | undefined
  /** A file of pretrained weights of this model. */
  weights?: string | undefined
  /** Begin from pretrained weights (default) or from random ones. */
  pretrained?: boolean | undefined
  /** Default: 42. */
  seed?: number | undefined
  batchSize?: number | undefined
  /** `cpu`, `cuda` or `cuda:1`. */
  device?: string | undefined
  precision?: Precision | 'auto' | undefined
  /** The most epochs of the whole net, the minutes of the run, and the augmented views of each sample. */
  epochs?: number | undefined
  minutes?: number | undefined
  views?: number | undefined
}

/** The model that was chosen for a run: its answer `model` (`Narrator.once`). */
export interface ModelChoice {
  name: string
  reason: string
  /** What was measured, as lines of the log. */
  lines: string[]
}
