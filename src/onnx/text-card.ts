import { fromBinary } from '@bufbuild/protobuf'
import { ModelError } from '../base/errors.ts'
import { type Card, type CardMetric, cardKey } from './card.ts'
import { ModelProtoSchema } from './onnx.generated.ts'

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
}

/** The result of a check of an exported model of texts in one runtime: from text to label, beside the trained net. */
export interface TextCheck {
  /** `onnxruntime-node`, `onnxruntime-web (wasm)`, with the version. */
  runtime: string
  texts: number
  /** The part of the run's data that the texts are from; `train` for an average of folds, which leaves no other. */
  part: 'valid' | 'train'
  /** Share of texts whose tokens are those of training. */
  tokens: number
  /** Share of texts with the same label; for several labels the share of their decisions. 1 for regression. */
  same: number
  /** The largest difference of a probability; of a value in standard deviations of its target. */
  difference: number
  /** What is accepted. */
  tolerance: number
  /** The metric of the task by the trained net and by the exported file. */
  metric: string
  trained: number
  exported: number
  /** Milliseconds for one text from text to answer: the median, one text at a time. */
  milliseconds: number
}

/** The card of an exported model of texts: JSON in the file's metadata, before the graph. */
export interface TextFileCard {
  format: 'anneal-text-model'
  version: 1
  /** The version of Anneal that exported it. */
  anneal: string
  /** The name of the run. */
  name: string
  /** When it was exported, ISO 8601. */
  created: string
  task: 'single' | 'multi' | 'regression'
  /** Names of the classes or targets, in the order of the outputs. */
  classes: readonly string[]
  /** Several labels: the probability from which each counts as given. */
  thresholds?: readonly number[]
  /** The temperatures by which logits are divided, one for each net; the graph does so. 1 for regression. */
  temperatures: readonly number[]
  /** What the pretrained nets are called, one for each member. */
  architectures: readonly string[]
  input: TextCardInput
  /** The content of tokenizer.json. */
  tokenizer: string
  /** For a run of a table: the columns of the texts and of what is predicted. */
  columns?: { text: string; target: readonly string[] }
  /** Width of the output `features`; absent if the model has no such output. */
  features?: number
  /** Validation and test metrics. */
  metrics: { valid: Readonly<Record<string, CardMetric>>; test?: Readonly<Record<string, CardMetric>> }
  /** What the model predicted on the validation texts, as in the card of a model of pictures. */
  validation?: {
    texts: number
    labels?: readonly number[]
    confidence?: number
    values?: { mean: readonly number[]; std: readonly number[] }
  }
  /** Licence of the pretrained weights, as an SPDX identifier, if it is known. */
  licence?: string
  /** sha256 of the trained weights and of the list of training texts with their digests. */
  digests: { weights: readonly string[]; data?: string }
  /** How the weights are stored. */
  weights: Exclude<Card['weights'], 'quantized'>
  checks?: readonly TextCheck[]
  /** Texts and the answers to them, which every device must give: [texts × classes]. */
  probe?: { texts: readonly string[]; outputs: readonly number[] }
}

/** Reads the card of an exported model of texts; undefined if the file is something else. `name` stands in errors. */
export function findTextCard(bytes: Uint8Array, name: string): TextFileCard | undefined {
  const card = cardIn(bytes)
  if (card?.format !== 'anneal-text-model') return undefined
  if (card.version !== 1)
    throw new ModelError(
      `${name}: its card has version ${card.version}; this Anneal reads version 1. Update Anneal, or export the model with this one.`,
    )
  if (!card.input || !Array.isArray(card.classes) || typeof card.tokenizer !== 'string')
    throw new ModelError(`${name}: its card does not describe a model. Export it again.`)
  return card as TextFileCard
}

function cardIn(bytes: Uint8Array): Partial<TextFileCard> | undefined {
  try {
    const text = fromBinary(ModelProtoSchema, bytes).metadataProps.find(({ key }) => key === cardKey)?.value
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined)
  } catch {
    return undefined
  }
}
