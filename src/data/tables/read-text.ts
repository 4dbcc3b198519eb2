import { gunzipSync } from 'node:zlib'
import { AnnealError, DataError } from '../../base/errors.ts'
import type { Choice } from '../types.ts'
import { tableNames } from './formats.ts'

/** The largest size of an unpacked table in bytes: the longest text in JavaScript has 512 MB. */
const mostUnpacked = 2 ** 29

/** Unpacks gzip (`.csv.gz`). Other bytes are returned unchanged. */
export function unpacked(file: string, bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: mostUnpacked })
  } catch (error) {
    throw new DataError(
      `${file} begins like a gzip file but can not be unpacked: ${(error as Error).message}; unpack it first.`,
      { cause: error },
    )
  }
}

/** Decodes the bytes of a table: UTF-16 if it has the byte order mark or the zero bytes of UTF-16, else UTF-8, else
 *  Windows-1252, in which every byte is a character. */
export function textOf(file: string, bytes: Buffer): { text: string; choices: Choice[] } {
  const mark = bytes.length > 1 ? bytes.readUInt16BE(0) : 0
  const marked = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : undefined
  const unmarked = marked ? undefined : wideWithoutMark(bytes)
  if (!marked && !unmarked && bytes.subarray(0, 4096).includes(0))
    throw new DataError(`${file} holds bytes that are not text; expected a table: ${tableNames}.`)
  const encoding = marked ?? unmarked ?? 'utf-8'
  const choices: Choice[] = []
  if (unmarked)
    choices.push({
      what: 'encoding',
      value: unmarked,
      reason: `every second byte of ${file} is zero; if this is wrong, save it as UTF-8`,
    })
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    if (encoding === 'utf-8' || !text.includes('\0')) return { text, choices }
    throw new DataError(`${file} holds zero bytes, so it may be UTF-32; expected UTF-8. Save it as UTF-8.`)
  } catch (error) {
    if (error instanceof AnnealError) throw error
    if (encoding !== 'utf-8')
      throw new DataError(
        `${file} begins like ${encoding.toUpperCase()} but is not valid; ${bytes.length % 2 === 1 ? 'it has an odd number of bytes. ' : ''}Save it as UTF-8.`,
        { cause: error },
      )
    const reason = `${file} is not UTF-8; if letters are wrong, save it as UTF-8`
    return {
      // Without `stream`, Node 20 to 23 decode it as ISO-8859-1: the euro sign becomes a control character.
      text: new TextDecoder('windows-1252').decode(bytes, { stream: true }),
      choices: [{ what: 'encoding', value: 'windows-1252', reason }],
    }
  }
}

/** Detects UTF-16 without a byte order mark: most characters of a table need one byte, so the other byte is zero. */
export function wideWithoutMark(bytes: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  const head = bytes.subarray(0, 4096 & ~1)
  if (bytes.length < 8 || bytes.length % 2 === 1) return undefined
  let [even, odd] = [0, 0]
  for (let i = 0; i + 1 < head.length; i += 2) {
    if (head[i] === 0) even++
    if (head[i + 1] === 0) odd++
  }
  const most = 0.7 * (head.length / 2)
  return odd > most && even === 0 ? 'utf-16le' : even > most && odd === 0 ? 'utf-16be' : undefined
}
