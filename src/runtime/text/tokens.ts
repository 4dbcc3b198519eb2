/** The class `Tokenizer` of @huggingface/tokenizers. */
export interface TokenizerOf {
  new (
    file: object,
    config: object,
  ): { encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } }
}

/** Texts → the numbers of their tokens, without special tokens. */
export interface Tokens {
  /** The numbers of a text's tokens, all of them. */
  of(text: string): Int32Array
}

/** The most characters that are tokenised at once: the library's time grows faster than the text. */
const piece = 20_000

/** The tokenizer of a checkpoint (its tokenizer.json). Its truncation and padding are left out: the net cuts windows. */
export function tokensWith(Tokenizer: TokenizerOf, file: object): Tokens {
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
