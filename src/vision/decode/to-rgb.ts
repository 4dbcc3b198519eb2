import { ImageError } from '../../base/errors.ts'
import type { RgbOptions, RgbPicture } from './format.ts'
import { rgbOf } from './libvips.ts'
import { fillMissing, flatten, type Raster, toBytes } from './raster.ts'

/** Converts values to 8 bits and fits the picture; floats must be from 0 (black) to 1 (white). */
export async function rasterToRgb(raster: Raster, fit: RgbOptions): Promise<RgbPicture> {
  const filled = fillMissing(raster)
  if (raster.data instanceof Float32Array) checkFloats(raster.data)
  const flat = raster.data instanceof Uint8Array ? raster : toBytes(flatten(raster))
  const picture = await rgbOf(coloursOnly(flat), fit)
  return { ...picture, ...(filled > 0 && { filled }) }
}

/** Drops a fourth channel that is not transparency. */
function coloursOnly(raster: Raster): Raster {
  const { data, channels, alpha, width, height } = raster
  if (channels !== 4 || alpha) return raster
  const out = new Uint8Array(width * height * 3)
  for (let i = 0, to = 0; i < data.length; i++) if (i % 4 !== 3) out[to++] = data[i]!
  return { ...raster, data: out, channels: 3 }
}

function checkFloats(data: Float32Array): void {
  let [low, high] = [0, 0]
  for (const value of data) {
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low >= -0.01 && high <= 1.01) return
  const say = (value: number) => Number(value.toPrecision(4))
  throw new ImageError(
    `it holds floats from ${say(low)} to ${say(high)}, where 0 is black and 1 is white; train with channels: 'copy' (--channels copy), which measures the value of white`,
  )
}
