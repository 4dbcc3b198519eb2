import { model } from '../../models/registry.ts'
import { augmentation } from '../../vision/augment/index.ts'
import type { AugmentationSettings } from '../../vision/augment/settings.ts'
import { pictureFiles } from '../../vision/decode/formats.ts'
import { pictureOptions } from '../../vision/options.ts'
import type { DataKind } from './kind.ts'

/** Pictures. */
export const pictures: DataKind = {
  name: 'images',
  files: pictureFiles,
  options: pictureOptions,
  check({ model: name, augment }) {
    if (typeof name === 'string' && name !== 'auto') model(name)
    if (augment !== undefined && augment !== 'auto') augmentation(augment as AugmentationSettings)
  },
  domain: async () => (await import('../../vision/domain/images.ts')).images,
  async predictor(run, { precision }) {
    const { loadClassifier } = await import('../../vision/inference/classifier.ts')
    const { listPictures } = await import('../../vision/decode/load-picture.ts')
    const classifier = loadClassifier(run, { worker: false, ...(precision ? { precision } : {}) })
    return {
      classes: classifier.classes,
      get precision() {
        return classifier.precision
      },
      text: (value, target) => classifier.text(value, target),
      list(paths) {
        const { pictures: found, problems } = listPictures(paths, { bands: classifier.preprocessing.bands })
        return { count: found.length, problems, predict: ({ onError }) => classifier.predictAll(found, { onError }) }
      },
    }
  },
}
