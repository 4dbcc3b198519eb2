import { fromArray, type Tensor } from '../torch/index.ts'
import { type Augmentation, drawChange } from './augment.ts'
import { type BatchOptions, pictureBatch } from './batch.ts'
import type { Item, Picture } from './types.ts'

/** Which pictures, in which form. */
export interface PictureSourceOptions extends BatchOptions {
  /** Pictures by number, decoded and kept at the size that validation sees. */
  picture(number: number): Picture
  /** The picture's number and class of each sample. */
  samples: readonly Pick<Item, 'picture' | 'labels'>[]
  /** How each epoch changes them; centre crops without. */
  augmentation?: Augmentation | undefined
  seed?: number
}

/** Labelled pictures as batches: x float32 [N, 3, size, size], y int64 [N]. An epoch's changes are a function of seed,
 *  epoch and sample alone. */
export interface PictureSource {
  readonly count: number
  readonly labels: Int32Array
  batch(samples: Uint32Array, epoch: number): { x: Tensor; y: Tensor }
}

/** Batches of cached pictures, augmented or centre-cropped, as tensors. */
export function pictureSource({
  picture,
  samples,
  augmentation,
  seed = 0,
  ...options
}: PictureSourceOptions): PictureSource {
  const labels = Int32Array.from(samples, s => s.labels[0]!)
  return {
    count: samples.length,
    labels,
    batch(numbers, epoch) {
      const pictures = Array.from(numbers, n => picture(samples[n]!.picture))
      const changes = augmentation && Array.from(numbers, n => drawChange(augmentation, seed, epoch, n))
      return { x: pictureBatch(pictures, changes, options), y: classTensor(numbers, labels, options.device) }
    },
  }
}

/** The classes of the samples given, int64 [N]. */
export function classTensor(numbers: Uint32Array, labels: Int32Array, device?: string): Tensor {
  const y = fromArray(
    BigInt64Array.from(numbers, n => BigInt(labels[n]!)),
    [numbers.length],
  )
  return device ? y.to('int64', { device }) : y
}
