import { call, fromArray, hasOwnKernels, type Tensor } from '../../torch/index.ts'
import type { Picture } from '../types.ts'
import type { Change } from './draw.ts'
import { colour } from './lighting.ts'
import { paddings, placed, source } from './view.ts'

/** One picture, its change, and its row of the batch. */
export interface Seen {
  picture: Picture
  change: Change
  row: number
}

/** Whether own kernels make a picture's row of a batch of `channels` on the CPU. */
export const hasKernel = ({ data, channels = 3 }: Picture, of: number): boolean =>
  data instanceof Uint8Array &&
  data.length < 2 ** 31 &&
  (of === 1 || of === 3) &&
  (channels === of || channels === 1) &&
  hasOwnKernels()

/** Writes pictures into their rows of a batch, lit and normalised, as `view`, `light` and the normalisation do one after
 *  the other. rows: float32 [N, size, size, C]; mean and std: one number a channel. */
export function viewBatch(
  rows: Tensor,
  seen: readonly Seen[],
  { mean, std, ...options }: { size: number; short?: number; mean: readonly number[]; std: readonly number[] },
): void {
  if (seen.length === 0) return
  const views = new Float64Array(seen.length * viewNumbers)
  for (const [i, { picture, change, row }] of seen.entries()) {
    const { height, width } = picture
    const placing = placed(change, { height, width, ...options })
    const [crop, map, blocks] =
      'top' in placing ? [[1, placing.top, placing.left], still, [1, 1]] : [[0, 0, 0], placing.map, placing.blocks]
    const coloured = change.saturation !== 1 || change.hue !== 0
    views.set([row, ...crop, ...map, ...blocks, paddings[change.pad]], i * viewNumbers)
    views.set([change.brightness * 255, change.gain], i * viewNumbers + 16)
    if (coloured) views.set([1, ...colour(change.saturation, change.hue)], i * viewNumbers + 18)
    views.set([change.logitShift, change.logitGain], i * viewNumbers + 28)
  }
  const pictures = seen.map(({ picture }) => source(picture))
  const of = (values: Float32Array | Float64Array, shape: number[]) => fromArray(values, shape, { copy: false })
  call(
    'anneal::view_batch',
    rows,
    pictures,
    of(views, [seen.length, viewNumbers]),
    of(
      Float32Array.from(std, v => 1 / (255 * v)),
      [std.length],
    ),
    of(
      Float32Array.from(std, (v, c) => -mean[c]! / v),
      [std.length],
    ),
  )
}

/** Numbers of one picture, in the order that native/kernels/views.cpp reads: its row; whether it is a plain crop, from
 *  where; its map; blocks; padding; what is added, and the gain; whether colours change, their matrix; logits. */
const viewNumbers = 30
const still = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const
