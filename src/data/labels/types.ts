import type { Noun } from '../files/file-kind.ts'
import type { Column } from '../tables/types.ts'
import type { Choice, Task } from '../types.ts'

/** The rows to read, and what is known about them. */
export interface AnswerSource {
  /** One column of labels or numbers, or one column per label or target. */
  columns: readonly Column[]
  /** The indexes of the rows. */
  rows: ArrayLike<number>
  /** Whether a row is for test only. Its content is not used to choose a reading. */
  test(row: number): boolean
  /** The known labels of a trained model. */
  known?: readonly string[] | undefined
  where(row: number, column?: Column): string
  /** What a row is, in messages. */
  noun?: Noun | undefined
}

/** The answer of each row, in the order of the rows: undefined if the row has none. */
export interface Answers {
  task: Task
  /** The names of a row's labels, each once. Empty for the task `regression`. */
  labels: (readonly string[] | undefined)[]
  /** One number per target, for the task `regression`. */
  values?: (readonly number[] | undefined)[]
  /** Names of targets, for the task `regression`. */
  targets: string[]
  /** Labels with their own column. They exist even if no picture has them. */
  declared?: string[]
  /** The missing word of each row without an answer, by the row's position; the empty text for an empty cell. */
  missing?: ReadonlyMap<number, string>
  choices: Choice[]
}

export type Read = Omit<Answers, 'choices'>
