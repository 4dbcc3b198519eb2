import { isUtf8 } from 'node:buffer'

/** The different words of a column, found by their bytes. A word gets its number at its first occurrence. */
export class WordsOfBytes {
  #pool = new Uint8Array(1 << 12)
  /** Where each word begins in the pool; the last one is where the next word goes. */
  #starts = new Uint32Array(1 << 8)
  #hashes = new Int32Array(1 << 8)
  /** Numbers of words plus 1, by hash; 0 where free. Its length is a power of 2. */
  #slots = new Int32Array(1 << 10)
  #size = new Int32Array(1)

  get size(): number {
    return this.#size[0]!
  }

  /** What the reader of `row-reader.ts` fills: it adds words where these arrays have room. */
  get arrays(): readonly [Uint8Array, Uint32Array, Int32Array, Int32Array, Int32Array] {
    return [this.#pool, this.#starts, this.#hashes, this.#slots, this.#size]
  }

  /** The number of the word in these bytes. */
  code(bytes: Uint8Array, from: number, to: number): number {
    let hash = 0x811c9dc5
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
    hash ^= hash >>> 15
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1
      if (found < 0) return this.#add(bytes, from, { to, hash, slot })
      if (this.#hashes[found] === hash && this.#is(found, bytes, from, to)) return found
    }
  }

  #is(word: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[word]!
    if (this.#starts[word + 1]! - start !== to - from) return false
    for (let i = from, at = start; i < to; i++, at++) if (this.#pool[at] !== bytes[i]) return false
    return true
  }

  #add(bytes: Uint8Array, from: number, { to, hash, slot }: { to: number; hash: number; slot: number }): number {
    const word = this.#size[0]!++
    const start = this.#starts[word]!
    const end = start + to - from
    if (end > this.#pool.length) this.#pool = grown(this.#pool, 2 * end)
    if (this.size >= this.#starts.length) {
      this.#starts = grown(this.#starts, 2 * this.#starts.length)
      this.#hashes = grown(this.#hashes, 2 * this.#hashes.length)
    }
    this.#pool.set(bytes.subarray(from, to), start)
    this.#starts[word + 1] = end
    this.#hashes[word] = hash
    this.#slots[slot] = word + 1
    if (2 * this.size > this.#slots.length) this.#rehash()
    return word
  }

  #rehash(): void {
    this.#slots = new Int32Array(2 * this.#slots.length)
    const mask = this.#slots.length - 1
    for (let word = 0; word < this.size; word++) {
      let slot = this.#hashes[word]! & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = word + 1
    }
  }

  /** All words as texts; undefined if one is not UTF-8. */
  texts(): string[] | undefined {
    const pool = Buffer.from(this.#pool.buffer, this.#pool.byteOffset, this.#pool.length)
    const words: string[] = []
    for (let word = 0; word < this.size; word++) {
      const [start, end] = [this.#starts[word]!, this.#starts[word + 1]!]
      if (!isUtf8(pool.subarray(start, end))) return undefined
      words.push(pool.toString('utf8', start, end))
    }
    return words
  }
}

function grown<T extends Uint8Array | Uint32Array | Int32Array>(values: T, length: number): T {
  const larger = new (values.constructor as new (length: number) => T)(length)
  larger.set(values)
  return larger
}
