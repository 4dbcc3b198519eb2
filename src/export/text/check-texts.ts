import type { TargetTable } from '../../data/targets.ts'
import { openTexts } from '../../text/dataset.ts'
import { texts } from '../../text/domain/texts.ts'
import type { TextIndex, TextOptions } from '../../text/types.ts'
import type { ModelCard } from '../../train/saved-model.ts'
import { runData, targetsFor } from '../run-samples.ts'

/** Texts to check an exported model on, with their labels. */
export interface CheckTexts {
  texts: readonly string[]
  targets: TargetTable
  /** Which part of the run's data they are from: training if folds leave nothing else. */
  part: 'valid' | 'train'
}

/** The most characters of the texts of a check, so that it takes a minute for long ones too, and the fewest texts. */
const [mostCharacters, fewest] = [120_000, 32]

/** The texts of a run that are still in its data. */
export interface RunTexts {
  /** The part to measure on: training texts if folds leave no others. */
  held: 'valid' | 'train'
  /** Up to `most` texts of a part, after the first `skip`: always the same ones, of all classes; of long ones fewer. */
  of(part: 'valid' | 'train', most: number, skip?: number): CheckTexts
}

/** Finds the texts of a run by their content, as its own options label them. skip: how to do without them, for errors. */
export async function runTexts(
  run: string,
  { card }: { card: ModelCard },
  { data, skip }: { data?: string | undefined; skip?: string | undefined },
): Promise<RunTexts> {
  const { place, options: stored, part: held, seen } = runData(run, 'texts', { data, skip })
  const options = stored as unknown as TextOptions
  const found = openTexts((await texts.index(place, options)) as TextIndex, options)
  return {
    held,
    of(part, most, after = 0) {
      let characters = 0
      const items = seen(found.items, ({ hash }) => hash, { part, most, after }).filter(
        ({ text }, i) => (characters += text.length) <= mostCharacters || i < fewest,
      )
      return { texts: items.map(({ text }) => text), targets: targetsFor(card, items, found.classes), part }
    },
  }
}
