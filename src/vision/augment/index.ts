/** How training pictures are changed: settings and presets, what is drawn for one picture, and what becomes of its
 *  pixels. `batch.ts` puts it together; `augment/mix.ts` mixes pictures of a batch. */
export { type Change, drawChange, unchanged } from './draw.ts'
export { type Frame, type Homography, pictureMap } from './geometry.ts'
export { type Mixed, type MixOptions, mixBatch } from './mix.ts'
export { keptOn } from './on-device.ts'
export {
  type Augmentation,
  type AugmentationName,
  type AugmentationSettings,
  augmentation,
  augmentations,
  augmentationText,
  parseAugmentation,
} from './settings.ts'
