/** Texts → the numbers of their tokens, without special tokens. */
export interface Tokens {
  /** The numbers of a text's tokens, all of them. */
  of(text: string): Int32Array
}

/** The most characters that are tokenised at once: the library's time grows faster than the text. */
const piece = 20_000

/** The tokenizer of a checkpoint (its tokenizer.json), by the library of Hugging Face. Its truncation and padding are
 *  left out: windows are cut here. */
export async function tokensOf(file: object): Promise<Tokens> {
  const { Tokenizer } = await import('@huggingface/tokenizers')
  const { truncation: _, padding: __, ...rest } = file as Record<string, unknown>
  const tokenizer = new Tokenizer(rest, {})
  const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids
  return {
    of(text) {
      if (text.length <= piece) return Int32Array.from(encode(text))
      return Int32Array.from(pieces(text).flatMap(encode))
    },
  }
}

/** Cuts a long text at blanks. */
function pieces(text: string): string[] {
  const out: string[] = []
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + piece)
    if (to < text.length) {
      const blank = Math.max(text.lastIndexOf(' ', to), text.lastIndexOf('\n', to))
      if (blank > from) to = blank
    }
    out.push(text.slice(from, to))
    from = to
  }
  return out
}
