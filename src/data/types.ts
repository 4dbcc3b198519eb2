/** The part of the data that a picture belongs to. */
export type Split = 'train' | 'valid' | 'test'

/** What the model predicts for a picture: one class (single-label), any number of classes (multi-label), or regression
 *  targets. */
export type Task = 'single' | 'multi' | 'regression'

/** A path. If its bytes are not UTF-8, `raw` holds them and `file` is only for display. */
export interface Place {
  file: string
  raw?: Uint8Array
  /** For a picture with channels in several files: the other files, in order. */
  bands?: readonly Place[]
}

/** One labelled sample. */
export interface Item extends Place {
  /** The indexes of its classes, ascending: exactly one for the task `single`, any number for `multi`, none for
   *  `regression`. */
  labels: readonly number[]
  /** Its regression targets, one number per target; only for the task `regression`. */
  values?: readonly number[]
  /** Its group (a patient, a day). Samples of one group are never on both sides of a split. */
  group?: string
  /** When it was taken, in any unit. A later time is a larger number. */
  time?: number
  split: Split
}

/** What can be wrong with a file or a folder.
 *  - damaged: does not decode, counted against the limit; unreadable, missing: can not be opened
 *  - not-a-picture, special (FIFO, socket, device), loop (a link back to a folder already seen), unlabelled (a picture
 *    outside every class folder), unused-folder: skipped
 *  - empty-class, single-picture, one-sided (all its pictures are in train, or all in valid): too few pictures to train
 *    on or to validate with
 *  - duplicate (same picture, same label), conflict (same picture, two labels), leak (same picture in two splits)
 *  - missing-values: NaN, infinite or a nodata value in its file; the picture is kept
 *  - silent, clipped, short: a recording without sound, at full scale too often, or too short; it is kept
 *  - cleaned: left out or relabelled by a decision of `anneal clean` */
export type ProblemKind =
  | 'damaged'
  | 'unreadable'
  | 'missing'
  | 'not-a-picture'
  | 'special'
  | 'loop'
  | 'unlabelled'
  | 'unused-folder'
  | 'empty-class'
  | 'single-picture'
  | 'one-sided'
  | 'duplicate'
  | 'conflict'
  | 'leak'
  | 'missing-values'
  | 'partly-read'
  | 'silent'
  | 'clipped'
  | 'short'
  | 'cleaned'

/** One line of the scan: the file, the reason, and whether the file is left out or kept. */
export interface Problem {
  kind: ProblemKind
  file: string
  reason: string
  kept: boolean
  /** Whether it counts against the limit of damaged files, because it is a picture or has the name of one. */
  counted: boolean
}

/** Pictures of one class in each split, after the scan. */
export interface ClassCount {
  name: string
  train: number
  valid: number
  test: number
}

/** One thing that was found in the data because no option gave it, with its reason in words. */
export interface Choice {
  what: string
  value: string
  reason: string
}
