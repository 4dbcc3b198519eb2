import { ImageError } from '../../base/errors.ts'
import { rawFile } from './unread.ts'

/** One picture of a TIFF file as its directory describes it (TIFF 6.0; BigTIFF). */
export interface TiffPage {
  /** Its number among all directories of the file, reduced copies and masks included. */
  index: number
  width: number
  height: number
  bands: number
  bits: number
  /** 1 unsigned, 2 signed, 3 float. */
  format: number
  compression: number
  /** 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab, … */
  photometric: number
  /** Whether the bands are stored separately. */
  planar: boolean
  /** 1 none, 2 differences, 3 differences of floats. */
  predictor: number
  orientation: number
  /** Whether the last band is transparency. */
  alpha: boolean
  /** How many bands the file declares to be no colours, transparency included. */
  extra: number
  /** For YCbCr: pixels per colour sample, the shares of red, green and blue, and the values of black and white. */
  ycbcr: { across: number; down: number; shares: readonly number[]; range: readonly number[] }
  /** Whether there is a colour profile. */
  profile: boolean
  /** For old-style JPEG: the whole JPEG file inside. */
  stream?: readonly [from: number, to: number]
  /** The strips or tiles. */
  chunk: { tiled: boolean; width: number; height: number; offsets: readonly number[]; sizes: readonly number[] }
  /** Red, green, blue after one another, 16 bits each. */
  palette?: readonly number[]
  /** The value that stands for "nothing measured here" (GDAL). */
  missing?: number
  littleEndian: boolean
  /** Whether the bits within a byte are in reversed order. */
  reversedBits: boolean
}

/** A file with more directories than this is not accepted. */
const mostPages = 4096

const sizes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8]

/** The pictures of a TIFF file, without reduced copies and masks: all, or the first alone. */
export function readTiffPages(bytes: Uint8Array, which: 'all' | 'first' = 'all'): TiffPage[] {
  const file = new TiffFile(bytes)
  const pages: TiffPage[] = []
  const seen = new Set<number>()
  let at = file.first
  for (let index = 0; at !== 0; index++) {
    if (seen.has(at) || index >= mostPages) throw new ImageError('its TIFF directories form a loop, or are too many')
    seen.add(at)
    const { tags, next } = file.directory(at)
    if (index === 0) refuseRaw(tags)
    const subfile = tags.get(254)?.()[0] ?? 0
    if ((subfile & 5) === 0) pages.push(pageOf(tags, index, file.littleEndian))
    if (which === 'first' && pages.length > 0) break
    at = next
  }
  if (pages.length === 0) throw new ImageError('its TIFF file holds no picture')
  return pages
}

/** Throws for a camera's raw file, where the first picture is a thumbnail or a mosaic. A DNG is recognised by its
 *  version tag; NEF, ARW and others by a reduced first picture with a camera's name and sub-directories. */
function refuseRaw(tags: Tags): void {
  if (tags.has(50706)) throw new ImageError(rawFile('DNG'))
  const reduced = ((tags.get(254)?.()[0] ?? 0) & 1) === 1
  if (reduced && tags.has(330) && tags.has(271)) throw new ImageError(rawFile('NEF, ARW or alike'))
}

type Tags = Map<number, () => number[]>

