import type { CardValidation, FileCard } from './card.ts'
import { findCardOf } from './find-card.ts'

/** A column that an exported model of a table takes. The graph has an input of its name, [N, 1]; of a text it has two (`tokens`). */
export interface TableCardInput {
  /** The name of the column, and of the graph's input. */
  name: string
  /** `number`: float32, NaN where missing. `category`: string, empty where missing. `date`: whole seconds since 1970 in UTC as
   *  int64, its least value (-2^63) where missing. `text`: the numbers of its tokens as int64. */
  kind: 'number' | 'category' | 'date' | 'text'
  type: 'float32' | 'string' | 'int64'
  /** Of a text: its inputs of the graph, and an output with what the net for texts makes of it. */
  tokens?: TableCardTokens
  /** Of a category: how many words it has a code for, and which. `vocabulary` is absent in older files. */
  words?: number
  vocabulary?: readonly string[]
  /** Of a date: the parts that the graph computes. */
  parts?: readonly string[]
  /** How texts of a number or a date are read, where training found a sign before fractions, a unit, or an order of day and
   *  month. */
  reading?: TableCardReading
  /** A usual value: the median of a number or a date (in seconds), the most frequent word of a category, in the training rows.
   *  Not of one row: each column by itself. Absent in older files. */
  usual?: TableCell
  /** Of a number or a date (in seconds): the least and the largest value of the training rows. Absent in older files. */
  range?: readonly [least: number, largest: number]
}

/** The inputs of the graph for a column of texts, and its output. */
export interface TableCardTokens {
  /** int64 [N, L]: the numbers of each text's tokens between `begin` and `end` (`TableCardTexts`). L differs between columns. */
  ids: string
  /** int64 [N, L]: 1 where a token is, 0 where the row is filled up. A row of zeros alone is a missing text. */
  mask: string
  /** float [N, width]: the vectors of the texts, NaN where one is missing. */
  vectors: string
}

/** The net that reads the columns of texts, which is in the graph once, and what it takes. The graph cuts long texts by itself. */
export interface TableCardTexts {
  /** Its name, and the digest that the trained model knows it by. */
  net: string
  digest: string
  /** Numbers of a vector, and weights of the net. */
  width: number
  parameters: number
  /** How its weights are stored. All else in the file is stored as it is. */
  weights: 'float32' | 'float16' | 'int8'
  /** The content of tokenizer.json. */
  tokenizer: string
  /** The numbers of the tokens before and after a text. */
  begin: number
  end: number
  /** The most tokens of a window, with those two, and the most tokens of a text that are read: its beginning, and a quarter of them
   *  from its end. */
  window: number
  maxTokens: number
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
  /** Of a model that reads texts: how far the vectors of texts are from those of training, and the whole way from text to answer,
   *  by the trained model's own vectors. `same` and `difference` are then of one set of vectors, those of the file: a number that
   *  lies on a threshold of a tree falls on one side in one runtime, and on the other side in another. */
  texts?: {
    /** The largest difference of a vector, as a share of its length, and what is accepted. */
    vectors: number
    accepted: number
    same: number
    difference: number
    /** Share of rows that differ by more than `tolerance`. */
    others: number
  }
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
  /** `both`, `realmlp`, `tabm`, `mlp`, `trees`. */
  model: string
  /** How many models are averaged: folds. Default: 1. */
  members?: number
  inputs: readonly TableCardInput[]
  /** The net of columns of texts. Absent where the model takes none. */
  texts?: TableCardTexts
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
  /** Licences of pretrained weights: of the net that reads columns of texts. A model of other columns is trained from nothing. */
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
