import { colour } from './colour.ts'
import type { LogitLightingSettings } from './logit-lighting.ts'
import { type Part, within } from './part.ts'

/** Settings of {@link saturation}. */
export interface SaturationSettings {
  /** Saturation times up to 1 / (1 - `saturation`) or its inverse, with probability `pLighting`. */
  saturation: number
}
/** Stronger or paler colours (fastai 2.8's Saturation). What is drawn is the factor; 0 is grey. */
export const saturation: Part<SaturationSettings, { saturation: number }, LogitLightingSettings> = {
  settings: { saturation: within(0, 0.99, 0) },
  unchanged: { saturation: 1 },
  draw({ saturation, pLighting }, random) {
    const [at, on] = [random.uniform(-1, 1), random.chance(pLighting)]
    return { saturation: on ? Math.exp(-at * Math.log(1 - saturation)) : 1 }
  },
  colour: ({ saturation }) => (saturation === 1 ? undefined : colour(saturation, 0)),
}
