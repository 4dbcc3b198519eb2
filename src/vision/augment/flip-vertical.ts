import type { Flipped, FlipSettings } from './flip.ts'
import { type Part, share } from './part.ts'

/** Settings of {@link flipVertical}. */
export interface FlipVerticalSettings {
  /** Mirror top and bottom, with this probability. */
  flipVertical: number
}
/** Top and bottom mirrored: the mirror image of left and right, turned by 180°. `dihedral` includes it. */
export const flipVertical: Part<FlipVerticalSettings, Flipped, FlipSettings> = {
  settings: { flipVertical: share(0) },
  unchanged: { mirror: false, quarterTurns: 0 },
  draw({ flipVertical, dihedral }, random, { mirror }) {
    const upended = random.uniform() < flipVertical && !dihedral
    return upended ? { mirror: !mirror, quarterTurns: 2 } : {}
  },
}
