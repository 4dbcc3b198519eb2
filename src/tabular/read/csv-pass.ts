import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import type { Report } from '../../base/progress.ts'
import type { MissingRule } from '../../cells/missing.ts'
import { isPacked } from './csv-text.ts'
import { carriageReturn, lineFeed, Pass, type PassFile, type PassResult } from './pass-columns.ts'
import { type RowReader, rowReader } from './row-reader.ts'

export interface PassOptions {
  missing: MissingRule
  report: Report
  signal: AbortSignal | undefined
  /** Reads the rows that it takes. Default: the addon's, for large files. */
  fast?: RowReader | false
}

/** Files of so many bytes are worth looking for the addon. */
const manyBytes = 8 << 20

const fastFor = (files: readonly PassFile[]): RowReader | undefined =>
  files.reduce((bytes, { path }) => bytes + statSync(path).size, 0) < manyBytes ? undefined : rowReader()

/** Reads text files into typed columns in one pass over their bytes. A column is numbers or dates while all of its cells
 *  are such or mean a missing value; one where a word comes late is read again as words. Returns undefined where a file
 *  is not plain (a row of another length, a quote inside a cell, bytes that are not UTF-8): DuckDB reads it, and says what
 *  is wrong. `names`: undefined for a column that is not read. */
export async function readInOnePass(
  files: readonly PassFile[],
  names: readonly (string | undefined)[],
  options: PassOptions,
): Promise<PassResult | undefined> {
  if (files.some(({ delimiter, quote }) => delimiter.length !== 1 || quote.length !== 1 || delimiter > '\x7f'))
    return undefined
  const { missing, fast = fastFor(files) } = options
  const pass = new Pass(names, { missing, room: await rowsAtMost(files), fast: fast || undefined })
  for (;;) {
    pass.begin()
    for (const file of files) {
      if (!(await passOver(file, pass, options))) return undefined
      if (pass.startsAnew) break
    }
    if (!pass.again()) return pass.result()
  }
}

/** About how many rows the files have: the columns grow beyond it. */
async function rowsAtMost(files: readonly PassFile[]): Promise<number> {
  let rows = 0
  for (const file of files) {
    const { value: block } = (await blocksOf(file.path).next()) as { value: Buffer | undefined }
    if (!block) continue
    let lines = 1
    for (const byte of block) if (byte === lineFeed || byte === carriageReturn) lines++
    const size = statSync(file.path).size * (isPacked(file.path) ? 8 : 1)
    rows += Math.ceil((1.05 * size * lines) / block.length) + 64
  }
  return rows
}

const blockBytes = 1 << 20
/** A row longer than this is not plain. */
const longestRow = 1 << 24

/** The bytes of a file, block by block. A block is valid until the next one. */
async function* blocksOf(path: string): AsyncGenerator<Buffer> {
  if (isPacked(path)) {
    yield* createReadStream(path).pipe(createGunzip({ chunkSize: blockBytes })) as AsyncIterable<Buffer>
    return
  }
  const file = openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(blockBytes)
  try {
    for (let n = readSync(file, buffer); n > 0; n = readSync(file, buffer)) yield buffer.subarray(0, n)
  } finally {
    closeSync(file)
  }
}

/** Returns false for a file that is not plain. */
async function passOver(file: PassFile, pass: Pass, { report, signal }: PassOptions): Promise<boolean> {
  const total = statSync(file.path).size
  const told = isPacked(file.path) ? undefined : total
  const start = new LineStart(file.skip)
  let rest: Buffer = Buffer.alloc(0)
  let done = 0
  for await (const block of blocksOf(file.path)) {
    done += block.length
    const from = start.after(block)
    if (from === block.length) continue
    const bytes = rest.length > 0 ? Buffer.concat([rest, block.subarray(from)]) : block.subarray(from)
    const end = lastLineEnd(bytes)
    const read = pass.rowsIn(bytes, end, file)
    if (read < 0 || bytes.length - read > longestRow) return false
    rest = Buffer.from(bytes.subarray(read))
    if (told !== undefined && told > 8 * blockBytes) report({ what: 'reading rows', done, total: told })
    await new Promise(setImmediate) // an abort is heard
    signal?.throwIfAborted()
  }
  if (rest.length === 0) return true
  const last = Buffer.concat([rest, Buffer.from('\n')])
  return pass.rowsIn(last, last.length, file) === last.length
}

/** Finds the first byte below so many lines. */
class LineStart {
  #left: number
  #before = 0
  #marked = false
  constructor(lines: number) {
    this.#left = lines
  }
  /** The first byte of the block that is below them. */
  after(block: Buffer): number {
    let at = this.#marked ? 0 : markOf(block)
    this.#marked = true
    for (; at < block.length && this.#left > 0; at++) {
      const byte = block[at]!
      if (byte === carriageReturn || (byte === lineFeed && this.#before !== carriageReturn)) this.#left--
      this.#before = byte
    }
    // The line end of Windows is two signs.
    if (this.#left === 0 && at < block.length && this.#before === carriageReturn) {
      this.#before = 0
      if (block[at] === lineFeed) at++
    }
    return at
  }
}

/** The length of a byte order mark. */
const markOf = (block: Buffer): number => (block[0] === 0xef && block[1] === 0xbb && block[2] === 0xbf ? 3 : 0)

/** Behind the last line end. A line end of Windows is not cut. */
function lastLineEnd(bytes: Buffer): number {
  const end = Math.max(bytes.lastIndexOf(lineFeed), bytes.lastIndexOf(carriageReturn))
  return end === bytes.length - 1 && bytes[end] === carriageReturn
    ? Math.max(bytes.lastIndexOf(lineFeed), bytes.lastIndexOf(carriageReturn, end - 1)) + 1
    : end + 1
}
