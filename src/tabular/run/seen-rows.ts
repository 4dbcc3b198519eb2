import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAtomic } from '../../base/files.ts'
import { blocksOf } from '../encoded.ts'
import { textNames } from '../texts/components.ts'
import { textsOf } from '../texts/embedder.ts'
import type { Encoded, Encoding, Frame, RowNumbers } from '../types.ts'
import { spread } from './rows.ts'

/** Training rows that are noted, evenly taken where there are more. */
const most = 500_000

/** What stands for the texts of rows: a hash of each text, [columns][rows]. The numbers that a net makes of a text differ
 *  a little from batch to batch, so they are passed over. */
export interface RowTexts {
  hashes: readonly Int32Array[]
  /** The places of the numbers that come from texts, in a row. */
  passed: ReadonlySet<number>
}
const noTexts: RowTexts = { hashes: [], passed: new Set() }

/** The texts of some rows of a frame, for the hash of each row. */
export function rowTexts(frame: Frame, encoding: Encoding, rows?: RowNumbers): RowTexts {
  const passed = new Set<number>()
  let at = 0
  for (const one of encoding.columns) {
    const width = one.kind === 'date' ? one.parts.length : one.kind === 'text' ? textNames(one).length : 1
    if (one.kind === 'text') for (let k = 0; k < width; k++) passed.add(at + k)
    if (one.kind !== 'category') at += width
  }
  const hashes = textsOf(encoding).map(name => {
    const column = frame.columns.find(c => c.name === name)
    if (column?.type !== 'words') return new Int32Array(rows?.length ?? frame.rows)
    const { codes, words } = column.values
    const byCode = Int32Array.from(words, hashOf)
    return Int32Array.from(rows ?? codes.keys(), row => (codes[row]! < 0 ? 0 : byCode[codes[row]!]!))
  })
  return { hashes, passed }
}

function hashOf(word: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193)
  return hash | 1
}

/** 64 bits of each encoded row, from its numbers, codes and texts: FNV-1a twice, with different starts. `from`: the number
 *  of the first row among those of `texts`. */
export function rowHashes(x: Encoded, { hashes, passed }: RowTexts = noTexts, from = 0): BigUint64Array {
  const [n, c] = [x.numberNames.length, x.categoryNames.length]
  const numbers = new Int32Array(x.numbers.buffer, x.numbers.byteOffset, x.numbers.length)
  const halves = new Uint32Array(2 * x.rows)
  const used = Int32Array.from(Array.from({ length: n }, (_, k) => k).filter(k => !passed.has(k)))
  for (let row = 0; row < x.rows; row++) {
    let [a, b] = [0x811c9dc5, 0x01234567]
    const add = (word: number) => {
      a = Math.imul(a ^ word, 0x01000193)
      a ^= a >>> 15
      b = Math.imul(b ^ word, 0x85ebca6b)
      b ^= b >>> 13
    }
    for (let k = 0; k < used.length; k++) add(numbers[row * n + used[k]!]!)
    for (let k = 0; k < c; k++) add(x.categories[row * c + k]!)
    for (const hash of hashes) add(hash[from + row]!)
    halves[2 * row] = a
    halves[2 * row + 1] = b
  }
  return new BigUint64Array(halves.buffer)
}

/** The hashes of rows, block by block as another pass over them encodes them. */
export class RowHashes {
  readonly #all: BigUint64Array
  readonly #texts: RowTexts
  #done = 0
  constructor(rows: number, texts: RowTexts = noTexts) {
    this.#all = new BigUint64Array(rows)
    this.#texts = texts
  }
  add(block: Encoded): void {
    this.#all.set(rowHashes(block, this.#texts, this.#done), this.#done)
    this.#done += block.rows
  }
  /** Those of all rows `x`. Where no pass has shown them all, this makes one of its own. */
  of(x: Encoded): BigUint64Array {
    if (this.#done < this.#all.length) {
      this.#done = 0
      for (const block of blocksOf(x, 16_384)) this.add(block)
    }
    return this.#all
  }
}

const fileIn = (dir: string) => join(dir, 'rows.bin')

/** Notes the hashes of training rows beside a model, so that an evaluation can tell that it looks at them again. */
export function noteRows(dir: string, all: BigUint64Array): void {
  const hashes = BigUint64Array.from(spread(all.length, most), row => all[row]!).sort()
  writeAtomic(fileIn(dir), new Uint8Array(hashes.buffer))
}

/** How many of these rows equal a row that the model was trained on; undefined where the model has no list. */
export function countSeenRows(dir: string, x: Encoded, texts?: RowTexts): number | undefined {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(fileIn(dir))
  } catch {
    return undefined
  }
  const known = new Set(new BigUint64Array(Uint8Array.from(bytes).buffer))
  return rowHashes(x, texts).reduce((count, hash) => count + Number(known.has(hash)), 0)
}
