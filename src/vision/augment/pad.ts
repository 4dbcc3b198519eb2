import { oneOf, type Part } from './part.ts'

/** What lies beyond a picture's edge. */
export type Pad = 'reflection' | 'border' | 'zeros'
/** Settings of {@link pad}. */
export interface PadSettings {
  /** What lies beyond the picture's edge: its mirror image, its last pixel, or 0. */
  pad: Pad
}
/** What geometry shows beyond the edge; nothing is drawn. */
export const pad: Part<PadSettings, { pad: Pad }> = {
  settings: { pad: oneOf<Pad>(['reflection', 'border', 'zeros'], 'reflection') },
  unchanged: { pad: 'reflection' },
  draw: ({ pad }) => ({ pad }),
}
