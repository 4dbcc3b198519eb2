import { inflateSync } from 'node:zlib'
import { decompress as unzstd } from 'fzstd'
import { AnnealError, ImageError } from '../../base/errors.ts'
import { swap } from './sample-types.ts'

const names: Record<number, string> = {
  6: 'old-style JPEG',
  34661: 'JBIG',
  34676: 'SGI Log',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34892: 'lossy JPEG',
  34925: 'LZMA',
  32809: 'ThunderScan',
  34713: 'NEF',
  65535: 'PEF',
  50001: 'WebP',
  50002: 'JPEG XL',
}

/** Compressions that {@link unpack} undoes: none, LZW, deflate (two numbers), PackBits, zstd. */
export const codecs: ReadonlySet<number> = new Set([1, 5, 8, 32946, 32773, 50000])

/** The name of a TIFF compression. */
export const codecName = (compression: number): string => names[compression] ?? `compression ${compression}`

/** Decompresses a strip or tile into new memory of at most `size` bytes. */
export function unpack(packed: Uint8Array, compression: number, size: number): Uint8Array {
  const out = compression === 1 ? packed.slice(0, size) : decompress(packed, compression, size)
  if (out.length < size) throw new ImageError('its TIFF data are cut off')
  return out.length === size ? out : out.subarray(0, size)
}

function decompress(packed: Uint8Array, compression: number, size: number): Uint8Array {
  try {
    if (compression === 5) return unpackLzw(packed, size)
    if (compression === 32773) return unpackBits(packed, size)
    if (compression === 50000) return unzstd(packed, new Uint8Array(size))
    // Some writers pad the last rows of a strip; the caller cuts off the rest.
    return new Uint8Array(inflateSync(packed, { maxOutputLength: size + 1_048_576 }))
  } catch (error) {
    if (error instanceof AnnealError) throw error
    throw new ImageError(`its TIFF data are corrupt (${error instanceof Error ? error.message : error})`, {
      cause: error,
    })
  }
}

/** TIFF's LZW: codes of 9 to 12 bits, high bits first, the width rising one code early. */
function unpackLzw(packed: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size)
  const [clear, stop] = [256, 257]
  // The text of each code is a piece of the earlier output, given by its start and length.
  const starts = new Int32Array(4096)
  const lengths = new Int32Array(4096)
  let [next, width, held, bits, to, previous] = [258, 9, 0, 0, 0, -1]
  let [previousStart, previousLength] = [0, 0]
  for (let at = 0; to < size; ) {
    while (bits < width) {
      if (at >= packed.length) return out.subarray(0, to)
      held = ((held << 8) | packed[at++]!) & 0xffffff
      bits += 8
    }
    bits -= width
    const code = (held >> bits) & ((1 << width) - 1)
    if (code === stop) break
    if (code === clear) {
      ;[next, width, previous] = [258, 9, -1]
      continue
    }
    if (code > next || (code === next && previous < 0) || (code > 257 && code >= 4096))
      throw new ImageError('its TIFF data are corrupt (LZW)')
    const start = to
    if (code < 256) out[to++] = code
    else {
      // A code that is not known yet is the previous text and the first byte of it.
      const [from, length] = code < next ? [starts[code]!, lengths[code]!] : [previousStart, previousLength + 1]
      const end = Math.min(size, to + length)
      for (let i = from; to < end; i++) out[to++] = out[i]!
    }
    if (previous >= 0 && next < 4096) {
      starts[next] = previousStart
      lengths[next] = previousLength + 1
      next++
      if (next >= (1 << width) - 1 && width < 12) width++
    }
    ;[previous, previousStart, previousLength] = [code, start, to - start]
  }
  return out.subarray(0, to)
}

function unpackBits(packed: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size)
  let to = 0
  for (let at = 0; at < packed.length && to < size; ) {
    const n = (packed[at++]! << 24) >> 24
    if (n >= 0) {
      const part = packed.subarray(at, at + Math.min(n + 1, size - to))
      out.set(part, to)
      to += part.length
      at += n + 1
    } else if (n !== -128) {
      const end = Math.min(size, to + 1 - n)
      out.fill(packed[at++] ?? 0, to, end)
      to = end
    }
  }
  return out.subarray(0, to)
}

/** The layout of the samples of a strip or tile: `bands` samples per pixel, of `size` bytes each. */
export interface SampleLayout {
  width: number
  bands: number
  size: number
  predictor: number
  littleEndian: boolean
}

/** Converts decompressed bytes to little-endian samples, in place: byte order first, then the differences from the
 *  pixel to the left (TIFF 6.0, section 14; Adobe's TechNote 3 for floats). */
export function undoPredictor(bytes: Uint8Array, layout: SampleLayout): void {
  const { width, bands, size, predictor, littleEndian } = layout
  if (![1, 2, 3].includes(predictor)) throw new ImageError(`TIFF predictor ${predictor} is not supported`)
  if (predictor === 3) undoFloatPredictor(bytes, layout)
  else if (!littleEndian) swap(bytes, size)
  if (predictor !== 2) return
  const at = [bytes.buffer as ArrayBuffer, bytes.byteOffset, Math.floor(bytes.length / size)] as const
  const row = width * bands
  if (size === 8) {
    const values = new BigUint64Array(...at)
    for (let i = 0; i < values.length; i++) if (i % row >= bands) values[i]! += values[i - bands]!
    return
  }
  const values = size === 1 ? bytes : size === 2 ? new Uint16Array(...at) : new Uint32Array(...at)
  for (let start = 0; start < values.length; start += row)
    for (let i = start + bands; i < start + row; i++) values[i]! += values[i - bands]!
}

/** A row holds the high bytes of all samples, then the next lower ones, …, as differences. */
function undoFloatPredictor(bytes: Uint8Array, { width, bands, size }: SampleLayout): void {
  const count = width * bands
  const row = new Uint8Array(count * size)
  for (let start = 0; start + row.length <= bytes.length; start += row.length) {
    row.set(bytes.subarray(start, start + row.length))
    for (let i = bands; i < row.length; i++) row[i]! += row[i - bands]!
    for (let i = 0; i < count; i++)
      for (let byte = 0; byte < size; byte++) bytes[start + i * size + byte] = row[(size - 1 - byte) * count + i]!
  }
}
