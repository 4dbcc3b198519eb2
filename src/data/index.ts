/** Folders of pictures: indexed, scanned, split, decoded once into a file that is mapped. */
export { type Augmentation, type AugmentationName, augmentation, augmentations } from './augment.ts'
export type { CacheOptions } from './cache.ts'
export type { FolderIndex } from './folder.ts'
export type { FolderOptions, LabelOptions } from './options.ts'
export { type ImageData, imageFolder, openPictures, type Pictures } from './scan.ts'
export { listPictures, loadPicture } from './single.ts'
export type { Choice, ClassCount, Item, Picture, Pixels, Place, Problem, ProblemKind, Split, Task } from './types.ts'
