import { RunError } from './errors.ts'
import { kindOf } from './pixels.ts'

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: bytes of files
/** Formats that are known, and not read here. */
const unread: readonly [name: string, begins: RegExp][] = [
  ['HEIC', /^.{4}ftyp(hei|hev|m[is]f1)/s],
  ['BMP', /^BM/],
  ['Netpbm', /^P[1-7]\s/],
  ['NPY', /^\x93NUMPY/],
  ['SVG', /^\s*<(\?xml|svg)/],
  ['PDF', /^%PDF/],
  ['JPEG XL', /^(ÿ\n|.{4}JXL )/s],
  ['JPEG 2000', /^.{4}jP {2}/s],
  ['HTML', /^\s*<(!doctype|html)/i],
]
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: bytes of files

/** What a picture file is that is not read here, and what is read. format: its format, where other runtimes read it. */
export function unreadText(bytes: Uint8Array, read: readonly string[], format?: string): string {
  const head = String.fromCharCode(...bytes.subarray(0, 64))
  const known = format ?? unread.find(([, begins]) => begins.test(head))?.[0]
  const begins = Array.from(bytes.subarray(0, 8), byte => byte.toString(16).padStart(2, '0')).join(' ')
  return `${known ? `a file of ${known}` : `no picture that is known: it begins with ${begins}`}; ${read.join(', ')} are read`
}

/** The error for such a file. */
export function unreadFormat(bytes: Uint8Array, read: readonly string[], format?: string): RunError {
  if (bytes.length === 0) return new RunError('picture', 'it is empty')
  return new RunError(
    'picture',
    `it is ${unreadText(bytes, read, format)}. Convert it, or give its pixels: { data, width, height, channels }.`,
  )
}

/** Throws for an input that is no picture. expected: what may be given. */
export function refuseInput(input: unknown, expected: string): never {
  if (typeof input === 'string')
    throw new RunError(
      'picture',
      `${input.slice(0, 100)} is a text; fetch it and give what comes: predict(await (await fetch(url)).blob())`,
    )
  const named = input === null || typeof input !== 'object' ? String(input) : kindOf(input)
  throw new RunError('picture', `it is ${named}; expected ${expected}`)
}
