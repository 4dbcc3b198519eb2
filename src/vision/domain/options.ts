import type { EvaluationOptions, LabelOptions } from '../../data/index.ts'
import type { SharedOptions } from '../../domain/index.ts'
import { type Augmentation, type AugmentationSettings, augmentation, parseAugmentation } from '../augment/index.ts'
import type { ChannelMode } from '../decode/decode.ts'

/** What pictures can be told beside labels and splits. */
export interface PictureOptions {
  /** Side of the crop in pixels. */
  size?: number | undefined
  /** Sizes to train through, one after another, instead of one: small pictures first, larger ones later. */
  sizes?: readonly number[] | undefined
  /** Side in pixels to predict at, where that validates no worse than the size of training. */
  testSize?: number | undefined
  /** What becomes of channels: `rgb` or `copy` up to three, or `keep`; chosen by what the pictures hold unless given. */
  channels?: ChannelMode | 'auto' | undefined
  /** Endings of the names of a picture's files, where each channel has a file of its own. */
  channelFiles?: readonly string[] | undefined
  /** Decisions of `anneal clean`, a file of JSON lines. */
  clean?: string | undefined
  /** A preset (`side-on`, `top-down`, `medical`, `none`), its parts set by hand (`side-on,maxWarp=0.2`), or `auto`. */
  augment?: string | AugmentationSettings | undefined
  /** α of MixUp and of CutMix in the whole net. */
  mixup?: number | undefined
  cutmix?: number | undefined
}

/** All that pictures are asked for: labels, splits, model, decoding, augmentation. */
export type ImageOptions = LabelOptions & PictureOptions & SharedOptions

/** How pictures to evaluate on are found. */
export type EvaluateImagesOptions = Omit<EvaluationOptions, 'classes' | 'task'> & Pick<SharedOptions, 'device'>

/** Augmentation as it was given. */
export const augmentationOf = (given: string | AugmentationSettings): Augmentation =>
  typeof given === 'string' ? parseAugmentation(given) : augmentation(given)
