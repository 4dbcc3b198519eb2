import type { TableCardTexts, TableFileCard } from '../../onnx/table-card.ts'
import { RunError, reasonOf } from '../errors.ts'
import { type Tokens, tokensWith } from '../text/tokens.ts'

/** Reads the texts of rows for the graph. */
export interface RowTexts {
  /** The tokens of a text; of a missing one, which is empty, undefined. */
  tokens(text: string): Int32Array | undefined
}

/** The reader of the texts of a model, if it takes any. `name`: what errors call the file. */
export async function rowTexts({ texts }: TableFileCard, name: string): Promise<RowTexts | undefined> {
  if (!texts) return undefined
  const { Tokenizer } = await import('@huggingface/tokenizers')
  let read: Tokens
  try {
    read = tokensWith(Tokenizer, JSON.parse(texts.tokenizer))
  } catch (cause) {
    throw new RunError(
      'model',
      `${name}: the tokenizer in its card can not be used (${reasonOf(cause)}). Export the model again with \`anneal export\`.`,
      { cause },
    )
  }
  return { tokens: text => (text === '' ? undefined : read.of(text, texts.maxTokens)) }
}

/** The tokens of some rows as the graph takes them, int64 [rows, longest]: filled up on the right. A row without a token, not even those
 *  before and after a text, is a missing text. */
export function tokenInputs(
  rows: readonly (Int32Array | undefined)[],
  { begin, end }: Pick<TableCardTexts, 'begin' | 'end'>,
): { ids: BigInt64Array; mask: BigInt64Array; dims: readonly [rows: number, longest: number] } {
  const longest = rows.reduce((most, own) => Math.max(most, own?.length ?? 0), 0) + 2
  const ids = new BigInt64Array(rows.length * longest)
  const mask = new BigInt64Array(rows.length * longest)
  for (const [row, own] of rows.entries()) {
    if (!own) continue
    const at = row * longest
    ids[at] = BigInt(begin)
    for (let i = 0; i < own.length; i++) ids[at + 1 + i] = BigInt(own[i]!)
    ids[at + own.length + 1] = BigInt(end)
    mask.fill(1n, at, at + own.length + 2)
  }
  return { ids, mask, dims: [rows.length, longest] }
}

/** The most rows, and the most tokens of a column with those that fill rows up, that go through the model together. */
const [mostRows, mostTokens] = [512, 4096]

/** Rows that go through the model together, those with texts of like length beside each other. rows: the tokens of each row's texts.
 *  Returns the places of the rows of each batch. */
export function rowBatches(rows: readonly (readonly (Int32Array | undefined)[])[]): number[][] {
  const length = (row: number) => rows[row]!.reduce((most, own) => Math.max(most, own?.length ?? 0), 0) + 2
  const lengths = Array.from(rows, (_, row) => length(row))
  const order = Array.from(rows.keys()).sort((a, b) => lengths[a]! - lengths[b]! || a - b)
  const made: number[][] = []
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && to - from < mostRows && (to + 1 - from) * lengths[order[to]!]! <= mostTokens) to++
    made.push(order.slice(from, to))
    from = to
  }
  return made
}
