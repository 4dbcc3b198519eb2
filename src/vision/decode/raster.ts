import { ImageError } from '../../base/errors.ts'
import type { Pixels } from '../types.ts'

/** Pixels of a file, upright, at full size: `data: [height, width, channels]`. */
export interface Raster {
  data: Pixels
  height: number
  width: number
  channels: number
  /** Whether the last channel is the opacity of the pixels. */
  alpha: boolean
  /** The value of white, if it is not the largest value of the type: 12 bits in a file of 16. */
  white?: number
}

/** The type of a picture's values. */
export type Depth = 'uint8' | 'uint16' | 'float32'

/** The array that holds values of a type. */
export const pixelArrays = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array } as const

/** The type of pixels by its name. */
export const depthOf = (data: Pixels): Depth =>
  data instanceof Uint8Array ? 'uint8' : data instanceof Uint16Array ? 'uint16' : 'float32'

/** An empty array of the same type. */
export const like = (data: Pixels, length: number): Pixels => new pixelArrays[depthOf(data)](length)

/** The value of white. */
export const whiteOf = (data: Pixels): number =>
  data instanceof Uint8Array ? 255 : data instanceof Uint16Array ? 65535 : 1

/** Stacks pictures of one size and type into one, channel after channel. `names`: their names in errors. */
export function stackRasters(parts: readonly Raster[], names: readonly string[]): Raster {
  const [first] = parts
  if (!first) throw new RangeError('stackRasters: got no picture')
  if (parts.length === 1) return first
  const says = ({ width, height, data }: Raster) => `${width} x ${height} pixels of ${depthOf(data)}`
  const other = parts.findIndex(part => says(part) !== says(first))
  if (other > 0)
    throw new ImageError(
      `${names[other]} has ${says(parts[other]!)}, ${names[0]} has ${says(first)}; expected one size and type`,
    )
  const { width, height } = first
  const channels = parts.reduce((sum, part) => sum + part.channels, 0)
  const data = like(first.data, width * height * channels)
  let from = 0
  for (const part of parts) {
    for (let c = 0; c < part.channels; c++, from++)
      for (let i = c, to = from; to < data.length; i += part.channels, to += channels) data[to] = part.data[i]!
  }
  return { data, width, height, channels, alpha: false }
}

/** Turns a picture that was stored with an EXIF or TIFF orientation of 1 to 8 upright. */
export function upright(raster: Raster, orientation: number): Raster {
  if (!(orientation >= 2 && orientation <= 8)) return raster
  const { data, width, height, channels } = raster
  const turned = orientation >= 5
  const [w, h] = turned ? [height, width] : [width, height]
  const right = [2, 3, 7, 8].includes(orientation) // x, or what x comes from, runs backwards
  const down = [3, 4, 6, 7].includes(orientation)
  const out = like(data, data.length)
  for (let y = 0, to = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const [sx, sy] = turned ? [y, x] : [x, y]
      const from = ((down ? height - 1 - sy : sy) * width + (right ? width - 1 - sx : sx)) * channels
      for (let c = 0; c < channels; c++) out[to++] = data[from + c]!
    }
  return { ...raster, data: out, width: w, height: h }
}

/** Lays transparent pixels on white, and drops the alpha channel. */
export function flatten(raster: Raster): Raster {
  if (!raster.alpha) return raster
  const { data, channels } = raster
  const white = raster.white ?? whiteOf(data)
  const colours = channels - 1
  const out = like(data, (data.length / channels) * colours)
  for (let from = 0, to = 0; from < data.length; from += channels) {
    const share = data[from + colours]! / white
    for (let c = 0; c < colours; c++) {
      const value = white + (data[from + c]! - white) * share
      out[to++] = data instanceof Float32Array ? value : Math.round(value)
    }
  }
  return { ...raster, data: out, channels: colours, alpha: false }
}

/** Replaces values that are not finite by the mean of their channel; returns how many there were. Throws if a channel
 *  has no finite value. */
export function fillMissing({ data, channels }: Raster): number {
  if (!(data instanceof Float32Array)) return 0
  let filled = 0
  for (let c = 0; c < channels; c++) {
    let [sum, count] = [0, 0]
    for (let i = c; i < data.length; i += channels)
      if (Number.isFinite(data[i])) {
        sum += data[i]!
        count++
      }
    const missing = data.length / channels - count
    if (missing === 0) continue
    if (count === 0) throw new ImageError(`its channel ${c + 1} of ${channels} holds no finite number`)
    filled += missing
    for (let i = c; i < data.length; i += channels) if (!Number.isFinite(data[i])) data[i] = sum / count
  }
  return filled
}

/** Copies one or two channels in turn until there are three; three are unchanged. */
export function copyToThree(raster: Raster): Raster {
  const { data, channels } = raster
  if (channels === 3) return raster
  if (channels > 3)
    throw new ImageError(
      `it has ${channels} channels, expected 1 to 3; keep them all with channels: 'keep' (--channels keep)`,
    )
  const out = like(data, (data.length / channels) * 3)
  for (let from = 0, to = 0; from < data.length; from += channels)
    for (let c = 0; c < 3; c++) out[to++] = data[from + (c % channels)]!
  return { ...raster, data: out, channels: 3 }
}

/** Maps `low` to black and `high` to white; 16 bits are rounded and clipped, 8 bits are unchanged. */
export function stretch(raster: Raster, [low, high]: readonly [low: number, high: number]): Raster {
  const { data } = raster
  if (data instanceof Uint8Array) return raster
  const white = whiteOf(data)
  if (low === 0 && high === white) return raster
  const scale = white / (high - low)
  const out = like(data, data.length)
  if (out instanceof Float32Array) for (let i = 0; i < out.length; i++) out[i] = (data[i]! - low) * scale
  else for (let i = 0; i < out.length; i++) out[i] = Math.min(white, Math.max(0, Math.round((data[i]! - low) * scale)))
  return { ...raster, data: out }
}

/** Converts values to 8 bits: 65535 (uint16) and 1 (floats) become 255. */
export function toBytes(raster: Raster): Raster & { data: Uint8Array } {
  const { data } = raster
  if (data instanceof Uint8Array) return { ...raster, data }
  const scale = 255 / (raster.white ?? whiteOf(data))
  return { ...raster, data: Uint8Array.from(data, value => Math.min(255, Math.max(0, Math.round(value * scale)))) }
}
