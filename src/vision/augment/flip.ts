import { flag, type Part, share } from './part.ts'

/** Settings of {@link flip}. */
export interface FlipSettings {
  /** Mirror left and right, with this probability. */
  flip: number
  /** Any of the 8 symmetries of the square (quarter turns and mirrors), evenly. */
  dihedral: boolean
}
/** What is drawn of mirrors and quarter turns: first the mirror, then the turns. */
export interface Flipped {
  mirror: boolean
  quarterTurns: number
}
/** Mirror images and quarter turns (fastai 0.7's RandomFlip and RandomDihedral). */
export const flip: Part<FlipSettings, Flipped> = {
  settings: { flip: share(0, { 'side-on': 0.5 }), dihedral: flag({ 'top-down': true }) },
  unchanged: { mirror: false, quarterTurns: 0 },
  draw({ flip, dihedral }, random) {
    const [mirrored, quarterTurns] = [random.uniform(), random.integer(4)]
    return { mirror: mirrored < (dihedral ? 0.5 : flip), quarterTurns: dihedral ? quarterTurns : 0 }
  },
  inCrop({ mirror, quarterTurns }) {
    if (!mirror && quarterTurns === 0) return undefined
    const [cos, sin] = quarters[quarterTurns]!
    const m = mirror ? -1 : 1
    return [cos * m, -sin, 0, sin * m, cos, 0, 0, 0, 1]
  },
}
const quarters = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const
