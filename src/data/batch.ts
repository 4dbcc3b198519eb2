import { aten, fromArray, noGrad, scope, stack, type Tensor } from '../torch/index.ts'
import { type Affine, affine, type Change, unchanged } from './augment.ts'
import type { Picture } from './types.ts'

/** How pixels become what the net was trained on: values in [0, 1], minus mean, over std, each channel its own. */
export interface Normalization {
  mean: readonly number[]
  std: readonly number[]
}

/** What of a picture the net sees. */
export interface BatchOptions {
  /** Side of the square crop in pixels. */
  size: number
  /** The short side that pictures are seen at before the crop; smaller ones are enlarged to it. Default: `size`. */
  short?: number
  normalization: Normalization
  device?: string
}

const reflection = 2
const bilinear = 0

/** Pictures as one normalised batch: float32 [N, 3, size, size], channels last. Unchanged pictures give their centre
 *  crop, pixel for pixel where they are large enough. */
export function pictureBatch(
  pictures: readonly Picture[],
  changes: readonly Change[] | undefined,
  options: BatchOptions,
): Tensor {
  return noGrad(() =>
    scope(() => {
      const crops = pictures.map((picture, i) => scope(() => crop(picture, changes?.[i] ?? unchanged, options)))
      let x = stack(crops) // [N, 3, size, size], 0 to 255
      if (options.device) x = x.to('float32', { device: options.device })
      return finish(x, changes, options)
    }),
  )
}

function crop(picture: Picture, change: Change, { size, short = size }: BatchOptions): Tensor {
  const { data, height, width } = picture
  const source = fromArray(data, [height, width, 3], { copy: false })
  const scale = Math.max(1, short / Math.min(height, width))
  if (
    scale === 1 &&
    change.zoom === 1 &&
    change.angle === 0 &&
    !change.mirror &&
    change.quarterTurns === 0 &&
    height >= size &&
    width >= size
  ) {
    const top = Math.round((height - size) * change.cropY)
    const left = Math.round((width - size) * change.cropX)
    return source.narrow(0, top, size).narrow(1, left, size).permute(2, 0, 1).to('float32')
  }
  const x = source.to('float32').permute(2, 0, 1).unsqueeze(0)
  const theta = fromArray(Float32Array.from(affine(change, { height, width, size, scale }) satisfies Affine), [1, 2, 3])
  const grid = aten.affine_grid_generator(theta, [1, 3, size, size], false)
  return aten.grid_sampler(x, grid, bilinear, reflection, false).squeeze(0)
}

/** Lighting, as fastai 0.7's RandomLighting (clipped to the range of pixels), then mean and std: one pass each. */
function finish(
  x: Tensor,
  changes: readonly Change[] | undefined,
  { normalization: { mean, std } }: BatchOptions,
): Tensor {
  const n = x.shape[0]!
  if (changes?.some(c => c.brightness !== 0 || c.gain !== 1)) {
    const gain = column(
      changes.map(c => c.gain),
      n,
    ).to('float32', { device: x.device })
    const lift = column(
      changes.map(c => c.brightness * 255),
      n,
    ).to('float32', { device: x.device })
    const average = x.mean([1, 2, 3], { keepdim: true })
    x = x
      .mul(gain)
      .add(average.sub(average.mul(gain)).add(lift))
      .clamp(0, 255)
  }
  const scale = fromArray(
    Float32Array.from(std, v => 1 / (255 * v)),
    [1, std.length, 1, 1],
  ).to('float32', { device: x.device })
  const shift = fromArray(
    Float32Array.from(mean, (v, i) => -v / std[i]!),
    [1, mean.length, 1, 1],
  ).to('float32', { device: x.device })
  return aten.addcmul(shift, x, scale).contiguous('channels_last')
}

const column = (values: readonly number[], n: number) => fromArray(Float32Array.from(values), [n, 1, 1, 1])
