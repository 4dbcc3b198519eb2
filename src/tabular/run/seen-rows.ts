import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomic } from '../../base/files.ts'
import { blocksOf } from '../encoded.ts'
import type { Encoded } from '../types.ts'
import { spread } from './rows.ts'

/** Training rows that are noted, evenly taken where there are more. */
const most = 500_000

/** 64 bits of each encoded row, from its numbers and codes: FNV-1a twice, with different starts. */
export function rowHashes(x: Encoded): BigUint64Array {
  const [n, c] = [x.numberNames.length, x.categoryNames.length]
  const numbers = new Int32Array(x.numbers.buffer, x.numbers.byteOffset, x.numbers.length)
  const halves = new Uint32Array(2 * x.rows)
  for (let row = 0; row < x.rows; row++) {
    let [a, b] = [0x811c9dc5, 0x01234567]
    const add = (word: number) => {
      a = Math.imul(a ^ word, 0x01000193)
      a ^= a >>> 15
      b = Math.imul(b ^ word, 0x85ebca6b)
      b ^= b >>> 13
    }
    for (let k = 0; k < n; k++) add(numbers[row * n + k]!)
    for (let k = 0; k < c; k++) add(x.categories[row * c + k]!)
    halves[2 * row] = a
    halves[2 * row + 1] = b
  }
  return new BigUint64Array(halves.buffer)
}

const fileIn = (dir: string) => join(dir, 'rows.bin')

/** Notes the training rows beside a model, so that an evaluation can tell that it looks at them again. */
export function noteRows(dir: string, x: Encoded): void {
  const all = new BigUint64Array(x.rows)
  let at = 0
  for (const block of blocksOf(x, 16_384)) {
    all.set(rowHashes(block), at)
    at += block.rows
  }
  const hashes = (x.rows > most ? BigUint64Array.from(spread(x.rows, most), row => all[row]!) : all).sort()
  writeAtomic(fileIn(dir), new Uint8Array(hashes.buffer))
}

/** How many of these rows equal a row that the model was trained on; undefined where the model has no list. */
export function countSeenRows(dir: string, x: Encoded): number | undefined {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(fileIn(dir))
  } catch {
    return undefined
  }
  const known = new Set(new BigUint64Array(Uint8Array.from(bytes).buffer))
  return rowHashes(x).reduce((count, hash) => count + Number(known.has(hash)), 0)
}
