/** The part of the data that a picture belongs to. */
export type Split = 'train' | 'valid' | 'test'

/** What is to be told of a picture: its one class, any number of classes, or numbers. */
export type Task = 'single' | 'multi' | 'regression'

/** A place in the file system: `raw` holds the bytes where they are not UTF-8 and `file` can only show them. */
export interface Place {
  file: string
  raw?: Uint8Array
  /** The further files of a picture whose channels lie in several, in order. */
  bands?: readonly Place[]
}

/** One labelled sample. */
export interface Item extends Place {
  /** Its classes by number, rising: exactly one for the task `single`, any number for `multi`, none for `regression`. */
  labels: readonly number[]
  /** What is to be told of it by numbers: for the task `regression`, one a target. */
  values?: readonly number[]
  /** What it must not be parted from: a patient, a day. */
  group?: string
  /** When it was taken, in any unit: the later, the larger. */
  time?: number
  split: Split
}

/** What can be wrong with a file or a folder.
 *  - damaged: does not decode, counted against the limit; unreadable, missing: could not be opened
 *  - not-a-picture, special (FIFO, socket, device), loop (a link back to a folder already seen), unlabelled (a picture
 *    outside every class folder), unused-folder: passed over
 *  - empty-class, single-picture, one-sided (all its pictures train, or all validate): too little to learn from or check
 *  - duplicate (same picture, same label), conflict (same picture, two labels), leak (same picture in two splits)
 *  - missing-values: NaN, infinite or a nodata value in its file; the picture stays
 *  - cleaned: left out or labelled anew by a decision of `anneal clean` */
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
  | 'cleaned'

/** One line of the scan: which file, why, and whether it is left out of the data or kept. */
export interface Problem {
  kind: ProblemKind
  file: string
  reason: string
  kept: boolean
  /** Counts against the limit of damaged files: it is, or claims to be, a picture. */
  counted: boolean
}

/** Pictures of one class in each split, after the scan. */
export interface ClassCount {
  name: string
  train: number
  valid: number
  test: number
}

/** One thing that was found out about the data rather than told, with its reason in words. */
export interface Choice {
  what: string
  value: string
  reason: string
}
