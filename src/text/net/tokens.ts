import { type Tokens, tokensWith } from '../../runtime/text/tokens.ts'

export type { Tokens } from '../../runtime/text/tokens.ts'

/** The tokenizer of a checkpoint (its tokenizer.json), by the library of Hugging Face; an exported model reads texts by the
 *  same function. */
export async function tokensOf(file: object): Promise<Tokens> {
  const { Tokenizer } = await import('@huggingface/tokenizers')
  return tokensWith(Tokenizer, file)
}
