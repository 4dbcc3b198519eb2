/** Texts: the third kind of data. */
export { texts } from './domain/texts.ts'
export { bert, type TextBody } from './net/bert.ts'
export { type Checkpoint, openCheckpoint } from './net/checkpoint.ts'
export type { BertConfig } from './net/config.ts'
export { type Tokens, tokensOf } from './net/tokens.ts'
export { textOptions } from './options.ts'
export { decodeText } from './read/decode.ts'
export { textFiles } from './read/text-files.ts'
export { type EmbeddingNet, embeddingNet } from './run/embed.ts'
export {
  listTexts,
  loadTextClassifier,
  type PredictTextsOptions,
  predictTexts,
  type TextClassifier,
  type TextInput,
} from './run/predict.ts'
export type { EvaluateTextsOptions, TextItem, TextOptions, TextPreprocessing } from './types.ts'
