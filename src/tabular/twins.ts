import type { FrameColumn } from './types.ts'

/** How many of `rows` equal one of `train` in all columns, and how many different rows `train` has. Rows are compared by
 *  a hash of 53 bits. */
export function twins(
  columns: readonly FrameColumn[],
  train: Int32Array,
  rows: Int32Array,
): { again: number; different: number } {
  const known = hashes(columns, train).sort()
  let different = 0
  for (let i = 0; i < known.length; i++) if (i === 0 || known[i] !== known[i - 1]) different++
  let again = 0
  for (const hash of hashes(columns, rows)) if (holds(known, hash)) again++
  return { again, different }
}

function hashes(columns: readonly FrameColumn[], rows: Int32Array): Float64Array {
  const high = new Uint32Array(rows.length).fill(0x811c9dc5)
  const low = new Uint32Array(rows.length).fill(0x9e3779b9)
  const value = new Float64Array(1)
  const halves = new Uint32Array(value.buffer)
  const mix = (i: number, word: number) => {
    high[i] = Math.imul(high[i]! ^ word, 0x01000193) ^ (high[i]! >>> 15)
    low[i] = Math.imul((low[i]! ^ word) + 0x7f4a7c15, 0x85ebca6b) ^ (low[i]! >>> 13)
  }
  for (const column of columns)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      if (column.type === 'words') mix(i, column.values.codes[row]!)
      else {
        value[0] = column.values[row]!
        mix(i, halves[0]!)
        mix(i, halves[1]!)
      }
    }
  return Float64Array.from(rows, (_, i) => (high[i]! & 0x1fffff) * 2 ** 32 + low[i]!)
}

function holds(sorted: Float64Array, value: number): boolean {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return sorted[low] === value
}
