import { call, fromArray, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Picture } from '../types.ts'
import { like, type Raster, whiteOf } from './raster.ts'

/** How a picture is resized. */
export interface FitOptions {
  /** The short side in pixels; smaller pictures are left as they are. Default: no resizing. */
  short?: number
  /** Antialiased; agrees with torchvision's `resize(antialias=True)` within 1/255 on average. */
  interpolation?: 'bilinear' | 'bicubic'
  /** The longest side that is kept, as a multiple of the short side; the rest is cut off equally at both ends. */
  aspect?: number
}

/** A part of a picture, in pixels. */
export interface Crop {
  left: number
  top: number
  width: number
  height: number
}

/** The steps from a picture's size to its final size; a step that changes nothing is left out. */
export interface FitPlan {
  /** A strip is cut before it is resized; other pictures are cut afterwards, because cutting first prevents JPEG's
   *  scaled decoding. */
  before?: Crop
  resize?: { width: number; height: number }
  after?: Crop
}

/** Plans how a picture of `width` x `height` is brought to its short side and its aspect. */
export function planFit(
  width: number,
  height: number,
  { short, aspect = Number.POSITIVE_INFINITY }: FitOptions,
): FitPlan {
  const plan: FitPlan = {}
  const longest = Math.max(1, Math.floor(Math.min(width, height) * aspect))
  if (Math.max(width, height) > 4 * longest) {
    plan.before = centre(width, height, longest)
    ;({ width, height } = plan.before)
  }
  if (short !== undefined && short < Math.min(width, height)) {
    plan.resize = sizeAt(short, { width, height })
    ;({ width, height } = plan.resize)
  }
  const most = Math.max(1, Math.floor(Math.min(width, height) * aspect))
  if (Math.max(width, height) > most) plan.after = centre(width, height, most)
  return plan
}

/** The size of a picture whose short side becomes `short` pixels, by torchvision's integer rule: the long side is
 *  short · long / short side of now, cut to a whole number. A factor in doubles would be off: 256 / 347 · 347 is below 256. */
export function sizeAt(
  short: number,
  { width, height }: { width: number; height: number },
): { width: number; height: number } {
  const now = Math.min(width, height)
  return { width: Math.floor((short * width) / now), height: Math.floor((short * height) / now) }
}

function centre(width: number, height: number, most: number): Crop {
  const [w, h] = [Math.min(width, most), Math.min(height, most)]
  return { left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h }
}

/** Cuts and resizes pixels of any channels and type, each channel separately; the type stays. */
export function fitRaster(raster: Raster, options: FitOptions): Raster {
  const { before, resize: size, after } = planFit(raster.width, raster.height, options)
  if (before) raster = crop(raster, before)
  if (size) raster = resize(raster, size, options.interpolation)
  return after ? crop(raster, after) : raster
}

function crop(raster: Raster, { left, top, width, height }: Crop): Raster {
  const { data, channels } = raster
  const out = like(data, width * height * channels)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * raster.width + left) * channels
    out.set(data.subarray(from, from + width * channels), y * width * channels)
  }
  return { ...raster, data: out, width, height }
}

/** The picture resized to this short side, antialiased; a smaller picture is unchanged. */
export function shrunk(picture: Picture, short: number, interpolation?: FitOptions['interpolation']): Picture {
  const { data, height, width, channels = 3 } = picture
  if (short >= Math.min(height, width)) return picture
  return resize({ data, height, width, channels }, sizeAt(short, { width, height }), interpolation)
}

/** Antialiased by libtorch, as torchvision's `resize` of tensors does it. Whole numbers are rounded and clipped. */
export function resize<R extends Omit<Raster, 'alpha'>>(
  raster: R,
  { width, height }: { width: number; height: number },
  interpolation = 'bilinear',
): R {
  const { data, channels } = raster
  const values = data instanceof Float32Array ? data : Float32Array.from(data)
  const resized = noGrad(() =>
    scope(() => {
      const x = fromArray(values, [raster.height, raster.width, channels], { copy: false })
        .permute(2, 0, 1)
        .unsqueeze(0)
      const y: Tensor = call(`_upsample_${interpolation}2d_aa`, x, [height, width], false)
      return y.permute(0, 2, 3, 1).contiguous().data() as Float32Array // [1, height, width, channels]
    }),
  )
  if (data instanceof Float32Array) return { ...raster, data: resized, width, height }
  const [out, white] = [like(data, resized.length), whiteOf(data)]
  for (let i = 0; i < out.length; i++) out[i] = Math.min(white, Math.max(0, Math.round(resized[i]!)))
  return { ...raster, data: out, width, height }
}
