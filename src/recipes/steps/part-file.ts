import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from '../../base/crc32.ts'

/** Bytes before the rows of a block: their number, and the checksum of what follows. */
const head = 8

/** Rows of float32 numbers on the disk as they are made, so that a process that ends does not lose them. A block that was
 *  cut off or damaged ends the file. Where it can't be written (a full disk), nothing is kept, and no error is raised. */
export class PartFile {
  readonly path: string
  readonly #key: Buffer
  #fd: number | undefined
  #end = 0

  /** `key` names what the rows depend on; rows under another key are not read. */
  constructor(path: string, key: string) {
    this.path = path
    this.#key = Buffer.from(`${key}\n`)
  }

  /** Puts the rows that are there into `out`, [rows × width], as whole blocks; their number. Further blocks go behind. */
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
  /** Closes and removes it. */
  drop(): void {
    this.close()
    this.#end = 0
    try {
      rmSync(this.path, { force: true })
    } catch {
      // It was never there.
    }
  }
}
