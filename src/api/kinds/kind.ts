import type { OptionTable } from '../../base/option-table.ts'
import type { FileKind, Problem } from '../../data/index.ts'
import type { Domain } from '../../domain/index.ts'
import type { Precision } from '../../train/network.ts'
import type { Prediction } from '../../train/prediction.ts'

/** A kind of data that lies in files, and that the five steps train on. It is listed in `kinds/list.ts`; its domain and
 *  its nets are loaded when they are needed. */
export interface DataKind {
  /** The name of its domain in cards and configurations, and the word of `--kind`. */
  readonly name: string
  /** Which files are its samples. */
  readonly files: FileKind
  /** The options that are for this kind alone, or for some kinds; options that are in no kind's table are for all. */
  readonly options: OptionTable
  /** A table whose rows hold the samples themselves: the option that names their column. */
  readonly inTables?: string
  /** Throws for options that are allowed one by one, but not together. */
  check?(options: Readonly<Record<string, unknown>>): void
  domain(): Promise<Domain>
  /** A trained model that predicts files. */
  predictor(
    run: string,
    options: { precision?: Precision | undefined; options?: Readonly<Record<string, unknown>> },
  ): Promise<FilePredictor>
}

/** Predicts files with a trained model. */
export interface FilePredictor {
  readonly classes: readonly string[]
  /** The number type of products. */
  readonly precision: Precision
  /** A value of the target of that name as text, with all decimals that the target has. */
  text(value: number, target: string): string
  /** The samples among paths of files and folders, and the files that are none. */
  list(paths: readonly string[]): Promise<Listed> | Listed
}

/** Samples to predict. */
export interface Listed {
  count: number
  problems: readonly Problem[]
  /** Their predictions, in their order. `onError` hears of samples that can't be read, `onRead` how many bytes of a long one are
   *  read. */
  predict(options: {
    onError: (name: string, error: Error) => void
    onRead?: ((name: string, bytes: number, all: number) => void) | undefined
  }): AsyncIterable<Prediction>
}
