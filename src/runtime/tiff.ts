import { RunError } from './errors.ts'

/** What makes a TIFF file one that libvips reads in another way than training. */
const oddities: readonly [what: string, is: (tag: (number: number) => number) => boolean][] = [
  ['a smaller copy of the picture as its first page', tag => (tag(254) & 1) === 1],
  ['values that are no whole numbers without sign', tag => tag(339) > 1],
  ['colours as brightness and two differences (YCbCr)', tag => tag(262) === 6 && tag(259) !== 7],
  ['colours as CIELab', tag => tag(262) >= 8 && tag(262) <= 10],
  ['CMYK of 16 bits', tag => tag(262) === 5 && tag(258) > 8],
]
/** The same, where the model was not trained on channels as they are. */
const unknown: (typeof oddities)[number] = [
  'a fourth channel without a meaning',
  tag => tag(262) === 2 && tag(277) > 3 && tag(338) === 0,
]

/** Refuses a TIFF file that libvips would read without an error, but not as training does. The others are left to
 *  libvips. keep: whether the model was trained on channels as they are. */
export function checkTiff(bytes: Uint8Array, keep: boolean): void {
  const tags = new Map<number, number>()
  try {
    readTags(bytes, tags)
  } catch {
    return // cut off: libvips says so
  }
  const tag = (number: number) => tags.get(number) ?? 0
  const odd = [...oddities, ...(keep ? [] : [unknown])].find(([, is]) => is(tag))
  if (odd)
    throw new RunError(
      'picture',
      `it is a TIFF file with ${odd[0]}, which training reads and this runtime does not. Convert it to PNG, or give its pixels: { data, width, height, channels }`,
    )
}

/** Reads the first value of each tag of the first page. */
function readTags(bytes: Uint8Array, tags: Map<number, number>): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = bytes[0] === 0x49
  const big = view.getUint16(2, little) === 43
  const offset = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little))
  const page = offset(big ? 8 : 4)
  const count = big ? offset(page) : view.getUint16(page, little)
  for (let i = 0; i < count && i < 1000; i++) {
    const entry = page + (big ? 8 + 20 * i : 2 + 12 * i)
    const type = view.getUint16(entry + 2, little)
    const size = type === 3 ? 2 : type === 4 ? 4 : 0
    if (size === 0) continue
    const values = offset(entry + 4)
    const inside = values * size <= (big ? 8 : 4)
    const at = inside ? entry + (big ? 12 : 8) : offset(entry + (big ? 12 : 8))
    tags.set(view.getUint16(entry, little), size === 2 ? view.getUint16(at, little) : view.getUint32(at, little))
  }
}
