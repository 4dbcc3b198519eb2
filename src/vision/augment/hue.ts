import { colour } from './colour.ts'
import type { LogitLightingSettings } from './logit-lighting.ts'
import { type Part, within } from './part.ts'

/** Settings of {@link hue}. */
export interface HueSettings {
  /** Hue by up to ±`hue` of the circle, with probability `pLighting`. */
  hue: number
}
/** Other hues, by a turn about the axis of greys. What is drawn is in radians. */
export const hue: Part<HueSettings, { hue: number }, LogitLightingSettings> = {
  settings: { hue: within(0, 0.5, 0) },
  unchanged: { hue: 0 },
  draw({ hue, pLighting }, random) {
    const [at, on] = [random.uniform(-1, 1), random.chance(pLighting)]
    return { hue: on && hue > 0 ? 2 * Math.PI * at * hue : 0 }
  },
  colour: ({ hue }) => (hue === 0 ? undefined : colour(1, hue)),
}
