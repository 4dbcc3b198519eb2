/** Formats of picture files that a runtime may decode. */
export type Format = 'JPEG' | 'PNG' | 'GIF' | 'WebP' | 'AVIF' | 'TIFF'

/** Bytes as text, one character per byte. */
export const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to))

/** Formats by their first bytes. Others, such as SVG, are never given to a decoder. */
const formats: readonly [name: Format, is: (bytes: Uint8Array) => boolean][] = [
  ['JPEG', bytes => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff && bytes[3] !== 0xf7],
  ['PNG', bytes => latin1(bytes, 0, 8) === '\x89PNG\r\n\x1a\n'],
  ['GIF', bytes => /^GIF8[79]a$/.test(latin1(bytes, 0, 6))],
  ['WebP', bytes => latin1(bytes, 0, 4) === 'RIFF' && latin1(bytes, 8, 12) === 'WEBP'],
  ['AVIF', bytes => latin1(bytes, 4, 8) === 'ftyp' && latin1(bytes, 8, 32).includes('avif')],
  ['TIFF', bytes => /^(II[*+]\0|MM\0[*+])$/.test(latin1(bytes, 0, 4))],
]

/** The format of a picture file by its first bytes. */
export const findFormat = (bytes: Uint8Array): Format | undefined => formats.find(([, is]) => is(bytes))?.[0]

/** The same, one of those that are read here. Rejects any other with its name. */
export async function formatOf(bytes: Uint8Array, read: readonly Format[]): Promise<Format> {
  const format = findFormat(bytes)
  if (format && read.includes(format)) return format
  throw (await import('./unread.ts')).unreadFormat(bytes, read, format)
}
