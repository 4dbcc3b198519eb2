/** How training pictures are changed: settings and presets, what is drawn for one picture, and what becomes of its
 *  pixels. `batch.ts` puts it together; `train/mix.ts` mixes samples of a batch. */

export { type Mixed, type MixOptions, mixBatch } from '../../train/mix.ts'
export { drawChange, unchanged } from './draw.ts'
export { type Frame, pictureMap } from './geometry.ts'
export type { Homography } from './homography.ts'
export type { Augmentation, Change } from './list.ts'
export { keptOn } from './on-device.ts'
export type { AugmentationName } from './part.ts'
export {
  type AugmentationSettings,
  augmentation,
  augmentations,
  augmentationText,
  parseAugmentation,
} from './settings.ts'
