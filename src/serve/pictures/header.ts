import { readInNode } from '../../runtime/decode-node.ts'
import { findFormat } from '../../runtime/format.ts'
import { readHeader as headerOf } from '../../runtime/header.ts'
import { unreadText } from '../../runtime/unread.ts'
import { reasonOf } from '../reason.ts'
import { Refused } from '../refused.ts'

/** The names of the formats that are taken. */
export const formatNames: readonly string[] = readInNode

/** Width and height of an upright picture from its header. Decodes nothing. Throws `Refused`: 415 for bytes that are no
 *  picture, 422 for a header that can't be read, 413 for more pixels than `maxPixels`. */
export async function readHeader(bytes: Uint8Array, maxPixels: number): Promise<{ width: number; height: number }> {
  if (bytes.length === 0) throw new Refused(422, 'picture', 'the picture has no bytes')
  const format = findFormat(bytes)
  if (!format) {
    const what = unreadText(bytes, formatNames)
    const text = what.startsWith('no picture') ? asText(bytes) : ''
    throw new Refused(415, 'type', `the body is ${what}${text}. Convert it, and send it again`)
  }
  let size: { width: number; height: number }
  try {
    const { width, height, orientation = 1 } = await (format === 'JPEG' ? headerOf(bytes, format) : metadata(bytes))
    size = orientation >= 5 ? { width: height, height: width } : { width, height }
  } catch (error) {
    throw new Refused(422, 'picture', `the header of the ${format} picture can not be read: ${reasonOf(error)}`)
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

/** What a body of text says at first: what a mistaken command sends. */
function asText(bytes: Uint8Array): string {
  const begins = Buffer.from(bytes.subarray(0, 16)).toString('latin1')
  return /^[\t\n\r\x20-\x7e]+$/.test(begins) ? `; it is a text that begins with ${JSON.stringify(begins)}` : ''
}

async function metadata(bytes: Uint8Array) {
  const { default: sharp } = await import('sharp')
  return sharp(bytes, { limitInputPixels: false }).metadata()
}

const count = (n: number) => n.toLocaleString('en-US')
