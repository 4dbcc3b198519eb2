import { Tokenizer } from '@huggingface/tokenizers'
import { type Tokens, tokensWith } from '../../runtime/text/tokens.ts'

export type { Tokens } from '../../runtime/text/tokens.ts'

/** The tokenizer of a checkpoint (its tokenizer.json), by the library of Hugging Face; an exported model reads texts by the
 *  same function. */
export const tokensOf = (file: object): Tokens => tokensWith(Tokenizer, file)
