/** The part of the data that a picture belongs to. */
export type Split = 'train' | 'valid' | 'test'

/** One picture as 8-bit RGB, `data: [height, width, 3]`. */
export interface Picture {
  data: Uint8Array
  height: number
  width: number
}

/** A place in the file system: `raw` holds the bytes where they are not UTF-8 and `file` can only show them. */
export interface Place {
  file: string
  raw?: Uint8Array
}

/** One labelled picture; `picture` is its number in the cache (copies share one). */
export interface Item extends Place {
  label: number
  split: Split
  picture: number
}

/** What can be wrong with a file or a folder.
 *  - damaged: does not decode, counted against the limit; unreadable, missing: could not be opened
 *  - not-a-picture, special (FIFO, socket, device), loop (a link back to a folder already seen), unlabelled (a picture
 *    outside every class folder), unused-folder: passed over
 *  - empty-class, single-picture: too little to learn from
 *  - duplicate (same picture, same label), conflict (same picture, two labels), leak (same picture in two splits) */
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
  | 'duplicate'
  | 'conflict'
  | 'leak'

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
