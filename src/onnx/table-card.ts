import type { CardValidation, FileCard } from './card.ts'
import { findCardOf } from './find-card.ts'

/** An input of an exported model of a table: one column, [N, 1]. */
export interface TableCardInput {
  /** The name of the graph's input: that of the column. */
  name: string
  /** `number`: float32, NaN where missing. `category`: string, empty where missing. `date`: whole seconds since 1970 in UTC as
   *  int64, its least value (-2^63) where missing. */
  kind: 'number' | 'category' | 'date'
  type: 'float32' | 'string' | 'int64'
  /** Of a category: how many words it has a code for, and which. `vocabulary` is absent in older files. */
  words?: number
  vocabulary?: readonly string[]
  /** Of a date: the parts that the graph computes. */
  parts?: readonly string[]
  /** How texts of a number or a date are read, where training found a sign before fractions, a unit, or an order of day and
   *  month. */
  reading?: TableCardReading
  /** A usual value: the median of a number or a date (in seconds), a word of a category. Not of one row: each column by
   *  itself. Absent in older files. */
  usual?: TableCell
}

/** How the texts of a column are read. */
export interface TableCardReading {
  decimal?: '.' | ','
  unit?: string
  /** Times of day such as `18:30` are numbers of seconds. */
  clock?: boolean
  dateOrder?: 'dmy' | 'mdy' | 'ymd'
}

/** The result of a check of an exported model of a table in one runtime: raw rows to answers, beside the trained model. */
export interface TableCheck {
  /** `onnxruntime-node`, `onnxruntime-web (wasm)`, with the version. */
  runtime: string
  /** Rows that were made to reach every word, threshold and date part, and rows of the run's validation part. */
  made: number
  valid: number
  /** Share of rows with the same label; 1 for regression. */
  same: number
  /** The largest difference of a probability; of a value as a share of the larger one of its size and the deviation of its
   *  target's predictions. */
  difference: number
  /** What is accepted. */
  tolerance: number
  /** Milliseconds for one row: the median, one row at a time. */
  milliseconds: number
}

/** A value of a row in JSON: a number, a word, or null where it is missing. Dates: seconds since 1970. */
export type TableCell = number | string | null

/** The card of an exported model of a table: JSON in the file's metadata, before the graph. */
export interface TableFileCard extends FileCard {
  format: 'anneal-table-model'
  task: 'single' | 'regression'
  /** The target columns of the training table. */
  target: readonly string[]
  /** Regression: the unit of each target, empty where it has none. Absent where none has, and in older files. */
  units?: readonly string[]
  /** `both`, `realmlp`, `trees`. */
  model: string
  /** How many models are averaged: folds. Default: 1. */
  members?: number
  inputs: readonly TableCardInput[]
  /** The words that mean a missing value, where the run was given them. Default: the usual ones. */
  missing?: readonly string[]
  /** Further columns of the training table, targets among them, which the model does not take: a row may have them. */
  unused?: readonly string[]
  /** Names of the outputs: `probabilities` float [N, classes] and `label` string [N], or `values` float [N, targets]. */
  outputs: { probabilities?: string; label?: string; values?: string }
  /** Two classes: the positive one, and the probability from which it is decided. */
  positive?: string
  threshold?: number
  /** What the model predicted on the validation rows. */
  validation?: CardValidation & { rows: number }
  /** Licences of pretrained weights. A model of a table has none: it is trained from nothing. */
  licences: readonly string[]
  /** sha256 of the model's files, by name. */
  digests: Readonly<Record<string, string>>
  checks?: readonly TableCheck[]
  /** Rows and the answers to them, which every device must give: [rows × outputs]. */
  probe?: { rows: readonly Readonly<Record<string, TableCell>>[]; outputs: readonly number[] }
}

/** Reads the card of an exported model of a table; undefined if the file is something else. `name` stands in errors. */
export const findTableCard = (bytes: Uint8Array, name: string): TableFileCard | undefined =>
  findCardOf<TableFileCard>(
    'anneal-table-model',
    bytes,
    name,
    card => Array.isArray(card.inputs) && Boolean(card.outputs),
  )
