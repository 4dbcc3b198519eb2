/** Texts: the third kind of data. */
export { bert, type TextBody } from './net/bert.ts'
export { type Checkpoint, openCheckpoint } from './net/checkpoint.ts'
export type { BertConfig } from './net/config.ts'
export { type Tokens, tokensOf } from './net/tokens.ts'
