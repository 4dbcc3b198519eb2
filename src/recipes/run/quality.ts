import type { Domain, Narrator } from '../../domain/index.ts'
import type { RecipeOptions } from '../options.ts'
import type { Members } from './cross-validation.ts'

/** The nets that quality "best" averages. */
export const netsAtBest = 5

/** A level of quality: what it does, and the settings that it stands for where the options do not say otherwise. */
interface Level {
  does: string
  settings: Partial<RecipeOptions>
}

/** The levels by name. What a level brings, the domain knows. */
const levels: Record<NonNullable<RecipeOptions['quality']>, Level> = {
  quick: {
    does: 'the head alone, on features of the frozen body; seconds to a minute',
    settings: { epochs: 0, views: 1 },
  },
  good: {
    does: 'the head, then one cycle of the whole net; minutes',
    settings: {},
  },
  best: {
    does: 'nets of quality good with other seeds, averaged',
    settings: {},
  },
}

/** The options with the settings of their level of quality. Settings that are given win. */
export function atQuality<O extends RecipeOptions>(options: O): O {
  const { settings } = levels[options.quality ?? 'good']
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return { ...settings, ...given } as O
}

/** Writes into the log what the run will do. */
export function explainQuality(
  narrator: Pick<Narrator, 'choice'>,
  { quality = 'good', pretrained }: RecipeOptions,
  { brings }: Pick<Domain, 'brings'>,
  members?: Members,
): void {
  const { does } = levels[quality]
  const several = members ? `${members.count} ${does}; ${members.count} times as long as good` : does
  const usual = brings?.[quality]
  if (pretrained !== false || members)
    narrator.choice('quality', quality, usual === undefined ? several : `${several}; ${usual}`)
}
