import type { CardValidation, NetCard, NetCheck } from './card.ts'
import { findCardOf } from './find-card.ts'

/** How the tokens of a text go into the graph, which cuts them into windows by itself. */
export interface TextCardInput {
  /** The names of the graph's inputs, int64 [N, L]: the numbers of each text's tokens between `begin` and `end`, and 1 where a
   *  token is, 0 where the row is filled up. */
  ids: string
  mask: string
  /** The numbers of the tokens before and after a text. */
  begin: number
  end: number
  /** The most tokens of a window, with those two; a longer text is cut into equal windows, whose tokens are averaged. */
  window: number
  /** The most tokens of a text that are read: its beginning, and a quarter of them from its end. */
  maxTokens: number
  /** Of the net alone: the graph cuts no text, so a row has at most `window` tokens, `begin` and `end` among them. */
  net?: boolean
}

/** The result of a check of an exported model of texts in one runtime: from text to label, beside the trained net. */
export interface TextCheck extends NetCheck {
  texts: number
  /** Share of texts whose tokens are those of training. */
  tokens: number
}

/** The card of an exported model of texts: JSON in the file's metadata, before the graph. */
export interface TextFileCard extends NetCard {
  format: 'anneal-text-model'
  /** The temperatures by which logits are divided, one for each net; the graph does so. 1 for regression. */
  temperatures: readonly number[]
  input: TextCardInput
  /** The content of tokenizer.json. */
  tokenizer: string
  /** For a run of a table: the columns of the texts and of what is predicted. */
  columns?: { text: string; target: readonly string[] }
  /** What the model predicted on the validation texts. */
  validation?: CardValidation & { texts: number }
  checks?: readonly TextCheck[]
  /** Texts and the answers to them, which every device must give: [texts × classes]. */
  probe?: { texts: readonly string[]; outputs: readonly number[] }
}

/** Reads the card of an exported model of texts; undefined if the file is something else. `name` stands in errors. */
export const findTextCard = (bytes: Uint8Array, name: string): TextFileCard | undefined =>
  findCardOf<TextFileCard>(
    'anneal-text-model',
    bytes,
    name,
    card => Boolean(card.input) && typeof card.tokenizer === 'string',
  )
