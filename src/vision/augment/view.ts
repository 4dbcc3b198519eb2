import { OptionError } from '../../base/errors.ts'
import { aten, fromArray, library, type Tensor } from '../../torch/index.ts'
import type { Picture } from '../types.ts'
import { enlargement, type Frame, isPlain, pictureMap } from './geometry.ts'
import { type Homography, isAffine } from './homography.ts'
import type { Change } from './list.ts'

const bilinear = 0
/** Their numbers in grid_sampler. */
export const paddings = { zeros: 0, border: 1, reflection: 2 } as const

/** What the crop shows of a picture, in the picture's values: [bands, C, size / bands, size]. */
export function view(
  picture: Picture,
  change: Change,
  { size, short = size, device = 'cpu' }: { size: number; short?: number; device?: string },
): Tensor {
  const { height, width } = picture
  const pixels = source(picture, device)
  const placing = placed(change, { height, width, size, short })
  if ('top' in placing) {
    const { top, left } = placing
    return pixels.narrow(0, top, size).narrow(1, left, size).permute(2, 0, 1).unsqueeze(0)
  }
  const { map, blocks } = placing
  let x = pixels.to('float32').permute(2, 0, 1).unsqueeze(0) // [1, C, height, width]
  if (Math.max(...blocks) > 1) x = aten.avg_pool2d(x, blocks, { ceil_mode: true })
  const bands = device === 'cpu' ? bandsOf(size, library().threads) : 1
  const grid = sampleGrid(map, size, device).reshape(bands, size / bands, size, 2)
  return aten.grid_sampler(x.expand(bands, -1, -1, -1), grid, bilinear, paddings[change.pad], false)
}

/** Where a crop lies in its picture: at whole pixels from top and left, or by a map to the means of blocks of
 *  [height, width] pixels. */
export type Placing =
  | { top: number; left: number }
  | { map: Homography; blocks: readonly [height: number, width: number] }

/** Where the crop of a changed picture lies. Made smaller by 2 or more, most pixels would be stepped over: means of whole
 *  blocks are sampled instead. */
export function placed(change: Change, { height, width, size, short = size }: Frame & { short?: number }): Placing {
  const frame = { height, width, size, scale: Math.max(1, short / Math.min(height, width)) }
  if (isPlain(change, frame))
    return { top: Math.round((height - size) * change.cropY), left: Math.round((width - size) * change.cropX) }
  const map = pictureMap(change, frame)
  const { x: sx, y: sy } = enlargement(change, frame)
  const [kx, ky] = [Math.min(width, Math.max(1, Math.floor(1 / sx))), Math.min(height, Math.max(1, Math.floor(1 / sy)))]
  if (kx === 1 && ky === 1) return { map, blocks: [1, 1] }
  return {
    map: onBlocks(map, width / (kx * Math.ceil(width / kx)), height / (ky * Math.ceil(height / ky))),
    blocks: [ky, kx],
  }
}

/** The same map where the last blocks reach beyond the edge: these shares of their picture are the picture. */
const onBlocks = ([a, b, c, d, e, f, g, h, i]: Homography, x: number, y: number): Homography =>
  [
    ...[x * a + (x - 1) * g, x * b + (x - 1) * h, x * c + (x - 1) * i],
    ...[y * d + (y - 1) * g, y * e + (y - 1) * h, y * f + (y - 1) * i],
    ...[g, h, i],
  ] as unknown as Homography

/** Where each pixel of the crop looks: [size, size, 2], as grid_sample wants it. A row's share and a column's are added,
 *  a plane for each coordinate: eight times as fast as affine_grid's product with a 3×2 matrix. */
function sampleGrid(map: Homography, size: number, device: string): Tensor {
  const planes = isAffine(map) ? 2 : 3
  const [across, down] = [new Float32Array(planes * size), new Float32Array(planes * size)]
  for (let p = 0; p < planes; p++)
    for (let i = 0; i < size; i++) {
      const at = (2 * i + 1) / size - 1
      across[p * size + i] = map[3 * p]! * at + map[3 * p + 2]!
      down[p * size + i] = map[3 * p + 1]! * at
    }
  const on = (values: Float32Array, shape: number[]) => fromArray(values, shape).to('float32', { device })
  const sum = on(across, [planes, 1, size]).add(on(down, [planes, size, 1]))
  const xy = planes === 2 ? sum : sum.narrow(0, 0, 2).div(sum.narrow(0, 2, 1))
  return xy.permute(1, 2, 0)
}

/** Pixels [height, width, C] as the tensor of their type; shared with the picture where libtorch has the type. */
export function source({ data, height, width, channels = 3 }: Picture, device = 'cpu'): Tensor {
  if (data.length !== height * width * channels)
    throw new OptionError(
      `a picture of ${height} × ${width} pixels and ${channels} channels has ${data.length} values; expected ${height * width * channels}.`,
    )
  // libtorch has no arithmetic on uint16.
  const values = data instanceof Uint16Array ? new Float32Array(data) : data
  const x = fromArray(values, [height, width, channels], { copy: false })
  return device === 'cpu' ? x : x.to(x.dtype, { device })
}

/** In how many bands of rows a picture is sampled: an operator's threads share its samples, not their pixels. */
function bandsOf(size: number, threads: number): number {
  for (let bands = Math.min(threads, size); bands > 1; bands--) if (size % bands === 0) return bands
  return 1
}
