import { extname } from 'node:path'
import { describeOther, unreadPicture } from './unread.ts'

/** A picture format, found from the first bytes and not from the file's name. `unread`: a known format that is not
 *  decoded. */
export type Format = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif' | 'heic' | 'bmp' | 'netpbm' | 'npy' | 'unread'

/** How many leading bytes `pictureFormat` reads. */
export const MAGIC_BYTES = 352

const text = (head: Uint8Array, from: number, to: number) => Buffer.from(head.subarray(from, to)).toString('latin1')

/** The format of a picture from its first bytes, or undefined. SVG is text and never counts as a picture. */
export function pictureFormat(head: Uint8Array): Format | undefined {
  if (head.length < 3) return undefined
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return head[3] === 0xf7 ? 'unread' : 'jpeg'
  if (text(head, 0, 8) === '\x89PNG\r\n\x1a\n') return 'png'
  if (/^GIF8[79]a$/.test(text(head, 0, 6))) return 'gif'
  if (text(head, 0, 4) === 'RIFF' && text(head, 8, 12) === 'WEBP') return 'webp'
  if (/^(II[*+]\0|MM\0[*+])$/.test(text(head, 0, 4))) return text(head, 8, 10) === 'CR' ? 'unread' : 'tiff'
  if (text(head, 4, 8) === 'ftyp') {
    const format = /^avi[fs]$/.test(text(head, 8, 12)) ? 'avif' : heif(text(head, 8, 32))
    if (format) return format
  }
  if (text(head, 0, 2) === 'BM' && head.length >= 18 && bmpHeaders.has(head[14]! | (head[15]! << 8))) return 'bmp'
  if (/^P([1-6]\s+(#|\d)|[Ff]\s+\d|7\n)/.test(text(head, 0, 32))) return 'netpbm'
  if (text(head, 0, 6) === '\x93NUMPY') return 'npy'
  return unreadPicture(head) ? 'unread' : undefined
}

const bmpHeaders = new Set([12, 16, 40, 52, 56, 64, 108, 124])

/** `ftyp` also begins videos (mp4, mov), so only the brands of still pictures count. */
const heif = (brands: string): Format | undefined =>
  brands.includes('avif') ? 'avif' : /^(hei[cmsx]|hev[cx]|mif1|msf1)/.test(brands) ? 'heic' : undefined

const EXTENSIONS = new Set(
  (
    '.jpg .jpeg .jpe .jfif .mpo .png .apng .gif .webp .tif .tiff .avif .avifs .heic .heics .heif .bmp .dib .npy ' +
    '.ppm .pgm .pbm .pnm .pam .pfm .jxl .jp2 .j2k .jpx .jxr .psd .qoi .ico .pcx .tga .dds .exr .dcm ' +
    '.dng .cr2 .cr3 .nef .nrw .arw .orf .rw2 .raf .pef .srw'
  ).split(' '),
)

/** Whether the name has the extension of a picture. */
export const namedAsPicture = (file: string): boolean => EXTENSIONS.has(extname(file).toLowerCase())

/** What a file is that can't be used as a picture, and what to do, in a few words. */
export function describeBytes(head: Uint8Array): string {
  if (head.length === 0) return 'it is empty (0 bytes)'
  const known = unreadPicture(head) ?? describeOther(head)
  if (known) return known
  const start = text(head, 0, 32)
  if (/^\s*<(!doctype|html|head|body|\?xml|!--)/i.test(start)) return 'it holds HTML or XML text, not a picture'
  if (head.every(byte => byte === 0)) return 'it holds only zero bytes'
  if (/^[\t\n\r -~]+$/.test(start)) return 'it holds text, not a picture'
  return 'its first bytes match no known picture format'
}
