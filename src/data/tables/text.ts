import { gunzipSync } from 'node:zlib'
import { AnnealError } from '../../base/errors.ts'
import type { Choice } from '../types.ts'
import { tableNames } from './formats.ts'

/** The most that a compressed table may hold: text of 512 MB is the longest that JavaScript has. */
const mostUnpacked = 2 ** 29

/** What `.csv.gz` and the like hold; other bytes as they are. */
export function unpacked(file: string, bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: mostUnpacked })
  } catch (error) {
    throw new AnnealError(
      `${file} begins as gzip and can not be unpacked: ${(error as Error).message}; unpack it first.`,
      { cause: error },
    )
  }
}

/** Bytes of a table as text: UTF-8, UTF-16 by its mark or by its zero bytes, else Windows-1252, in which every byte is a
 *  character. */
export function textOf(file: string, bytes: Buffer): { text: string; choices: Choice[] } {
  const mark = bytes.length > 1 ? bytes.readUInt16BE(0) : 0
  const marked = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : undefined
  const unmarked = marked ? undefined : wideWithoutMark(bytes)
  if (!marked && !unmarked && bytes.subarray(0, 4096).includes(0))
    throw new AnnealError(`${file} holds bytes that are no text; expected a table: ${tableNames}.`)
  const encoding = marked ?? unmarked ?? 'utf-8'
  const choices: Choice[] = []
  if (unmarked)
    choices.push({
      what: 'encoding',
      value: unmarked,
      reason: `every second byte of ${file} is zero; save it as UTF-8 where this is wrong`,
    })
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    if (encoding === 'utf-8' || !text.includes('\0')) return { text, choices }
    throw new AnnealError(`${file} holds zero bytes, as UTF-32 has them; expected UTF-8. Save it as UTF-8.`)
  } catch (error) {
    if (error instanceof AnnealError) throw error
    if (encoding !== 'utf-8')
      throw new AnnealError(
        `${file} begins as ${encoding.toUpperCase()} and is not; ${bytes.length % 2 === 1 ? 'it has an odd number of bytes. ' : ''}Save it as UTF-8.`,
        { cause: error },
      )
    const reason = `${file} is not UTF-8; save it as UTF-8 where letters come out wrong`
    return {
      text: new TextDecoder('windows-1252').decode(bytes),
      choices: [{ what: 'encoding', value: 'windows-1252', reason }],
    }
  }
}

/** UTF-16 without its mark: most characters of a table are of one byte, and the other is zero. */
function wideWithoutMark(bytes: Buffer): 'utf-16le' | 'utf-16be' | undefined {
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
