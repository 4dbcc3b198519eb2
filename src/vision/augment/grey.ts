import { type Part, share } from './part.ts'

/** Settings of {@link grey}. */
export interface GreySettings {
  /** Take the colours away, with this probability. */
  grey: number
}
/** No colours: a saturation of 0, in place of the one drawn (torchvision's RandomGrayscale). */
export const grey: Part<GreySettings, { saturation: number }> = {
  settings: { grey: share(0) },
  unchanged: { saturation: 1 },
  draw: ({ grey }, random) => (random.chance(grey) ? { saturation: 0 } : {}),
}
