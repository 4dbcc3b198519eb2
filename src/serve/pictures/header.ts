import { reasonOf } from '../reason.ts'
import { Refused } from '../refused.ts'

const text = (bytes: Uint8Array, from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1')

/** The formats that are taken, by their first bytes. SVG is not one: it is a program that draws. */
const formats: readonly [name: string, is: (bytes: Uint8Array) => boolean][] = [
  ['JPEG', b => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff],
  ['PNG', b => text(b, 0, 8) === '\x89PNG\r\n\x1a\n'],
  ['WebP', b => text(b, 0, 4) === 'RIFF' && text(b, 8, 12) === 'WEBP'],
  ['GIF', b => /^GIF8[79]a/.test(text(b, 0, 6))],
  ['TIFF', b => /^(II[*+]\0|MM\0[*+])/.test(text(b, 0, 4))],
  ['AVIF', b => text(b, 4, 8) === 'ftyp' && /avi[fs]/.test(text(b, 8, 64))],
]

/** The names of the formats that are taken. */
export const formatNames: readonly string[] = formats.map(([name]) => name)

/** Width and height of an upright picture from its header. Decodes nothing. Throws `Refused`: 415 for bytes that are no
 *  picture, 422 for a header that can't be read, 413 for more pixels than `maxPixels`. */
export async function readHeader(bytes: Uint8Array, maxPixels: number): Promise<{ width: number; height: number }> {
  if (bytes.length === 0) throw new Refused(422, 'picture', 'the picture has no bytes')
  const format = formats.find(([, is]) => is(bytes))
  if (!format)
    throw new Refused(
      415,
      'type',
      `the bytes are none of ${formatNames.join(', ')}; they begin with ${JSON.stringify(shown(bytes))}`,
    )
  const { default: sharp } = await import('sharp')
  let size: { width: number; height: number }
  try {
    const { width, height, orientation = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata()
    size = orientation >= 5 ? { width: height, height: width } : { width, height }
  } catch (error) {
    throw new Refused(422, 'picture', `the header of the ${format[0]} picture can not be read: ${reasonOf(error)}`)
  }
  const { width, height } = size
  if (width * height > maxPixels)
    throw new Refused(
      413,
      'pixels',
      `the picture has ${count(width)} x ${count(height)} pixels; at most ${count(maxPixels)} in all are taken`,
    )
  return size
}

/** The first bytes as readable text. */
const shown = (bytes: Uint8Array) => text(bytes, 0, 16).replace(/[^\x20-\x7e]/g, '.')

const count = (n: number) => n.toLocaleString('en-US')
