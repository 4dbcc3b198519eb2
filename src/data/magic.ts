import { extname } from 'node:path'

/** A picture format as its first bytes tell it, whatever the file's name. */
export type Format = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif' | 'heic' | 'bmp' | 'jxl' | 'jp2' | 'psd' | 'npy'

/** How many leading bytes `pictureFormat` looks at. */
export const MAGIC_BYTES = 32

const text = (head: Uint8Array, from: number, to: number) => Buffer.from(head.subarray(from, to)).toString('latin1')

/** The format of a picture from its first bytes, or undefined. SVG is text and never counts as a picture. */
export function pictureFormat(head: Uint8Array): Format | undefined {
  if (head.length < 3) return undefined
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return 'jpeg'
  if (text(head, 0, 8) === '\x89PNG\r\n\x1a\n') return 'png'
  if (/^GIF8[79]a$/.test(text(head, 0, 6))) return 'gif'
  if (text(head, 0, 4) === 'RIFF' && text(head, 8, 12) === 'WEBP') return 'webp'
  if (/^(II[*+]\0|MM\0[*+])$/.test(text(head, 0, 4))) return 'tiff'
  if (text(head, 4, 8) === 'ftyp') return /^avi[fs]$/.test(text(head, 8, 12)) ? 'avif' : heif(text(head, 8, 32))
  if (text(head, 0, 2) === 'BM' && head.length >= 18 && [12, 40, 52, 56, 64, 108, 124].includes(head[14]!)) return 'bmp'
  if (text(head, 0, 12) === '\0\0\0\x0cJXL \r\n\x87\n' || (head[0] === 0xff && head[1] === 0x0a)) return 'jxl'
  if (text(head, 0, 12) === '\0\0\0\x0cjP  \r\n\x87\n') return 'jp2'
  if (text(head, 0, 4) === '8BPS') return 'psd'
  if (text(head, 0, 6) === '\x93NUMPY') return 'npy'
  return undefined
}

/** `ftyp` also opens films (mp4, mov): only the still-picture brands count. */
const heif = (brands: string): Format | undefined =>
  brands.includes('avif') ? 'avif' : /^(hei[cmsx]|hev[cx]|mif1|msf1)/.test(brands) ? 'heic' : undefined

const EXTENSIONS = new Set(
  '.jpg .jpeg .jpe .jfif .png .gif .webp .tif .tiff .avif .heic .heif .bmp .jxl .jp2 .psd .npy'.split(' '),
)

/** Whether the name claims a picture. */
export const namedAsPicture = (file: string): boolean => EXTENSIONS.has(extname(file).toLowerCase())

/** What a file that is no picture looks like, in a few words. */
export function describeBytes(head: Uint8Array): string {
  if (head.length === 0) return 'it is empty (0 bytes)'
  const start = text(head, 0, MAGIC_BYTES)
  if (/^\s*<(!doctype|html|head|body|\?xml|!--)/i.test(start)) return 'it holds HTML or XML text, no picture'
  if (/^\s*<svg/i.test(start)) return 'it holds an SVG drawing, which has no pixels'
  if (start.startsWith('version https://git-lfs')) return 'it is a Git LFS pointer; fetch the file with git lfs pull'
  if (start.startsWith('PK')) return 'it is a zip archive; unpack it first'
  if (start.startsWith('%PDF')) return 'it is a PDF'
  if (start.slice(4, 8) === 'ftyp') return 'it is a film'
  if (head.every(byte => byte === 0)) return 'it holds only zero bytes'
  if (/^[\t\n\r -~]+$/.test(start)) return 'it holds text, no picture'
  return 'its first bytes are of no known picture format'
}
