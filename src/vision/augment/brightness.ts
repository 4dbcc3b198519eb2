import { type Part, share } from './part.ts'

/** Settings of {@link brightness}. */
export interface BrightnessSettings {
  /** Add up to ±`brightness`, of a range of 1. */
  brightness: number
}
/** Lighter or darker by a sum (fastai 0.7's RandomLighting). */
export const brightness: Part<BrightnessSettings, { brightness: number }> = {
  settings: { brightness: share(0, { 'side-on': 0.05, 'top-down': 0.05, medical: 0.05 }) },
  unchanged: { brightness: 0 },
  draw({ brightness }, random) {
    const drawn = random.uniform(-brightness, brightness)
    return { brightness: brightness > 0 ? drawn : 0 }
  },
  light: ({ brightness }) => (brightness === 0 ? undefined : { gain: 1, add: brightness, mean: 0 }),
}
