/** Labelled samples of any domain: reading them from folders and tables, splitting them, drawing batches. */
export type { FileKind, Indexing } from './files/file-kind.ts'
export { applyDecisions, type Decision, readDecisions } from './labels/decisions.ts'
export { type EvaluationOptions, indexForEvaluation } from './labels/for-evaluation.ts'
export type { FolderIndex } from './labels/from-folders.ts'
export type { FolderOptions, LabelOptions } from './labels/options.ts'
export type { Choice, ClassCount, Place, Problem, ProblemKind, Split, Task } from './types.ts'
