import { isDeepStrictEqual } from 'node:util'
import { setting } from '../../base/options.ts'
import type { Split } from '../../data/types.ts'
import type { ChosenInputs, DomainContext, Inputs, Ready } from '../../domain/index.ts'
import type { ImageModel } from '../../models/index.ts'
import { mixedSource } from '../../train/mixed-source.ts'
import { type Augmentation, augmentations, augmentationText, keptOn } from '../augment/index.ts'
import type { Sense } from '../auto-augment/auto-augment.ts'
import { senseAugmentation } from '../auto-augment/choose-in-run.ts'
import type { Pictures } from '../dataset.ts'
import { preview } from '../decode/preview.ts'
import type { Preprocessing } from '../inference/saved.ts'
import { augmentedSamples, interpretPictures } from '../interpret/interpret-pictures.ts'
import { nearDuplicates } from '../interpret/near-duplicates.ts'
import { smallJpeg } from '../interpret/picture.ts'
import { pictureSource } from '../picture-source.ts'
import type { Item } from '../types.ts'
import { augmentationOf, type ImageOptions } from './options.ts'

/** The pictures, and the sizes that the network takes. */
export interface Sized {
  open(size: number): Promise<Pictures>
  preprocessing(size: number): Preprocessing
  /** The first size that is trained at. */
  size: number
  /** The net takes only one size. */
  fixed: boolean
}

/** Chooses the augmentation: as the options ask, measured (`auto`), or the default for photos. Then makes inputs of any
 *  size. */
export async function chooseInputs(
  sized: Sized,
  ready: Ready<ImageModel>,
  context: DomainContext<ImageOptions>,
): Promise<ChosenInputs<Preprocessing>> {
  const { options, narrator } = context
  const { size, fixed } = sized
  const first = await sized.open(size)
  const sense =
    options.augment === 'auto'
      ? await senseAugmentation(context, { fixed, pictures: first, preprocessing: sized.preprocessing(size), ready })
      : undefined
  const augment = sense?.augmentation ?? augmentationOf(options.augment ?? 'side-on')
  if (options.augment === undefined)
    narrator.choice(
      'augment',
      'side-on',
      `the default for photos; ${setting('augment', 'auto')} measures which changes fit, top-down is for images with no fixed orientation (satellite, microscopy), none disables it`,
    )
  else if (!sense) narrator.choice('augment', augmentationText(augment), 'as asked')
  return {
    augmentation: augment,
    plain: isDeepStrictEqual(augment, augmentations.none),
    at: async at =>
      inputsAt(await sized.open(at), { preprocessing: sized.preprocessing(at), augment, sense, ready, options }),
  }
}

function inputsAt(
  pictures: Pictures,
  {
    preprocessing,
    augment,
    sense,
    ready: { device, seed },
    options: { mixup, cutmix },
  }: {
    preprocessing: Preprocessing
    augment: Augmentation
    sense: Sense | undefined
    ready: Ready<ImageModel>
    options: ImageOptions
  },
): Inputs<Preprocessing> {
  const { data } = pictures
  const { task, classes, dir } = data
  const { size, short, channels, mean, std } = preprocessing
  const picture = (number: number) => pictures.picture(number)
  const seen = device === 'cpu' ? picture : keptOn(device, picture)
  const source: Inputs['source'] = (split: Split, { augmented = false, mixed = false } = {}) => {
    const items = data.of(split)
    const plain = pictureSource({
      picture: seen,
      samples: items,
      task,
      classes: classes.length,
      augmentation: augmented ? augment : undefined,
      size,
      short,
      normalization: { mean, std },
      channels,
      seed,
      ...(device === 'cpu' ? {} : { device }),
    })
    const labelled = { ...plain, items }
    const mixes = mixed && (mixup !== undefined || cutmix !== undefined)
    return mixes ? mixedSource(labelled, { mixup, cutmix, classes: classes.length, task, seed }) : labelled
  }
  return {
    preprocessing,
    source,
    show: item => smallJpeg(picture((item as Item).picture)),
    nearlySame(features, items, { signal }) {
      const at = (i: number) => preview(picture((items[i] as Item).picture))
      // The hashes of two pictures that only look alike rarely agree; those of copies nearly always do.
      return nearDuplicates(features, items.length, { threshold: 0.4, picture: at, signal })
    },
    async interpret(trained, evaluation, found) {
      const how = { classes, picture, augmentation: augment, size, short, seed }
      return {
        samples: await augmentedSamples(data.of('train'), how),
        ...(await interpretPictures(trained, evaluation, found, { dir, preprocessing, valid: source('valid') })),
        ...(sense ? { augmentAuto: trialsOf(sense) } : {}),
      }
    },
  }
}

const trialsOf = ({ rows }: Sense) =>
  rows.map(({ change, changed, drop, chosen }) => ({ change, accuracy: changed, drop, chosen }))
