import type { BertConfig } from './config.ts'

/** Windows of one length class: their rows lie one after another in the packed tokens. */
export interface Stretch {
  /** The first row, and how many rows. */
  from: number
  rows: number
  windows: number
  /** The longest window. */
  longest: number
  /** For windows of different lengths: the row of each place [windows × longest] (padding reads the stretch's first row),
   *  and the place of each row. Absent where all are equally long. */
  padded?: { rowAt: BigInt64Array; placeOf: BigInt64Array; lengths: number[] }
}

/** Texts as one row of tokens without padding: all windows one after another, short ones first. */
export interface Packed {
  ids: BigInt64Array
  positions: BigInt64Array
  stretches: Stretch[]
  /** Of each row of tokens: the text that it belongs to. */
  text: BigInt64Array
  /** The rows that are the first of a window, and the text of each window. */
  firsts: BigInt64Array
  windowText: BigInt64Array
  /** For each text, how many tokens (and windows) it has. */
  tokens: Float32Array
  windows: Float32Array
}

/** Lengths of one stretch differ by no more than this share and these tokens: attention pads them, nothing else does. */
const [share, few] = [1.25, 4]

/** Cuts each text (its token numbers, without special tokens) into windows, adds the special tokens, and packs all of
 *  them. `x` is row-major [texts × width]; a negative number is no token. An empty text is a window without content. */
export function pack(
  x: ArrayLike<number | bigint>,
  texts: number,
  { begin, end, window, firstPosition, vocabulary }: BertConfig,
): Packed {
  const width = texts === 0 ? 0 : x.length / texts
  const inside = window - 2
  const cut: { text: number; from: number; length: number }[] = []
  const windows = new Float32Array(texts)
  const tokens = new Float32Array(texts)
  for (let t = 0; t < texts; t++) {
    let length = 0
    while (length < width && Number(x[t * width + length]) >= 0) length++
    const parts = Math.max(1, Math.ceil(length / inside))
    windows[t] = parts
    tokens[t] = length + 2 * parts
    // Equal parts: a last window of three words would have little to say.
    for (let p = 0; p < parts; p++) {
      const from = Math.floor((length * p) / parts)
      cut.push({ text: t, from: t * width + from, length: Math.floor((length * (p + 1)) / parts) - from })
    }
  }
  cut.sort((a, b) => a.length - b.length || a.text - b.text || a.from - b.from)
  const total = cut.reduce((sum, { length }) => sum + length + 2, 0)
  const ids = new BigInt64Array(total)
  const positions = new BigInt64Array(total)
  const text = new BigInt64Array(total)
  const firsts = new BigInt64Array(cut.length)
  const windowText = new BigInt64Array(cut.length)
  let row = 0
  for (const [w, { text: t, from, length }] of cut.entries()) {
    firsts[w] = BigInt(row)
    windowText[w] = BigInt(t)
    for (let i = 0; i < length + 2; i++, row++) {
      const id = i === 0 ? begin : i === length + 1 ? end : Math.min(Number(x[from + i - 1]), vocabulary - 1)
      ids[row] = BigInt(Math.floor(id))
      positions[row] = BigInt(firstPosition + i)
      text[row] = BigInt(t)
    }
  }
  return {
    ids,
    positions,
    text,
    firsts,
    windowText,
    tokens,
    windows,
    stretches: stretchesOf(cut.map(c => c.length + 2)),
  }
}

/** Groups ascending lengths into stretches. */
function stretchesOf(lengths: readonly number[]): Stretch[] {
  const out: Stretch[] = []
  let from = 0
  for (let start = 0; start < lengths.length; ) {
    let end = start + 1
    while (end < lengths.length && lengths[end]! <= lengths[start]! * share + few) end++
    const own = lengths.slice(start, end)
    const rows = own.reduce((a, b) => a + b, 0)
    const longest = own.at(-1)!
    const stretch: Stretch = { from, rows, windows: own.length, longest }
    out.push(own[0] === longest ? stretch : { ...stretch, padded: placesOf(own, longest) })
    from += rows
    start = end
  }
  return out
}

function placesOf(lengths: number[], longest: number): NonNullable<Stretch['padded']> {
  const rowAt = new BigInt64Array(lengths.length * longest)
  const placeOf = new BigInt64Array(lengths.reduce((a, b) => a + b, 0))
  let row = 0
  for (const [w, length] of lengths.entries())
    for (let i = 0; i < length; i++, row++) {
      rowAt[w * longest + i] = BigInt(row)
      placeOf[row] = BigInt(w * longest + i)
    }
  return { rowAt, placeOf, lengths }
}
