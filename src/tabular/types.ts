import type { Report } from '../base/progress.ts'
import type { RunTask } from '../runs/index.ts'

/** What a column of a table is used as. */
export type ColumnKind = 'number' | 'category' | 'boolean' | 'date' | 'text' | 'id' | 'constant'

/** Words of a column, each stored once: row n has `words[codes[n]]`. A code of -1 is a missing value. */
export interface CodedWords {
  codes: Int32Array
  words: readonly string[]
}

/** One column as it was read. Numbers: float64, NaN where missing. Dates: seconds since 1970 in UTC, NaN where missing.
 *  Booleans are words. */
export type FrameColumn =
  | { name: string; type: 'number'; values: Float64Array; reading?: CellReading }
  | { name: string; type: 'date'; values: Float64Array; reading?: CellReading }
  | {
      name: string
      type: 'words'
      values: CodedWords
      reading?: CellReading
      /** Of a column of texts: what a net makes of each different text. */
      vectors?: TextVectors
      /** What a linear model says of the texts of training rows that it was not trained on, [rows × outputs]; NaN for all
       *  other rows. */
      told?: Float32Array
    }

/** What a net for texts makes of each different text of a column. */
export interface TextVectors {
  /** [words × width] */
  values: Float32Array
  width: number
  /** The net, and a digest of its weights. */
  name: string
  digest: string
}

/** How the cells of a column were read, where more than one reading is possible. A model reads later tables the same
 *  way. */
export interface CellReading {
  /** The sign before the fraction of a number. */
  decimal?: '.' | ','
  /** Its numbers are times of day such as `18:30`, in seconds. */
  clock?: true
  /** The unit, currency or percent sign of its numbers. Absent: none. */
  unit?: string
  /** The order of day and month in dates of numbers. */
  dateOrder?: 'dmy' | 'mdy' | 'ymd'
}

/** Numbers of rows of a frame. */
export type RowNumbers = Int32Array | Uint32Array

/** A table in memory, column by column. */
export interface Frame {
  /** Where it was read from, for messages. */
  source: string
  rows: number
  columns: readonly FrameColumn[]
}

/** A column that a model is trained on, or that is left out, and why. */
export interface ColumnUse {
  name: string
  kind: ColumnKind
  /** Left out: `constant`, `id`, `--drop`. */
  used: boolean
  reason: string
}

/** What the training rows hold in one column. No row of the table: each column by itself. */
export interface ColumnFigures {
  /** The median of a number or a date (seconds since 1970), the most frequent word of a category. */
  usual: number | string
  /** The range of a number or a date. */
  least?: number
  most?: number
}

/** How one column becomes features. Plain data: it stands in the model's card. */
export type ColumnEncoding =
  /** One number as it is; NaN stays NaN. */
  | { column: string; kind: 'number'; reading?: CellReading }
  /** Codes: 0 missing, 1 unknown or rare, then `words` from 2. */
  | { column: string; kind: 'category'; words: readonly string[] }
  /** Parts of a date as numbers: elapsed days since `origin` (seconds since 1970), sines and cosines or places in
   *  cycles, flags. */
  | { column: string; kind: 'date'; origin: number; parts: readonly string[]; reading?: CellReading }
  /** A text as numbers: the vector that a net makes of it (`width` numbers), less `mean`, along the `components`
   *  directions of `basis` [components × width], both float32 in base64; then the outputs of `linear`. NaN where the text
   *  is missing. */
  | {
      column: string
      kind: 'text'
      net: { name: string; digest: string }
      width: number
      components: number
      mean: string
      basis: string
      /** A linear model of the target on the whole vector: weight [outputs × width] in base64, bias [outputs]; what each
       *  output speaks of. */
      linear?: { says: readonly string[]; weight: string; bias: readonly number[] }
    }

/** How rows become features. Fitted on training rows alone. Plain data: it stands in the model's card. */
export interface Encoding {
  columns: readonly ColumnEncoding[]
}

