import { extname } from 'node:path'
import { ImageError } from '../../base/errors.ts'
import type { FileKind } from '../../data/index.ts'
import { bmp } from './bmp.ts'
import type { ImageFormat } from './format.ts'
import { heic } from './heic.ts'
import { netpbm } from './netpbm.ts'
import { npy } from './npy.ts'
import { tiff } from './tiff-file.ts'
import { describeBytes, isUnreadPicture, unreadBytes, unreadEndings } from './unread.ts'
import { avif, gif, jpeg, png, webp } from './vips-formats.ts'

/** Every image format that is read. The first one whose `sniff` says yes is taken: an AVIF file may call itself HEIF
 *  too. Names of files, what a folder's files are, decoding and the cache's key all go by this list. */
export const formats: readonly ImageFormat[] = [jpeg, png, gif, webp, tiff, avif, heic, bmp, netpbm, npy]

/** How many leading bytes are needed to recognise a file. */
const bytesNeeded = unreadBytes

/** The format of a picture from its first bytes, for any file name; undefined if it is not a format that can be
 *  read. */
export const formatOf = (head: Uint8Array): ImageFormat | undefined =>
  head.length < 3 ? undefined : formats.find(format => format.sniff(head))

const endings = new Set([...formats.map(format => format.endings), unreadEndings].flatMap(list => list.split(' ')))

/** Recognises the pictures among the files of a folder. A picture of a known format that can't be read counts too: the
 *  scan names it and says what to do. */
export const pictureFiles: FileKind = {
  noun: { one: 'picture', many: 'pictures' },
  isNamed: name => endings.has(extname(name).toLowerCase()),
  bytesNeeded,
  recognises: head => head.length >= 3 && (formatOf(head) !== undefined || isUnreadPicture(head)),
  describe: describeBytes,
}

/** The format of a picture; throws for formats that can't be decoded. */
export function supportedFormat(bytes: Uint8Array): ImageFormat {
  const head = bytes.subarray(0, bytesNeeded)
  const format = formatOf(head)
  if (!format) throw new ImageError(describeBytes(head))
  return format
}

/** The ending of a picture's name, without the dot: its own if it is one of a picture, else that of its content. */
export const endingOf = (name: string, content: Uint8Array): string =>
  pictureFiles.isNamed(name)
    ? extname(name).slice(1)
    : (formatOf(content.subarray(0, bytesNeeded))?.endings.split(' ')[0] ?? '.jpg').slice(1)

/** Part of the cache's key: it changes whenever a file would decode to other pixels, or more files can be read. */
export function decoderVersion(): string {
  const versions = new Set(formats.flatMap(({ version }) => version ?? [])) // libvips reads several
  return ['3', ...formats.map(({ name }) => name), ...Array.from(versions, version => version())].join('/')
}
