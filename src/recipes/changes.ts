import { type Augmentation, augmentationText } from '../data/augment.ts'
import type { Context, Narrator } from './context.ts'
import type { Prepared } from './prepare.ts'
import { chooseAugmentation, senseTable } from './sense.ts'

/** Which changes make sense for these pictures, measured; the table that it was decided from is told. */
export async function senseAugmentation(
  { session, progress, signal }: Omit<Context, 'session'> & { session: Narrator },
  {
    fixed,
    net,
    pictures,
    preprocessing,
    precision,
    seed,
  }: Pick<Prepared, 'net' | 'pictures' | 'preprocessing' | 'precision' | 'seed'> & { fixed: boolean },
): Promise<Augmentation> {
  const { data } = pictures
  const sense = await session.once('sense', () =>
    chooseAugmentation({
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
      progress: (done, total) => progress('augmentation', done, total),
    }),
  )
  for (const text of senseTable(sense.rows)) session.emit({ type: 'line', text })
  session.choice('augment', augmentationText(sense.augmentation), sense.reason)
  return sense.augmentation
}