/** Rows as a model takes them. */
export interface Encoded {
  rows: number
  /** [rows × numbers], row by row; NaN where missing. */
  numbers: Float32Array
  numberNames: readonly string[]
  /** [rows × categories], row by row. Codes: 0 missing, 1 unknown or rare, then the vocabulary from 2. */
  categories: Int32Array
  categoryNames: readonly string[]
  /** How many codes each category has: its words and 2. */
  cardinalities: readonly number[]
  /** Of rows that are encoded when they are asked for: some of them, and all of them in blocks, each of which is valid
   *  until the next one. `numbers` and `categories` encode all rows and keep them. */
  part?(rows: ArrayLike<number>): Encoded
  blocks?(size: number): Iterable<Encoded>
  /** Lets go of the table whose rows these are. They can't be asked for any more. */
  free?(): void
}

/** What is predicted. One class of `classes` (`single`), or one number for each of `classes` (`regression`), whose names
 *  are then those of the target columns. */
export interface TargetInfo {
  task: Extract<RunTask, 'single' | 'regression'>
  columns: readonly string[]
  classes: readonly string[]
  /** Regression: a model is trained on log(1 + y) of these targets. Metrics and predictions are in the targets' units. */
  log?: readonly boolean[]
  /** Regression: the units that the table's cells have, empty where a target has none. Absent: none has. */
  units?: readonly string[]
}

/** The targets of some rows. `single`: class numbers [rows]. `regression`: values in their units [rows × targets]. */
export interface Targets extends TargetInfo {
  values: Float64Array
}

/** Encoded rows and their targets. */
export interface LabelledRows {
  x: Encoded
  y: Targets
}

/** The models of tables. `both`: a net and trees, weighted on validation rows. */
export type TableModelName = 'mlp' | 'realmlp' | 'tabm' | 'trees' | 'both'

/** A trained model of a table. */
export interface TableModel {
  readonly name: TableModelName
  /** `single`: probabilities [rows × classes]. `regression`: values in their units [rows × targets]. */
  predict(x: Encoded, options?: { signal?: AbortSignal | undefined }): Promise<Float64Array>
  /** Writes its files into a folder; `loadTableModel` reads them. Each file is written whole or not at all. */
  save(dir: string): Promise<void>
}

/** A step of a fit, for the run's log. `epoch` counts from 1: epochs of a net, trees of a forest. `score` is the loss on
 *  the validation rows: log loss, or the root mean squared error. */
export interface FitStep {
  model: Exclude<TableModelName, 'both'>
  /** The member of a packed ensemble is not told apart: its k nets take one step together. */
  epoch: number
  epochs: number
  trainLoss: number
  validLoss: number
  /** The learning rate of the last step, of each parameter group. */
  lrs: readonly number[]
  seconds: number
  best: boolean
}

/** How a model of a table is trained. */
export interface FitTableOptions {
  train: LabelledRows
  /** Rows that decide when to stop, which epoch is kept, and the weights of `both`. */
  valid: LabelledRows
  seed: number
  threads?: number | undefined
  /** Epochs of a net (default: 256 for `realmlp`, by rows for `mlp`; at most 256 for `tabm`). */
  epochs?: number | undefined
  /** Nets in one packed ensemble. */
  members?: number | undefined
  /** The learning rate in place of the default or the finder's. */
  lr?: number | undefined
  /** The fit ends after so many minutes, with the best weights so far. */
  minutes?: number | undefined
  device?: string | undefined
  signal?: AbortSignal | undefined
  /** Called with messages about downloads (LightGBM's library). */
  report?: Report | undefined
  onStep?(step: FitStep): void
  /** Trees alone: called when all rows are in LightGBM's bins. The fit does not ask for rows any more. */
  onBinned?: (() => void) | undefined
  /** A decision with its reason, for the run's log. */
  onChoice?(what: string, value: string, reason: string): void
  /** The curve of a rate finder. */
  onFinder?(curve: { lrs: number[]; losses: number[]; chosen: number; how: string }): void
  /** A folder for the resume state of this fit. A fit that finds a state there goes on with it, to the same bits. */
  state?: string | undefined
}

/** Trains a model of a table: `fitTableModel` of `models/`. */
export type FitTableModel = (name: TableModelName, options: FitTableOptions) => Promise<TableModel>

/** Reads what `save` wrote. `target` and `encoding` are those of the card. */
export type LoadTableModel = (dir: string, card: { target: TargetInfo; encoding: Encoding }) => Promise<TableModel>
