import type { Options } from '../../base/option-table.ts'
import type { EvaluationOptions, LabelOptions } from '../../data/index.ts'
import type { SharedOptions } from '../../domain/index.ts'
import { type Augmentation, type AugmentationSettings, augmentation, parseAugmentation } from '../augment/index.ts'
import type { pictureOptions } from '../options.ts'

/** The options of pictures, beside those of labels and splits. */
export type PictureOptions = Options<typeof pictureOptions>

/** All options of pictures: labels, splits, model, decoding, augmentation. */
export type ImageOptions = LabelOptions & PictureOptions & SharedOptions

/** How to find the pictures to evaluate on. */
export type EvaluateImagesOptions = Omit<EvaluationOptions, 'classes' | 'task'> & Pick<SharedOptions, 'device'>

/** The augmentation that the options ask for. */
export const augmentationOf = (given: string | AugmentationSettings): Augmentation =>
  typeof given === 'string' ? parseAugmentation(given) : augmentation(given)
