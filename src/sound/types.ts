import type { Item as Labelled } from '../data/types.ts'

/** One labelled recording; `sound` is its number in the cache (copies share one). */
export interface Item extends Labelled {
  sound: number
}

/** A window of a recording: what the net takes as one sample. `from`, in samples, may lie before the first one: a short
 *  recording lies in the middle of its window. */
export interface WindowItem extends Item {
  from: number
}
