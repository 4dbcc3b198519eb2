import { fromArray, type Tensor } from '../torch/index.ts'
import { type Augmentation, drawChange } from '../vision/augment/index.ts'
import { type BatchOptions, pictureBatch } from '../vision/batch.ts'
import type { Item, Picture, Task } from './types.ts'

/** Which pictures, in which form. */
export interface PictureSourceOptions extends BatchOptions {
  /** Pictures by number, decoded and kept at the size that validation sees. */
  picture(number: number): Picture
  /** The picture's number and class of each sample. */
  samples: readonly Pick<Item, 'picture' | 'labels' | 'values'>[]
  /** What is to be told of them; their one class unless given. */
  task?: Task
  /** How many classes there are; needed for several labels. */
  classes?: number
  /** How each epoch changes them; centre crops without. */
  augmentation?: Augmentation | undefined
  seed?: number
}

/** Labelled pictures as batches: x float32 [N, C, size, size], y as `targetTensor` makes it. An epoch's changes are a
 *  function of seed, epoch and sample alone. */
export interface PictureSource {
  readonly count: number
  /** Of all samples, as `targetsOf` makes them. */
  readonly targets: TargetTable
  batch(samples: Uint32Array, epoch: number): { x: Tensor; y: Tensor }
}

/** Batches of cached pictures, augmented or centre-cropped, as tensors. */
export function pictureSource({
  picture,
  samples,
  task = 'single',
  classes = 0,
  augmentation,
  seed = 0,
  ...options
}: PictureSourceOptions): PictureSource {
  const targets = targetsOf(samples, task, classes)
  return {
    count: samples.length,
    targets,
    batch(numbers, epoch) {
      const pictures = Array.from(numbers, n => picture(samples[n]!.picture))
      const changes = augmentation && Array.from(numbers, n => drawChange(augmentation, seed, epoch, n))
      return {
        x: pictureBatch(pictures, changes, options),
        y: targetTensor(numbers, { targets, count: samples.length }, options.device),
      }
    },
  }
}

/** Right answers: class numbers [N]; rows of 0 and 1 [N × classes] in float32; rows of numbers [N × targets] in float64. */
export type TargetTable = Int32Array | Float32Array | Float64Array

/** Right answers of labelled pictures: class numbers [N] for one class each, rows of 0 and 1 [N × classes] for several
 *  labels, rows of numbers [N × targets]. Numbers stay float64 in their own units: seconds since 1970 that are a minute
 *  apart are all the same in float32. */
export function targetsOf(
  samples: readonly Pick<Item, 'labels' | 'values'>[],
  task: Task,
  classes: number,
): TargetTable {
  if (task === 'single') return Int32Array.from(samples, s => s.labels[0]!)
  const size = samples.length * classes
  const rows = task === 'regression' ? new Float64Array(size) : new Float32Array(size)
  samples.forEach(({ labels, values }, i) => {
    if (task === 'regression') rows.set(values ?? [], i * classes)
    else for (const label of labels) rows[i * classes + label] = 1
  })
  return rows
}

/** The answers of the samples given: class numbers as int64 [N], labels as float32 [N, C], numbers as float64 [N, T]. */
export function targetTensor(
  numbers: Uint32Array,
  { targets, count }: { targets: TargetTable; count: number },
  device?: string,
): Tensor {
  if (targets instanceof Int32Array) {
    const y = fromArray(
      BigInt64Array.from(numbers, n => BigInt(targets[n]!)),
      [numbers.length],
    )
    return device ? y.to('int64', { device }) : y
  }
  const width = targets.length / count
  const size = numbers.length * width
  const rows = targets instanceof Float64Array ? new Float64Array(size) : new Float32Array(size)
  for (const [i, n] of numbers.entries()) rows.set(targets.subarray(n * width, (n + 1) * width), i * width)
  const y = fromArray(rows, [numbers.length, width])
  return device ? y.to(y.dtype, { device }) : y
}
