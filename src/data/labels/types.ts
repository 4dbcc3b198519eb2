import type { Column } from '../tables/types.ts'
import type { Choice, Task } from '../types.ts'

/** Rows that are to be read, and what is known of them. */
export interface AnswerSource {
  /** One column of labels or numbers, or one a label. */
  columns: readonly Column[]
  /** The numbers of the rows. */
  rows: ArrayLike<number>
  /** Whether a row is kept from training; what it holds decides nothing. */
  test(row: number): boolean
  /** Labels that are known beforehand: a trained model's. */
  known?: readonly string[] | undefined
  where(row: number, column?: Column): string
}

/** What each row tells of its picture, in the order of the rows: undefined where it tells nothing. */
export interface Answers {
  task: Task
  /** Names of labels, each once. Empty for the task `regression`. */
  labels: (readonly string[] | undefined)[]
  /** One a target, for the task `regression`. */
  values?: (readonly number[] | undefined)[]
  /** Names of targets, for the task `regression`. */
  targets: string[]
  /** Labels that there are whether or not a picture has them: columns of their own. */
  declared?: string[]
  /** The word by which a row tells nothing, by the row's place; empty text for an empty cell. */
  missing?: ReadonlyMap<number, string>
  choices: Choice[]
}

export type Read = Omit<Answers, 'choices'>
