import type { DomainContext, Ready } from '../../domain/index.ts'
import type { ImageModel } from '../../models/index.ts'
import { computeBy } from '../../train/measure-kernels.ts'
import { augmentationText } from '../augment/index.ts'
import type { Pictures } from '../dataset.ts'
import type { Preprocessing } from '../inference/saved.ts'
import { chooseAugmentation, type Sense, senseTable } from './auto-augment.ts'

/** Measures which augmentations make sense for these pictures; the log shows the table of measurements. */
export async function senseAugmentation(
  { narrator, progress, signal }: Pick<DomainContext<object>, 'narrator' | 'progress' | 'signal'>,
  {
    fixed,
    pictures,
    preprocessing,
    ready: { net, precision, by, seed },
  }: {
    /** The net takes only one size. */
    fixed: boolean
    pictures: Pictures
    preprocessing: Preprocessing
    ready: Ready<ImageModel>
  },
): Promise<Sense> {
  const { data } = pictures
  const sense = await narrator.once('sense', () => {
    const done = computeBy(by.frozen)
    return chooseAugmentation({
      network: net,
      ...(fixed ? { size: preprocessing.size } : {}),
      items: data.of('train'),
      picture: n => pictures.picture(n),
      preprocessing,
      task: data.task,
      classes: data.classes,
      seed,
      precision,
      signal,
      progress: (seen, total) => progress('augmentation', seen, total),
    }).finally(done)
  })
  for (const text of senseTable(sense.rows)) narrator.emit({ type: 'line', text })
  narrator.choice('augment', augmentationText(sense.augmentation), sense.reason)
  return sense
}
