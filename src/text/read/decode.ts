import { wideWithoutMark } from '../../data/tables/read-text.ts'

/** A file's text and the encoding that it was read in, or what is wrong with it. */
export type Decoded = { text: string; encoding: string } | { fault: string }

/** What the first bytes of other files say, and what to do. */
const strangers: readonly (readonly [begins: string, what: string])[] = [
  ['PK\x03\x04', 'a zip archive or an office document (docx, odt, epub); unpack it or save it as plain text'],
  ['\xd0\xcf\x11\xe0', 'an old office document (doc, xls); save it as plain text'],
  ['%PDF', 'a PDF document; save it as plain text'],
  ['{\\rtf', 'an RTF document; save it as plain text'],
  ['\x1f\x8b', 'compressed by gzip; unpack it first'],
  ['BZh', 'compressed by bzip2; unpack it first'],
  ['\xfd7zXZ', 'compressed by xz; unpack it first'],
  ['7z\xbc\xaf', 'a 7z archive; unpack it first'],
  ['\x89PNG', 'a PNG picture'],
  ['\xff\xd8\xff', 'a JPEG picture'],
  ['GIF8', 'a GIF picture'],
  ['RIFF', 'a sound or a picture (RIFF)'],
  ['ID3', 'a sound (mp3)'],
  ['OggS', 'a sound (ogg)'],
  ['fLaC', 'a sound (flac)'],
  ['\x7fELF', 'a program'],
  ['MZ\x90', 'a program'],
  ['SQLite format 3', 'an SQLite database'],
  ['PAR1', 'a Parquet table'],
]

/** How many bytes at the beginning decide. */
export const bytesNeeded = 4096

/** What a file is that holds no text, by its first bytes; undefined where it may be text. */
export function notText(head: Uint8Array): string | undefined {
  const begin = Buffer.from(head.subarray(0, 16)).toString('latin1')
  const known = strangers.find(([bytes]) => begin.startsWith(bytes))
  if (known) return `it is ${known[1]}`
  if (marked(head) || wideWithoutMark(Buffer.from(head.subarray(0, head.length & ~1)))) return undefined
  const zeros = head.indexOf(0)
  if (zeros >= 0) return `it holds bytes that are not text (a zero byte at ${zeros})`
  const controls = head.filter(b => b < 32 && b !== 9 && b !== 10 && b !== 12 && b !== 13 && b !== 27).length
  return controls > 0.02 * head.length && controls > 1
    ? 'it holds bytes that are not text (control characters)'
    : undefined
}

const marked = (head: Uint8Array): 'utf-16le' | 'utf-16be' | undefined =>
  head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : undefined

/** Decodes a file: in the encoding that is asked for; else UTF-16 by its mark or its zero bytes, else UTF-8, else
 *  Windows-1252 where that reads like words. A file in another encoding is a fault, not a guess. */
export function decodeText(bytes: Buffer, asked?: string): Decoded {
  if (bytes.length === 0) return { text: '', encoding: 'utf-8' }
  if (asked !== undefined) return decodeAs(bytes, asked)
  const fault = notText(bytes.subarray(0, bytesNeeded))
  if (fault) return { fault }
  const wide = marked(bytes) ?? wideWithoutMark(bytes.length % 2 === 0 ? bytes : bytes.subarray(0, -1))
  if (wide) return decodeAs(bytes, wide)
  const utf8 = decodeAs(bytes, 'utf-8')
  if (!('fault' in utf8)) return utf8
  return western(bytes)
}

function decodeAs(bytes: Buffer, encoding: string): Decoded {
  if (encoding.startsWith('utf-16') && bytes.length % 2 === 1)
    return { fault: `it begins like ${encoding.toUpperCase()} but has an odd number of bytes: it is cut short` }
  try {
    // `stream`: without it Node 20 to 23 decode windows-1252 as ISO-8859-1.
    const single = /1252|latin|8859-1$/i.test(encoding)
    const text = single
      ? new TextDecoder('windows-1252').decode(bytes, { stream: true })
      : new TextDecoder(encoding, { fatal: true }).decode(bytes)
    const at = text.indexOf('\0')
    if (at >= 0) return { fault: `it holds zero characters (the first at ${at}), so it is no plain text` }
    return { text, encoding }
  } catch {
    return { fault: `it is not valid ${encoding}` }
  }
}

/** Letters above ASCII (from 0xC0 on) are a small share of the letters in a western language, and signs (0x80 to 0xBF) a
 *  small share of all. */
const [mostWestern, mostSigns] = [0.3, 0.6]

/** Bytes that are not UTF-8, read as Windows-1252 where that makes words; else a fault that names what fits. */
function western(bytes: Buffer): Decoded {
  let [high, signs, letters, blanks, undefinedBytes] = [0, 0, 0, 0, 0]
  for (const b of bytes) {
    if (b >= 0xc0) high++
    else if (b >= 0x80) signs++
    else if (b <= 32) blanks++
    if ((b >= 65 && b <= 90) || (b >= 97 && b <= 122)) letters++
    if (b === 0x81 || b === 0x8d || b === 0x8f || b === 0x90 || b === 0x9d) undefinedBytes++
  }
  if (undefinedBytes > 0 || high > mostWestern * (high + letters) || signs > mostSigns * (bytes.length - blanks)) {
    const fits = fitting(bytes)
    return {
      fault: `its encoding is not UTF-8, UTF-16 or Windows-1252${fits.length > 0 ? `; it may be ${fits.join(' or ')}` : ''}`,
    }
  }
  return decodeAs(bytes, 'windows-1252')
}

/** Encodings of other scripts that are valid for these bytes, with most letters of that script. */
function fitting(bytes: Buffer): string[] {
  const head = bytes.subarray(0, 65_536)
  return others
    .filter(([encoding, script]) => {
      const decoded = decodeAs(head, encoding)
      if ('fault' in decoded) return false
      const own = decoded.text.match(script)?.length ?? 0
      const letters = decoded.text.match(/\P{ASCII}/gu)?.length ?? 1
      return own > 0.7 * letters
    })
    .map(([encoding]) => encoding)
}

const others: readonly (readonly [string, RegExp])[] = [
  ['windows-1251', /[а-яё]/g],
  ['koi8-r', /[а-яё]/g],
  ['gb18030', /\p{Script=Han}/gu],
  ['big5', /\p{Script=Han}/gu],
  ['shift_jis', /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu],
  ['euc-jp', /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu],
  ['euc-kr', /\p{Script=Hangul}/gu],
  ['windows-1253', /\p{Script=Greek}/gu],
  ['windows-1255', /\p{Script=Hebrew}/gu],
  ['windows-1256', /\p{Script=Arabic}/gu],
  ['windows-874', /\p{Script=Thai}/gu],
]

/** Whether a name is one that TextDecoder knows. */
export function isEncoding(name: string): boolean {
  try {
    new TextDecoder(name)
    return true
  } catch {
    return false
  }
}
