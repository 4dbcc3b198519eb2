import { fromArray, type Tensor } from '../torch/index.ts'
import { type Augmentation, drawChange } from './augment.ts'
import { type BatchOptions, pictureBatch } from './batch.ts'
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
  /** Of all samples: class numbers [N], or rows [N × classes]. */
  readonly targets: Int32Array | Float32Array
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

/** Right answers of labelled pictures: class numbers [N] for one class each, rows of 0 and 1 [N × classes] for several
 *  labels, rows of numbers [N × targets]. */
export function targetsOf(
  samples: readonly Pick<Item, 'labels' | 'values'>[],
  task: Task,
  classes: number,
): Int32Array | Float32Array {
  if (task === 'single') return Int32Array.from(samples, s => s.labels[0]!)
  const rows = new Float32Array(samples.length * classes)
  samples.forEach(({ labels, values }, i) => {
    if (task === 'regression') rows.set(values ?? [], i * classes)
    else for (const label of labels) rows[i * classes + label] = 1
  })
  return rows
}

/** The answers of the samples given: class numbers as int64 [N], rows as float32 [N, C]. */
export function targetTensor(
  numbers: Uint32Array,
  { targets, count }: { targets: Int32Array | Float32Array; count: number },
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
  const rows = new Float32Array(numbers.length * width)
  for (const [i, n] of numbers.entries()) rows.set(targets.subarray(n * width, (n + 1) * width), i * width)
  const y = fromArray(rows, [numbers.length, width])
  return device ? y.to('float32', { device }) : y
}
