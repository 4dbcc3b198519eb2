import type { Narrator } from '../../domain/index.ts'
import type { RecipeOptions } from '../options.ts'

/** A level of quality: what it does, and the settings that it stands for where the options do not say otherwise. */
interface Level {
  does: string
  /** What it usually brings, by `bench/accuracy.ts`. */
  brings: string
  settings: Partial<RecipeOptions>
}

/** The levels by name. `bench/accuracy.ts` measures what a level brings; docs/speed.md has the figures of quick and good. */
const levels: Record<NonNullable<RecipeOptions['quality']>, Level> = {
  quick: {
    does: 'the head alone, on features of the frozen body; seconds to a minute',
    brings: '3.5 points less than good on average over 14 sets',
    settings: { epochs: 0, views: 1 },
  },
  good: {
    does: 'the head, then one cycle of the whole net; minutes',
    brings: '3.5 points more than quick on average over 14 sets',
    settings: {},
  },
  best: {
    does: 'the head, then cycles of the whole net, each twice as long as the one before, as long as they pay; several times as long as good',
    brings: 'what it brings is not measured yet',
    settings: { cycleMult: 2, swa: true },
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
): void {
  if (pretrained !== false) narrator.choice('quality', quality, `${levels[quality].does}; ${levels[quality].brings}`)
}
