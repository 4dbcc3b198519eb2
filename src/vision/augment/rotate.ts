import { type Part, share, within } from './part.ts'

/** Settings of {@link rotate}. */
export interface RotateSettings {
  /** Turn by an angle in ±`maxRotate` degrees, with probability `pRotate`. */
  maxRotate: number
  pRotate: number
}
/** A turn by any angle (fastai 0.7's RandomRotate). `angle` is in radians. */
export const rotate: Part<RotateSettings, { angle: number }> = {
  settings: {
    maxRotate: within(0, 180, 0, { 'side-on': 10, 'top-down': 10, medical: 10 }),
    pRotate: share(0.75),
  },
  unchanged: { angle: 0 },
  draw({ maxRotate, pRotate }, random) {
    const [at, on] = [random.uniform(-1, 1), random.chance(pRotate)]
    return { angle: on && maxRotate > 0 ? (at * maxRotate * Math.PI) / 180 : 0 }
  },
  about({ angle }) {
    if (angle === 0) return undefined
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
    return [cos, -sin, sin, cos]
  },
}
