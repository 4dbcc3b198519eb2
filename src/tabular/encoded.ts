import { ModelError } from '../base/errors.ts'
import { gatherCodes } from './gather.ts'
import type { Encoded, RowNumbers } from './types.ts'

/** What all encoded rows of an encoding share. */
export type EncodedNames = Pick<Encoded, 'numberNames' | 'categoryNames' | 'cardinalities'>

/** Makes features of the rows of a frame. */
export interface RowsEncoder {
  readonly shared: EncodedNames
  of(rows: RowNumbers): Encoded
  /** Writes the features of rows from the begin of both arrays on. */
  write(rows: RowNumbers, numbers: Float32Array, categories: Int32Array): void
}

/** Rows that are encoded when they are asked for. */
export class LaterEncoded implements Encoded {
  readonly rows: number
  readonly numberNames: readonly string[]
  readonly categoryNames: readonly string[]
  readonly cardinalities: readonly number[]
  #encoder: RowsEncoder | undefined
  #rows: RowNumbers
  #whole: Encoded | undefined

  constructor(encoder: RowsEncoder, rows: RowNumbers) {
    this.rows = rows.length
    this.numberNames = encoder.shared.numberNames
    this.categoryNames = encoder.shared.categoryNames
    this.cardinalities = encoder.shared.cardinalities
    this.#encoder = encoder
    this.#rows = rows
  }
  get #open(): RowsEncoder {
    if (this.#encoder) return this.#encoder
    throw new ModelError(`${this.rows} encoded rows were freed, and are asked for again; encode them again`)
  }
  free(): void {
    this.#encoder = undefined
    this.#whole = undefined
    this.#rows = new Int32Array(0)
  }
  #all(): Encoded {
    this.#whole ??= this.#open.of(this.#rows)
    return this.#whole
  }
  get numbers(): Float32Array {
    return this.#all().numbers
  }
  get categories(): Int32Array {
    return this.#all().categories
  }
  part(rows: ArrayLike<number>): Encoded {
    return this.#open.of(gatherCodes(this.#rows, rows))
  }
  *blocks(size: number): Generator<Encoded> {
    const [a, b, encoder] = [this.numberNames.length, this.categoryNames.length, this.#open]
    const most = Math.min(size, this.rows)
    const [numbers, categories] = [new Float32Array(most * a), new Int32Array(most * b)]
    for (let from = 0; from < this.rows; from += size) {
      const rows = this.#rows.subarray(from, from + size)
      encoder.write(rows, numbers, categories)
      const n = rows.length
      yield {
        ...encoder.shared,
        rows: n,
        numbers: numbers.subarray(0, n * a),
        categories: categories.subarray(0, n * b),
      }
    }
  }
}

/** The rows of encoded features by their numbers. */
export function encodedPart(x: Encoded, rows: ArrayLike<number>): Encoded {
  if (x.part) return x.part(rows)
  const [n, c] = [x.numberNames.length, x.categoryNames.length]
  const part: Encoded = {
    ...x,
    rows: rows.length,
    numbers: new Float32Array(rows.length * n),
    categories: new Int32Array(rows.length * c),
  }
  for (let i = 0; i < rows.length; i++) {
    part.numbers.set(x.numbers.subarray(rows[i]! * n, (rows[i]! + 1) * n), i * n)
    part.categories.set(x.categories.subarray(rows[i]! * c, (rows[i]! + 1) * c), i * c)
  }
  return part
}

/** The same rows; `see` gets each block of the first pass over all of them, which spares a pass of its own. */
export function watched(x: Encoded, see: (block: Encoded) => void): Encoded {
  let seen = 0
  return {
    rows: x.rows,
    numberNames: x.numberNames,
    categoryNames: x.categoryNames,
    cardinalities: x.cardinalities,
    get numbers() {
      return x.numbers
    },
    get categories() {
      return x.categories
    },
    part: rows => encodedPart(x, rows),
    *blocks(size) {
      let from = 0
      for (const block of blocksOf(x, size)) {
        // A pass that ends early and begins anew shows no block twice.
        if (from === seen) {
          see(block)
          seen += block.rows
        }
        from += block.rows
        yield block
      }
    },
  }
}

/** Encoded rows block by block. A block is valid until the next one. */
export function* blocksOf(x: Encoded, size: number): Generator<Encoded> {
  if (x.blocks) {
    yield* x.blocks(size)
    return
  }
  const [a, b] = [x.numberNames.length, x.categoryNames.length]
  for (let from = 0; from < x.rows; from += size) {
    const to = Math.min(x.rows, from + size)
    const [numbers, categories] = [x.numbers.subarray(from * a, to * a), x.categories.subarray(from * b, to * b)]
    yield { ...x, rows: to - from, numbers, categories }
  }
}
