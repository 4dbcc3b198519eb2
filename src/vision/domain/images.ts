import type { FolderIndex } from '../../data/index.ts'
import type { Place } from '../../data/types.ts'
import type { Domain } from '../../domain/index.ts'
import type { ImageModel, NetworkFunction } from '../../models/index.ts'
import { pictureBatch } from '../batch.ts'
import { pictureFiles } from '../decode/formats.ts'
import { loadPicture } from '../decode/load-picture.ts'
import { chanceOf, distanceFromImageNet, judgeLikeness } from '../imagenet-distance.ts'
import { isPreprocessing, networkOf, type Preprocessing } from '../inference/saved.ts'
import { openImagesForEvaluation } from './evaluation.ts'
import { openImages } from './open.ts'
import { openIndex } from './open-pictures.ts'
import type { EvaluateImagesOptions, ImageOptions } from './options.ts'

/** Pictures: folders of them, or tables that name their files. */
export const images: Domain<ImageOptions, ImageModel, Preprocessing, string | Place, EvaluateImagesOptions> = {
  name: 'images',
  overRanks: true,
  words: { ...pictureFiles.noun, size: size => `${size} px` },
  // By bench/accuracy.ts; docs/speed.md has the figures of quick and good.
  brings: {
    quick: '3.5 points less than good on average over 14 sets of pictures',
    good: '3.5 points more than quick on average over 14 sets of pictures',
    best: 'no more than good on three small sets, and not measured on others',
  },
  expected: path => `a folder with one folder of pictures for each class, such as ${path}/cat and ${path}/dog`,
  index: openIndex,
  open: (index, context) => openImages(index as FolderIndex, context),
  build: networkOf,
  isPreprocessing,
  openForEvaluation: openImagesForEvaluation,
  async batch(places, preprocessing, { device }) {
    const pictures = await Promise.all(places.map(place => loadPicture(place, preprocessing)))
    const how = { ...preprocessing, normalization: preprocessing, ...(device ? { device } : {}) }
    return pictureBatch(pictures, undefined, how)
  },
  async likeness({ net, train, valid, objective, score, signal }) {
    const distance = await distanceFromImageNet(net, train, { signal })
    return judgeLikeness(distance, { score }, chanceOf(objective, valid.targets))
  },
}

/** The domain of pictures with a user's own network instead of a named model. */
export const imagesFor = (own: NetworkFunction): typeof images => ({
  ...images,
  open: (index, context) => openImages(index as FolderIndex, context, own),
})
