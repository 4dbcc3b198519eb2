import { targetsOf, targetTensor } from '../data/targets.ts'
import type { Task } from '../data/types.ts'
import type { LabelledSource } from '../train/source.ts'
import { type Augmentation, drawChange } from './augment/index.ts'
import { type BatchOptions, pictureBatch } from './batch.ts'
import type { Item, Picture } from './types.ts'

/** The pictures of a source, and their form. */
export interface PictureSourceOptions extends BatchOptions {
  /** Returns a decoded picture by number, resized for validation. */
  picture(number: number): Picture
  /** The picture's number and class of each sample. */
  samples: readonly Pick<Item, 'picture' | 'labels' | 'values'>[]
  /** The task. Default: single-label. */
  task?: Task
  /** The number of classes; needed for multi-label. */
  classes?: number
  /** The augmentation of each epoch. Default: centre crops. */
  augmentation?: Augmentation | undefined
  seed?: number
}

/** Labelled pictures as batches: x float32 [N, C, size, size], y as `targetTensor` makes it. The augmentation of a
 *  sample depends only on seed, epoch and sample. */
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
