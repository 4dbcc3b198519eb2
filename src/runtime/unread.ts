import { RunError } from './errors.ts'
import { kindOf } from './pixels.ts'

/** Formats that are known, and not read here. */
const unread: readonly [name: string, begins: RegExp][] = [
  ['HEIC', /^.{4}ftyp(heic|heix|hevc|mif1|msf1)/s],
  ['BMP', /^BM/],
  ['SVG', /^\s*<(\?xml|svg)/],
  ['PDF', /^%PDF/],
  ['Netpbm', /^P[1-7]\s/],
  ['JPEG XL', /^(ÿ\n|.{4}JXL )/s],
  ['HTML', /^\s*<(!doctype|html)/i],
]

/** The error for a picture file that is not read here. format: its format, where other runtimes read it. */
export function unreadFormat(bytes: Uint8Array, read: readonly string[], format?: string): RunError {
  if (bytes.length === 0) return new RunError('picture', 'it is empty')
  const head = String.fromCharCode(...bytes.subarray(0, 64))
  const known = format ?? unread.find(([, begins]) => begins.test(head))?.[0]
  const begins = Array.from(bytes.subarray(0, 8), byte => byte.toString(16).padStart(2, '0')).join(' ')
  return new RunError(
    'picture',
    `it is ${known ? `a file of ${known}` : `no picture that is known: it begins with ${begins}`}; ${read.join(', ')} are read. Convert it, or give its pixels: { data, width, height, channels }.`,
  )
}

/** Throws for an input that is no picture. expected: what may be given. */
export function refuseInput(input: unknown, expected: string): never {
  if (typeof input === 'string')
    throw new RunError(
      'picture',
      `${input.slice(0, 100)} is a text, and no address is fetched here; fetch it and give what comes: predict(await (await fetch(url)).blob())`,
    )
  const named = input === null || typeof input !== 'object' ? String(input) : kindOf(input)
  throw new RunError('picture', `it is ${named}; expected ${expected}`)
}
