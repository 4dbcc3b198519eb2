import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from '../../base/crc32.ts'

/** Bytes before the rows of a block: the number of rows, and the checksum of the rest. */
const head = 8

/** Writes rows of float32 numbers to the disk as they are made, so that they are not lost when the process ends.
 *  Reading stops at the first block that is cut off or damaged. If the disk can't be written (it is full), nothing is
 *  kept and no error is thrown. */
export class PartFile {
  readonly path: string
  readonly #key: Buffer
  #fd: number | undefined
  #end = 0

  /** `key`: everything that the rows depend on; rows under another key are not read. */
  constructor(path: string, key: string) {
    this.path = path
    this.#key = Buffer.from(`${key}\n`)
  }

  /** Reads the stored rows, in whole blocks, into `out`, [rows × width]; returns how many. New blocks are added after
   *  them. */
  read(out: Float32Array, width: number): number {
    let bytes: Buffer
    try {
      bytes = readFileSync(this.path)
    } catch {
      return 0
    }
    if (!bytes.subarray(0, this.#key.length).equals(this.#key)) return 0
    let [at, rows] = [this.#key.length, 0]
    while (at + head <= bytes.length) {
      const count = bytes.readUInt32LE(at)
      const data = bytes.subarray(at + head, at + head + 4 * width * count)
      const whole = data.length === 4 * width * count && (rows + count) * width <= out.length
      if (count === 0 || !whole || crc32(data) !== bytes.readUInt32LE(at + 4)) break
      out.set(new Float32Array(Uint8Array.from(data).buffer), rows * width)
      rows += count
      at += head + data.length
    }
    this.#end = at
    return rows
  }

  /** Adds a block of rows. rows: [count × width]. */
  add(rows: Float32Array, count: number): void {
    try {
      if (this.#fd === undefined) {
        mkdirSync(dirname(this.path), { recursive: true })
        this.#fd = openSync(this.path, this.#end > 0 ? 'r+' : 'w')
        if (this.#end > 0) ftruncateSync(this.#fd, this.#end)
        else this.#write(this.#key)
      }
      const data = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
      const block = Buffer.alloc(head + data.length)
      block.writeUInt32LE(count, 0)
      block.writeUInt32LE(crc32(data), 4)
      data.copy(block, head)
      this.#write(block)
    } catch {
      this.drop()
    }
  }

  #write(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#fd!, bytes, done, bytes.length - done, this.#end + done)
    this.#end += bytes.length
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
  /** Closes and deletes the file. */
  drop(): void {
    this.close()
    this.#end = 0
    try {
      rmSync(this.path, { force: true })
    } catch {
      // The file never existed.
    }
  }
}
