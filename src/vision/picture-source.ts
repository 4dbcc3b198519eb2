import { targetsOf, targetTensor } from '../data/targets.ts'
import type { Task } from '../data/types.ts'
import type { LabelledSource } from '../train/source.ts'
import { type Augmentation, drawChange } from './augment/index.ts'
import { type BatchOptions, pictureBatch } from './batch.ts'
import type { Item, Picture } from './types.ts'

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
export type PictureSource = LabelledSource

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
