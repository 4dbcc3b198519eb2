import { augmentedSamples, interpret } from '../interpret/index.ts'
import type { Interpretation } from '../runs/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import type { Prepared } from './prepare.ts'

/** What the net makes of the validation pictures, as evaluated, and how it sees training pictures. */
export async function explain(
  { source, pictures, classes, augment, preprocessing, seed }: Prepared,
  evaluation: Evaluation,
): Promise<Interpretation> {
  const { size, short } = preprocessing
  const shown = { dir: pictures.data.dir, classes, picture: (n: number) => pictures.picture(n) }
  return {
    ...(await interpret({ items: source('valid').items, evaluation }, shown)),
    samples: await augmentedSamples(source('train').items, { ...shown, augmentation: augment, seed, size, short }),
  }
}
