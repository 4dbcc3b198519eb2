import { type InflaterScope, scope } from './dom.ts'
import { RunError, reasonOf } from './errors.ts'
import { latin1 } from './format.ts'
import type { RawPixels } from './types.ts'
import { upright } from './upright.ts'

const channelsOf: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const depthsOf: Record<number, readonly number[]> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
}
/** Adam7: first column and row, and the steps, of each pass. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

const corrupt = (what: string, cause?: unknown) =>
  new RunError('picture', `its PNG data are cut off or corrupt (${what})`, { cause })

/** Decodes a PNG file, and turns it upright by its EXIF orientation: grey 1 channel, colour 3, transparency one more; 16 bits lose their lower byte, as in
 *  libvips. Colour profile and gamma are left alone, as in training. */
export async function decodePng(bytes: Uint8Array, orientation: number): Promise<RawPixels> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { parts, palette, clear } = chunksOf(bytes, view)
  const [width, height] = [view.getUint32(16), view.getUint32(20)]
  const [depth, type, interlaced] = [bytes[24]!, bytes[25]!, bytes[28] === 1]
  if (!depthsOf[type]?.includes(depth) || bytes[26] || bytes[27] || bytes[28]! > 1)
    throw corrupt(`colour type ${type} of ${depth} bits`)
  if (type === 3 && !palette) throw corrupt('it has no palette')
  const samples = channelsOf[type]!
  const stored = type === 3 ? 3 : samples
  const alpha = clear !== undefined || type >= 4
  const channels = stored + (clear ? 1 : 0)
  const out = new Uint8Array(width * height * channels)
  const bits = depth * samples
  const step = Math.max(1, bits >> 3)

  const most = (1 << depth) - 1
  const key =
    clear && type !== 3 ? Array.from({ length: samples }, (_, c) => (clear[2 * c]! << 8) | clear[2 * c + 1]!) : []
  /** One value of a row: 8 bits for palettes and pictures of 8 or fewer bits, else 16. */
  const sample = (row: Uint8Array, i: number): number => {
    if (depth === 8) return row[i]!
    if (depth === 16) return (row[2 * i]! << 8) | row[2 * i + 1]!
    return (row[(i * depth) >> 3]! >> (8 - depth - ((i * depth) & 7))) & most
  }
  const toBytes = (value: number) =>
    depth === 16 ? value >> 8 : depth === 8 ? value : Math.round((value * 255) / most)
  const place = (row: Uint8Array, i: number, to: number) => {
    if (type === 3) {
      const index = sample(row, i)
      for (let c = 0; c < 3; c++) out[to + c] = palette![3 * index + c] ?? 0
      if (clear) out[to + 3] = clear[index] ?? 255
      return
    }
    let hidden = key.length > 0
    for (let c = 0; c < samples; c++) {
      const value = sample(row, i * samples + c)
      if (value !== key[c]) hidden = false
      out[to + c] = toBytes(value)
    }
    if (clear) out[to + samples] = hidden ? 0 : 255
  }

  const source = reader(parts)
  for (const [x0, y0, dx, dy] of interlaced ? adam7 : ([[0, 0, 1, 1]] as const)) {
    const columns = Math.ceil((width - x0) / dx)
    if (columns <= 0) continue
    const length = (columns * bits + 7) >> 3
    let before: Uint8Array = new Uint8Array(length)
    for (let y = y0; y < height; y += dy) {
      const row = await source.take(length + 1)
      const filter = row[0]!
      const line = row.subarray(1)
      unfilter(filter, line, before, step)
      let to = (y * width + x0) * channels
      if (!interlaced && bits === 8 * channels) out.set(line, to)
      else for (let i = 0; i < columns; i++, to += dx * channels) place(line, i, to)
      before = line
    }
  }
  await source.end()
  return upright({ data: out, width, height, channels, alpha }, orientation)
}

/** Undoes the filter of a row in place. */
function unfilter(filter: number, row: Uint8Array, before: Uint8Array, step: number): void {
  const { length } = row
  if (filter === 1) for (let i = step; i < length; i++) row[i]! += row[i - step]!
  else if (filter === 2) for (let i = 0; i < length; i++) row[i]! += before[i]!
  else if (filter === 3) for (let i = 0; i < length; i++) row[i]! += ((i < step ? 0 : row[i - step]!) + before[i]!) >> 1
  else if (filter === 4)
    for (let i = 0; i < length; i++) {
      // No arrays here: this loop takes most of the time.
      const left = i < step ? 0 : row[i - step]!
      const corner = i < step ? 0 : before[i - step]!
      const above = before[i]!
      const a = above - corner
      const b = left - corner
      const toLeft = a < 0 ? -a : a
      const toAbove = b < 0 ? -b : b
      const toCorner = a + b < 0 ? -a - b : a + b
      row[i]! += toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner
    }
  else if (filter !== 0) throw corrupt(`a row has the filter ${filter}`)
}

interface Chunks {
  /** The compressed pixels. */
  parts: Uint8Array[]
  palette?: Uint8Array
  /** Of palettes the opacities, else the colour that is transparent. */
  clear?: Uint8Array
}

function chunksOf(bytes: Uint8Array, view: DataView): Chunks {
  const found: Chunks = { parts: [] }
  for (let at = 8; at + 12 <= bytes.length; ) {
    const [length, kind] = [view.getUint32(at), latin1(bytes, at + 4, at + 8)]
    if (!/^[A-Za-z]{4}$/.test(kind)) throw corrupt(`byte ${at + 4} should be the name of a chunk`)
    if (kind === 'IEND') break
    const [from, end] = [at + 8, at + 8 + length]
    if (end + 4 > bytes.length) throw corrupt(`the file ends in ${kind}`)
    const critical = kind[0]! < 'a'
    if (critical && crc32(bytes, at + 4, end) !== view.getUint32(end)) throw corrupt(`the checksum of ${kind}`)
    const data = bytes.subarray(from, end)
    if (kind === 'IDAT') found.parts.push(data)
    else if (kind === 'PLTE') found.palette = data
    else if (kind === 'tRNS') found.clear = data
    at = end + 4
  }
  if (found.parts.length === 0) throw corrupt('it has no pixels')
  return found
}

let table: Int32Array | undefined

function crc32(bytes: Uint8Array, from: number, to: number): number {
  table ??= Int32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
    return n
  })
  let crc = -1
  for (let i = from; i < to; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

/** Reads decompressed bytes in pieces of any length. */
function reader(parts: readonly Uint8Array[]) {
  const { Blob, DecompressionStream } = scope as InflaterScope
  const source = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate')).getReader()
  let [chunk, at] = [new Uint8Array(), 0]
  return {
    async take(length: number): Promise<Uint8Array> {
      const out = new Uint8Array(length)
      for (let to = 0; to < length; ) {
        if (at === chunk.length) {
          const next = await source.read().catch(cause => {
            throw corrupt(reasonOf(cause), cause)
          })
          if (!next.value) throw corrupt('it has too few pixels')
          ;[chunk, at] = [next.value, 0]
        }
        const piece = chunk.subarray(at, at + length - to)
        out.set(piece, to)
        to += piece.length
        at += piece.length
      }
      return out
    },
    /** Frees the decompressor. */
    end: () => source.cancel().catch(() => {}),
  }
}
