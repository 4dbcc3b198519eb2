import type { Random } from '../../base/random.ts'
import type { Homography } from './homography.ts'
import { type Part, share, within } from './part.ts'

/** Settings of {@link perspective}. */
export interface WarpSettings {
  /** See it from another place: corners move by up to ±`maxWarp` of half the side, with probability `pWarp`. */
  maxWarp: number
  pWarp: number
}
/** What is drawn: how far the left and right edges move, and the upper and lower ones. */
export interface Warped {
  warpX: number
  warpY: number
}
/** A change of perspective (fastai 2.8's Warp). */
export const perspective: Part<WarpSettings, Warped> = {
  settings: { maxWarp: within(0, 0.35, 0), pWarp: share(0.75) },
  unchanged: { warpX: 0, warpY: 0 },
  draw: (settings, random) => ({ warpX: drawWarp(settings, random), warpY: drawWarp(settings, random) }),
  inCrop: ({ warpX, warpY }) => (warpX === 0 && warpY === 0 ? undefined : warp(warpX, warpY)),
}

function drawWarp({ maxWarp, pWarp }: WarpSettings, random: Random): number {
  const [at, on] = [random.uniform(-1, 1), random.chance(pWarp)]
  return on && maxWarp > 0 ? at * maxWarp : 0
}

/** fastai's Warp (vision/augment.py, _WarpCoord): what a crop shows at (-1 - y, -1 - x), (-1 + y, 1 + x),
 *  (1 + y, -1 + x), (1 - y, 1 - x) was at the corners (-1, -1), (-1, 1), (1, -1), (1, 1). Solved by hand: from the
 *  corners to these points leads [1 - y², -xy, x; -xy, 1 - x², y; x, y, 1], and this is its inverse. */
export function warp(x: number, y: number): Homography {
  const s = 1 - x * x - y * y
  const [g, h, b] = [(-x * (1 + y * y - x * x)) / s, (-y * (1 + x * x - y * y)) / s, (2 * x * y) / s]
  return [1, b, g, b, 1, h, g, h, 1]
}
