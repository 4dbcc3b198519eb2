import type { TextCardInput } from '../../onnx/text-card.ts'

/** Texts that go through the net together: `rows` are their places, `ids` and `mask` are int64 [rows, longest]. */
export interface TextBatch {
  rows: readonly number[]
  ids: BigInt64Array
  mask: BigInt64Array
  dims: readonly [rows: number, longest: number]
}

/** The most texts, and the most tokens with those that fill rows up, that go through the net together. */
const [mostTexts, mostTokens] = [32, 4096]

/** Batches of texts of like length. tokens: of each text, without special tokens. */
export function batchesOf(tokens: readonly Int32Array[], input: Pick<TextCardInput, 'begin' | 'end'>): TextBatch[] {
  const order = Array.from(tokens.keys()).sort((a, b) => tokens[a]!.length - tokens[b]!.length || a - b)
  const made: TextBatch[] = []
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    const fits = (i: number) => (i + 1 - from) * (tokens[order[i]!]!.length + 2) <= mostTokens
    while (to < order.length && to - from < mostTexts && fits(to)) to++
    made.push(batchOf(order.slice(from, to), tokens, input))
    from = to
  }
  return made
}

function batchOf(
  rows: readonly number[],
  tokens: readonly Int32Array[],
  { begin, end }: Pick<TextCardInput, 'begin' | 'end'>,
): TextBatch {
  const longest = tokens[rows.at(-1)!]!.length + 2
  const ids = new BigInt64Array(rows.length * longest)
  const mask = new BigInt64Array(rows.length * longest)
  for (const [r, row] of rows.entries()) {
    const own = tokens[row]!
    const at = r * longest
    ids[at] = BigInt(begin)
    for (let i = 0; i < own.length; i++) ids[at + 1 + i] = BigInt(own[i]!)
    ids[at + own.length + 1] = BigInt(end)
    mask.fill(1n, at, at + own.length + 2)
  }
  return { rows, ids, mask, dims: [rows.length, longest] }
}
