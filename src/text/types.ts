import type { Options } from '../base/option-table.ts'
import type { EvaluationOptions, FolderIndex, LabelOptions } from '../data/index.ts'
import type { Item as AnyItem } from '../data/types.ts'
import type { SharedOptions } from '../domain/index.ts'
import type { BertConfig } from './net/config.ts'
import type { textOptions } from './options.ts'

/** A labelled text. */
export interface TextItem extends AnyItem {
  text: string
  /** The sha256 of the text: of its letters, whatever its blanks, line ends and encoding. */
  hash: string
}

/** Labelled texts as they were found. `texts`: those of a table, by the name of their row; else the files are read
 *  later. */
export interface TextIndex extends FolderIndex {
  texts?: ReadonlyMap<string, string>
  columns?: TextColumns
}

/** The options of texts in training. */
export interface TextOptions extends LabelOptions, SharedOptions, Options<typeof textOptions> {
  /** A file of decisions of `anneal clean`. */
  clean?: string | undefined
}

/** How to find the texts to evaluate on. */
export interface EvaluateTextsOptions
  extends Omit<EvaluationOptions, 'classes' | 'task'>,
    Pick<SharedOptions, 'device'>,
    Pick<TextOptions, 'text' | 'encoding' | 'target'> {}

/** How texts become inputs, as a card stores it. */
export interface TextPreprocessing {
  config: BertConfig
  /** The content of tokenizer.json, as text. */
  tokenizer: string
  /** The most tokens of a text that are read. */
  maxTokens: number
  /** For texts of a table: the names of its columns. */
  columns?: TextColumns
}

/** Which columns of a table hold the texts, and what is predicted. */
export interface TextColumns {
  text: string
  target: readonly string[]
}
