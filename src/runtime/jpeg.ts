import { latin1 } from './format.ts'
import { readHeader } from './header.ts'

/** The bytes of a JPEG file with two harmless oddities of its headers corrected, by which libvips would refuse it, and
 *  training does not: a revision of JFIF other than 1 and, in sequential files such as those of Samsung phones, a scan
 *  that does not name all 64 coefficients. */
export function mendedJpeg(bytes: Uint8Array): Uint8Array {
  const edits: [at: number, value: number][] = []
  for (let [at, sequential] = [2, false]; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++
      continue
    }
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!
    if (marker === 0xe0 && length >= 16 && latin1(bytes, at + 4, at + 9) === 'JFIF\0' && bytes[at + 9] !== 1)
      edits.push([at + 9, 1])
    if (marker >= 0xc0 && marker <= 0xc2) sequential = marker < 0xc2
    if (marker === 0xda) {
      const last = at + 5 + 2 * bytes[at + 4]!
      for (const [i, value] of [0, 63, 0].entries())
        if (sequential && bytes[last + i] !== value) edits.push([last + i, value])
      break
    }
    at += 2 + length
  }
  if (edits.length === 0) return bytes
  const out = Uint8Array.from(bytes)
  for (const [at, value] of edits) out[at] = value
  return out
}

/** What decoding asks of a JPEG header that is grey or has three channels; of all others libvips reads it, which takes as long as a
 *  fifth of decoding a small picture. */
export async function usualHeader(bytes: Uint8Array) {
  const { width, height, channels } = await readHeader(bytes, 'JPEG')
  if (channels !== 1 && channels !== 3) return undefined
  return {
    width,
    height,
    channels,
    space: channels === 1 ? 'b-w' : 'srgb',
    hasProfile: false,
    hasAlpha: false,
    depth: 'uchar',
  }
}
