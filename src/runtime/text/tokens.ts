/** The class `Tokenizer` of @huggingface/tokenizers. */
export interface TokenizerOf {
  new (
    file: object,
    config: object,
  ): { encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } }
}

/** Texts → the numbers of their tokens, without special tokens. */
export interface Tokens {
  /** The numbers of a text's tokens. `most`: how many are read, from the beginning and a quarter of them from the end; of a text
   *  that has more, the middle may be missing. Default: all tokens. */
  of(text: string, most?: number): Int32Array
}

/** The most characters that are tokenised at once: the library's time grows faster than the text. */
const piece = 20_000

/** The tokenizer of a checkpoint (its tokenizer.json). Its truncation and padding are left out: the net cuts windows. */
export function tokensWith(Tokenizer: TokenizerOf, file: object): Tokens {
  const { truncation: _, padding: __, ...rest } = file as Record<string, unknown>
  const tokenizer = new Tokenizer(rest, {})
  const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids
  return {
    of(text, most = Number.POSITIVE_INFINITY) {
      if (text.length <= piece) return Int32Array.from(encode(text))
      const all = pieces(text)
      // No spread, and no list of lists: a text of megabytes has millions of tokens.
      const [begin, end]: number[][] = [[], []]
      let [from, to] = [0, all.length]
      while (from < to && begin!.length < most) for (const id of encode(all[from++]!)) begin!.push(id)
      while (to > from && end!.length < most) for (const id of encode(all[--to]!).reverse()) end!.push(id)
      return Int32Array.from([...begin!, ...end!.reverse()])
    },
  }
}

/** Cuts a long text at blanks. */
function pieces(text: string): string[] {
  const out: string[] = []
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + piece)
    if (to < text.length) {
      // In this piece alone: a search to the beginning of the text would take time that grows with its square.
      const own = text.slice(from, to + 1)
      const blank = from + Math.max(own.lastIndexOf(' '), own.lastIndexOf('\n'))
      if (blank > from) to = blank
    }
    out.push(text.slice(from, to))
    from = to
  }
  return out
}
