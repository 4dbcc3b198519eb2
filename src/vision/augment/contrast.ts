import { type Part, within } from './part.ts'

/** Settings of {@link contrast}. */
export interface ContrastSettings {
  /** Stretch around the picture's mean by up to 1 + `contrast`, or its inverse. */
  contrast: number
}
/** More or less contrast: the mean of the crop stays (fastai 0.7's RandomLighting). */
export const contrast: Part<ContrastSettings, { gain: number }> = {
  settings: { contrast: within(0, 10, 0, { 'side-on': 0.05, 'top-down': 0.05, medical: 0.1 }) },
  unchanged: { gain: 1 },
  draw({ contrast }, random) {
    const drawn = random.uniform(-contrast, contrast)
    return { gain: drawn >= 0 ? 1 + drawn : 1 / (1 - drawn) }
  },
  light: ({ gain }) => (gain === 1 ? undefined : { gain, add: 0, mean: 1 - gain }),
}