function pageOf(tags: Tags, index: number, littleEndian: boolean): TiffPage {
  const all = (tag: number): number[] | undefined => tags.get(tag)?.()
  const one = (tag: number, otherwise: number): number => {
    const value = all(tag)?.[0] ?? otherwise
    if (Number.isSafeInteger(value)) return value
    throw new ImageError(`its TIFF directory gives ${value} where a whole number belongs (tag ${tag})`)
  }
  const [width, height, bands] = [one(256, 0), one(257, 0), one(277, 1)]
  if (!(width > 0 && height > 0 && bands > 0))
    throw new ImageError(`its TIFF directory gives ${width} x ${height} pixels of ${bands} channels`)
  const same = (tag: number, otherwise: number): number => {
    const values = all(tag) ?? [otherwise]
    if (values.some(value => value !== values[0])) throw new ImageError('its TIFF channels are of different types')
    return values[0] ?? otherwise
  }
  const tiled = tags.has(322)
  const missing = Number(String.fromCharCode(...(all(42113) ?? []).slice(0, 64)).replace(/\0.*$/s, '') || Number.NaN)
  const palette = all(320)
  const extras = all(338) ?? []
  const photometric = one(262, 1)
  const colours = photometric === 5 ? 4 : [2, 6, 8, 9, 10].includes(photometric) ? 3 : 1
  const [across = 2, down = 2] = all(530) ?? []
  const stream = [one(513, 0), one(513, 0) + one(514, 0)] as const
  return {
    index,
    width,
    height,
    bands,
    bits: same(258, 1),
    format: same(339, 1),
    compression: one(259, 1),
    photometric,
    planar: one(284, 1) === 2 && bands > 1,
    predictor: one(317, 1),
    orientation: one(274, 1),
    alpha: [1, 2].includes(extras.at(-1) ?? 0),
    extra: Math.max(extras.length, bands - colours),
    ycbcr: { across, down, shares: all(529) ?? [0.299, 0.587, 0.114], range: all(532) ?? [0, 255, 128, 255, 128, 255] },
    profile: tags.has(34675),
    ...(stream[0] > 0 && stream[1] > stream[0] && { stream }),
    chunk: tiled
      ? { tiled, width: one(322, 0), height: one(323, 0), offsets: all(324) ?? [], sizes: all(325) ?? [] }
      : { tiled, width, height: Math.min(one(278, height), height), offsets: all(273) ?? [], sizes: all(279) ?? [] },
    ...(palette && { palette }),
    ...(!Number.isNaN(missing) && { missing }),
    littleEndian,
    reversedBits: one(266, 1) === 2,
  }
}

/** Reads directories; every offset in the file is checked against its length. */
class TiffFile {
  readonly littleEndian: boolean
  readonly first: number
  private readonly view: DataView
  private readonly big: boolean

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.littleEndian = bytes[0] === 0x49
    this.need(0, 16)
    const version = this.view.getUint16(2, this.littleEndian)
    this.big = version === 43
    if (version !== 42 && version !== 43) throw new ImageError(`TIFF version ${version} is not supported`)
    this.first = this.big ? this.long8(8) : this.view.getUint32(4, this.littleEndian)
  }

  directory(at: number): { tags: Tags; next: number } {
    const [countSize, entrySize, inline] = this.big ? [8, 20, 8] : [2, 12, 4]
    this.need(at, countSize)
    const count = this.big ? this.long8(at) : this.view.getUint16(at, this.littleEndian)
    const end = at + countSize + count * entrySize
    this.need(at, end - at + inline)
    const tags: Tags = new Map()
    for (let entry = at + countSize; entry < end; entry += entrySize) {
      const tag = this.view.getUint16(entry, this.littleEndian)
      const type = this.view.getUint16(entry + 2, this.littleEndian)
      const values = this.big ? this.long8(entry + 4) : this.view.getUint32(entry + 4, this.littleEndian)
      const length = values * (sizes[type] ?? 0)
      if (length === 0) continue
      const field = entry + entrySize - inline
      tags.set(tag, () => this.values(length <= inline ? field : this.offset(field), type, values))
    }
    return { tags, next: this.offset(end) }
  }

  private values(at: number, type: number, count: number): number[] {
    const size = sizes[type]!
    this.need(at, count * size)
    return Array.from({ length: count }, (_, i) => this.value(at + i * size, type))
  }

  private value(at: number, type: number): number {
    const { view, littleEndian } = this
    if (type === 3) return view.getUint16(at, littleEndian)
    if (type === 4 || type === 13) return view.getUint32(at, littleEndian)
    if (type === 16 || type === 17 || type === 18) return this.long8(at)
    if (type === 1 || type === 2 || type === 7) return view.getUint8(at)
    if (type === 6) return view.getInt8(at)
    if (type === 8) return view.getInt16(at, littleEndian)
    if (type === 9) return view.getInt32(at, littleEndian)
    if (type === 11) return view.getFloat32(at, littleEndian)
    if (type === 12) return view.getFloat64(at, littleEndian)
    return view.getUint32(at, littleEndian) / view.getUint32(at + 4, littleEndian) // a ratio
  }

  private offset(at: number): number {
    return this.big ? this.long8(at) : this.view.getUint32(at, this.littleEndian)
  }

  private long8(at: number): number {
    return Number(this.view.getBigUint64(at, this.littleEndian))
  }

  private need(at: number, length: number): void {
    if (!(at + length <= this.view.byteLength))
      throw new ImageError('its TIFF directory points beyond the end of the file')
  }
}
