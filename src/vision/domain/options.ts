import type { Options } from '../../base/option-table.ts'
import type { EvaluationOptions, LabelOptions } from '../../data/index.ts'
import type { SharedOptions } from '../../domain/index.ts'
import { type Augmentation, type AugmentationSettings, augmentation, parseAugmentation } from '../augment/index.ts'
import type { pictureOptions } from '../options.ts'

/** What pictures can be told beside labels and splits. */
export type PictureOptions = Options<typeof pictureOptions>

/** All that pictures are asked for: labels, splits, model, decoding, augmentation. */
export type ImageOptions = LabelOptions & PictureOptions & SharedOptions

/** How pictures to evaluate on are found. */
export type EvaluateImagesOptions = Omit<EvaluationOptions, 'classes' | 'task'> & Pick<SharedOptions, 'device'>

/** Augmentation as it was given. */
export const augmentationOf = (given: string | AugmentationSettings): Augmentation =>
  typeof given === 'string' ? parseAugmentation(given) : augmentation(given)
