import type { FrameColumn } from './types.ts'

/** Columns that are looked at first; each further look takes twice as many. */
const firstColumns = 4

/** How many of `rows` equal one of `train` in all columns, and how many different rows `train` has. Rows are compared by
 *  a hash of 53 bits. Rows that differ from all others in the first columns are not looked at further. */
export function twins(
  columns: readonly FrameColumn[],
  train: Int32Array,
  rows: Int32Array,
): { again: number; different: number } {
  let different = 0
  for (let count = firstColumns; ; count *= 2) {
    const some = columns.slice(0, count)
    const [known, own] = [hashes(some, train), hashes(some, rows)]
    const sorted = known.slice().sort()
    const last = count >= columns.length
    if (last) {
      for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) different++
      return { again: own.reduce((sum, hash) => sum + Number(holds(sorted, hash)), 0), different }
    }
    const open = new Set<number>()
    for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) open.add(sorted[i]!)
    const still = rows.filter((_, i) => holds(sorted, own[i]!))
    for (let i = 0; i < own.length; i++) if (holds(sorted, own[i]!)) open.add(own[i]!)
    const left = open.size === 0 ? train.subarray(0, 0) : train.filter((_, i) => open.has(known[i]!))
    different += train.length - left.length
    rows = still
    train = left
    if (train.length === 0) return { again: 0, different }
  }
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
    if (column.type === 'words') {
      const { codes } = column.values
      for (let i = 0; i < rows.length; i++) mix(i, codes[rows[i]!]!)
    } else {
      const { values } = column
      for (let i = 0; i < rows.length; i++) {
        value[0] = values[rows[i]!]!
        mix(i, halves[0]!)
        mix(i, halves[1]!)
      }
    }
  const all = new Float64Array(rows.length)
  for (let i = 0; i < all.length; i++) all[i] = (high[i]! & 0x1fffff) * 2 ** 32 + low[i]!
  return all
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
