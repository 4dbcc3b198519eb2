import { call, fromArray, hasOwnKernels, type Tensor } from '../../torch/index.ts'
import type { Picture } from '../types.ts'
import { lightingOf } from './lighting.ts'
import type { Change } from './list.ts'
import { curvePoints } from './tone-curve.ts'
import { paddings, placed, source } from './view.ts'

/** One picture, its change, and its row of the batch. */
export interface Seen {
  picture: Picture
  change: Change
  row: number
}

/** Whether our kernel can make a picture's row of a batch of `of` channels on the CPU. */
export const hasKernel = ({ data, channels = 3 }: Picture, of: number): boolean =>
  data instanceof Uint8Array &&
  data.length < 2 ** 31 &&
  (of === 1 || of === 3) &&
  (channels === of || channels === 1) &&
  hasOwnKernels()

/** Writes pictures into their rows of a batch: sampled, lit and normalised in one call, with the results of `view`, `lit` and the
 *  normalisation. rows: float32 [N, size, size, C]; mean and std: one number for each channel. */
export function viewBatch(
  rows: Tensor,
  seen: readonly Seen[],
  { mean, std, ...options }: { size: number; short?: number; mean: readonly number[]; std: readonly number[] },
): void {
  if (seen.length === 0) return
  const [n, channels] = [seen.length, std.length]
  const placings = seen.map(({ picture: { height, width }, change }) => placed(change, { height, width, ...options }))
  const corners = placings.flatMap(p => ('top' in p ? [p.top, p.left] : [-1, -1]))
  const maps = placings.flatMap(p => ('top' in p ? still : p.map))
  const blocks = placings.flatMap(p => ('top' in p ? [1, 1] : p.blocks))
  const { colours, curveOf, curves } = lightingsOf(
    seen.map(({ change }) => change),
    channels,
  )
  const of = (values: Float32Array | Float64Array | Int32Array, ...shape: number[]) =>
    fromArray(values, shape, { copy: false })
  const integers = (values: readonly number[], ...shape: number[]) => of(Int32Array.from(values), ...shape)
  const perChannel = (value: (v: number, c: number) => number) => of(Float32Array.from(std, value), channels)
  // In the order of `view_batch` in native/kernels/views.cpp
  const rowOf = seen.map(({ row }) => row)
  const padOf = seen.map(({ change }) => paddings[change.pad])
  call(
    'anneal::view_batch',
    rows,
    seen.map(({ picture }) => source(picture)),
    integers(rowOf, n),
    integers(corners, n, 2),
    of(Float64Array.from(maps), n, 9),
    integers(blocks, n, 2),
    integers(padOf, n),
    of(colours, n, channels, channels + 2),
    integers(curveOf, n),
    of(curves, curves.length / curvePoints, curvePoints),
    perChannel(v => 1 / (255 * v)),
    perChannel((v, c) => -mean[c]! / v),
  )
}

/** A matrix for each picture, and the number of its tone curve, or -1. */
function lightingsOf(changes: readonly Change[], channels: number) {
  const each = channels * (channels + 2)
  const colours = new Float32Array(changes.length * each)
  const made: Float32Array[] = []
  const curveOf = changes.map((change, i) => {
    const { matrix = unlit(channels), curve } = lightingOf(change, channels)
    colours.set(matrix, i * each)
    return curve ? made.push(curve) - 1 : -1
  })
  const curves = new Float32Array(made.length * curvePoints)
  for (const [i, curve] of made.entries()) curves.set(curve, i * curvePoints)
  return { colours, curveOf, curves }
}

const still = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const
const unlit = (channels: number) => (channels === 1 ? [1, 0, 0] : [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
