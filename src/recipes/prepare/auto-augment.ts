import { computeBy } from '../../train/measure-kernels.ts'
import { type Augmentation, augmentationText } from '../../vision/augment/index.ts'
import { chooseAugmentation, senseTable } from '../../vision/auto-augment/auto-augment.ts'
import type { Context, Narrator } from '../run/context.ts'
import type { Prepared } from './prepare.ts'

/** Which changes make sense for these pictures, measured; the table that it was decided from is told. */
export async function senseAugmentation(
  { session, progress, signal }: Omit<Context, 'session'> & { session: Narrator },
  {
    fixed,
    net,
    pictures,
    preprocessing,
    precision,
    by,
    seed,
  }: Pick<Prepared, 'net' | 'pictures' | 'preprocessing' | 'precision' | 'by' | 'seed'> & { fixed: boolean },
): Promise<Augmentation> {
  const { data } = pictures
  const sense = await session.once('sense', () => {
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
  for (const text of senseTable(sense.rows)) session.emit({ type: 'line', text })
  session.choice('augment', augmentationText(sense.augmentation), sense.reason)
  return sense.augmentation
}
