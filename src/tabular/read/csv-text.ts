import { closeSync, createReadStream, createWriteStream, openSync, readSync } from 'node:fs'
import { extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, gunzipSync } from 'node:zlib'
import { DataError, FileError, fileReason } from '../../base/errors.ts'
import { textOf } from '../../data/tables/read-text.ts'
import type { Choice } from '../../data/types.ts'

/** The first part of a text file. */
export interface Head {
  text: string
  /** Whether this is the whole file. */
  whole: boolean
  /** `utf-8`, or the encoding from which the file must be converted. */
  encoding: string
  choices: Choice[]
}

const headBytes = 1 << 20

/** Whether a file is packed with gzip, by its name. */
export const isPacked = (file: string): boolean => /\.gz$/i.test(file)

/** Reads the first megabyte of a text file, and finds its encoding. */
export function headOf(file: string): Head {
  const bytes = firstBytes(file, headBytes + 4)
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b
  if (packed && !isPacked(file))
    throw new DataError(`${file} is packed with gzip; expected a name that ends in .gz. Rename it, or unpack it.`)
  const unpacked = packed ? unpackHead(file, bytes) : bytes
  const whole = !packed && bytes.length <= headBytes
  // A cut inside a character would make a valid file invalid.
  const cut = whole ? unpacked : unpacked.subarray(0, lastBreak(unpacked))
  const { text, choices } = textOf(file, cut)
  const told = choices.find(({ what }) => what === 'encoding')?.value
  const mark = cut.length > 1 ? cut.readUInt16BE(0) : 0
  const encoding = told ?? (mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8')
  return { text: text.replace(/^\ufeff/, ''), whole, encoding, choices }
}

/** The first bytes of a file, at most `most`. Throws for a file that can't be read. */
export function firstBytes(file: string, most: number): Buffer {
  let open: number | undefined
  try {
    open = openSync(file, 'r')
    const buffer = Buffer.alloc(most)
    let size = 0
    for (let n = 1; n > 0 && size < most; size += n) n = readSync(open, buffer, size, most - size, size)
    return buffer.subarray(0, size)
  } catch (error) {
    throw new FileError(`${file} can't be read: ${fileReason(error)}`, { cause: error })
  } finally {
    if (open !== undefined) closeSync(open)
  }
}

function unpackHead(file: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { finishFlush: 2 }).subarray(0, 4 * headBytes) // Z_SYNC_FLUSH: a cut file is no error
  } catch (error) {
    throw new DataError(
      `${file} begins like a gzip file but can't be unpacked: ${(error as Error).message}. Unpack it first.`,
      { cause: error },
    )
  }
}

/** The end of the last whole line, in whole characters of UTF-16. */
function lastBreak(bytes: Buffer): number {
  const at = Math.max(bytes.lastIndexOf(0x0a), bytes.lastIndexOf(0x0d))
  const end = at < 0 ? bytes.length : at + 1
  const wide = bytes[0] === 0xff || bytes[0] === 0xfe || bytes[1] === 0
  return wide ? (bytes[0] === 0xfe || bytes[0] === 0 ? end & ~1 : (end + 1) & ~1) : end
}

/** Writes a text file as UTF-8 with one kind of line end, and returns its path. `line`: what becomes of each line. */
export async function converted(
  file: string,
  {
    folder,
    number,
    encoding,
    line,
  }: { folder: string; number: number; encoding: string; line?: (text: string) => string },
): Promise<string> {
  const to = join(folder, `text-${number}${extname(file.replace(/\.gz$/i, ''))}`)
  const decoder = new TextDecoder(encoding, { fatal: true })
  const steps = isPacked(file) ? [createGunzip()] : []
  async function* utf8(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
    let rest = ''
    for await (const part of source) {
      rest += decoder.decode(part, { stream: true })
      const end = rest.endsWith('\r') ? rest.length - 1 : rest.length
      const whole = rest.slice(0, end).replace(/\r\n?/g, '\n')
      const last = line ? whole.lastIndexOf('\n') + 1 : whole.length
      yield line ? whole.slice(0, last).replace(/[^\n]+/g, line) : whole
      rest = whole.slice(last) + rest.slice(end)
    }
    const tail = (rest + decoder.decode()).replace(/\r\n?/g, '\n')
    yield line ? tail.replace(/[^\n]+/g, line) : tail
  }
  try {
    await pipeline([createReadStream(file, { highWaterMark: 1 << 20 }), ...steps, utf8, createWriteStream(to)] as never)
  } catch (error) {
    if (error instanceof TypeError)
      throw new DataError(`${file} is not valid ${encoding}. Save it as UTF-8.`, { cause: error })
    throw error
  }
  return to
}

/** The line on which a record begins, both counted from 1 and 0: record 0 is the first below `skip` lines. Blank lines
 *  are no records. Undefined for a packed file. */
export function lineOfRecord(
  file: string,
  record: number,
  { skip, quote, escape: escaper }: { skip: number; quote: string; escape: string },
): number | undefined {
  if (isPacked(file)) return undefined
  const open = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(1 << 20)
    const [q, e] = [quote.charCodeAt(0), escaper.charCodeAt(0)]
    let [line, records, inside, blank, start, skipNext, before] = [1, 0, false, true, 1, false, 0]
    for (let n = readSync(open, buffer); n > 0; n = readSync(open, buffer))
      for (let i = 0; i < n; i++) {
        const byte = buffer[i]!
        if (byte === 0x0a && before === 0x0d) {
          before = byte
          continue
        }
        before = byte
        if (byte === 0x0a || byte === 0x0d) {
          line++
          if (inside) continue
          if (start > skip && !blank && records++ === record) return start
          blank = true
          start = line
          if (start === skip + 1) inside = false
        } else {
          blank = false
          if (start <= skip) continue
          if (skipNext) skipNext = false
          else if (e !== q && byte === e) skipNext = true
          else if (byte === q) inside = !inside
        }
      }
    return records === record && !blank ? start : undefined
  } finally {
    closeSync(open)
  }
}
