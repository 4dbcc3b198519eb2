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
  const [rowOf, padOf] = [new Int32Array(n), new Int32Array(n)]
  const [corners, blocks] = [new Int32Array(2 * n).fill(-1), new Int32Array(2 * n).fill(1)]
  const maps = new Float64Array(9 * n)
  for (const [i, { picture, change, row }] of seen.entries()) {
    const { height, width } = picture
    const placing = placed(change, { height, width, ...options })
    if ('top' in placing) corners.set([placing.top, placing.left], 2 * i)
    else blocks.set(placing.blocks, 2 * i)
    maps.set('top' in placing ? still : placing.map, 9 * i)
    rowOf[i] = row
    padOf[i] = paddings[change.pad]
  }
  const { colours, curveOf, curves } = lightingsOf(
    seen.map(({ change }) => change),
    channels,
  )
  const of = (values: Float32Array | Float64Array | Int32Array, ...shape: number[]) =>
    fromArray(values, shape, { copy: false })
  const perChannel = (value: (v: number, c: number) => number) => of(Float32Array.from(std, value), channels)
  // In the order of `view_batch` in native/kernels/views.cpp
  call(
    'anneal::view_batch',
    rows,
    seen.map(({ picture }) => source(picture)),
    of(rowOf, n),
    of(corners, n, 2),
    of(maps, n, 9),
    of(blocks, n, 2),
    of(padOf, n),
    of(colours, n, channels, channels + 2),
    of(curveOf, n),
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
  const curveOf = new Int32Array(changes.length)
  for (const [i, change] of changes.entries()) {
    const { matrix = unlit(channels), curve } = lightingOf(change, channels)
    colours.set(matrix, i * each)
    curveOf[i] = curve ? made.push(curve) - 1 : -1
  }
  const curves = new Float32Array(made.length * curvePoints)
  for (const [i, curve] of made.entries()) curves.set(curve, i * curvePoints)
  return { colours, curveOf, curves }
}

const still = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const
const unlit = (channels: number) => (channels === 1 ? [1, 0, 0] : [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
