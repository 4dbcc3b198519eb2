import { type Part, share, within } from './part.ts'
import { curvePoints, shares } from './tone-curve.ts'

/** Settings of {@link logitLighting}. */
export interface LogitLightingSettings {
  /** Brightness and contrast in logit space, where black and white stay what they are: the logits of the pixels are
   *  moved by up to ±logit((1 + `maxLighting`) / 2) and multiplied by up to 1 / (1 - `maxLighting`) or its inverse,
   *  each with probability `pLighting`. */
  maxLighting: number
  pLighting: number
}
/** fastai 2.8's Brightness and Contrast: even in the probability, and in the logarithm of the factor. */
export const logitLighting: Part<LogitLightingSettings, { logitShift: number; logitGain: number }> = {
  settings: { maxLighting: within(0, 0.99, 0), pLighting: share(0.75) },
  unchanged: { logitShift: 0, logitGain: 1 },
  draw({ maxLighting, pLighting }, random) {
    const [shift, shifted] = [random.uniform(-1, 1), random.chance(pLighting)]
    const [gain, gained] = [random.uniform(-1, 1), random.chance(pLighting)]
    const p = (1 + shift * maxLighting) / 2
    return {
      logitShift: shifted && maxLighting > 0 ? Math.log(p / (1 - p)) : 0,
      logitGain: gained ? Math.exp(-gain * Math.log(1 - maxLighting)) : 1,
    }
  },
  tone({ logitShift, logitGain }) {
    if (logitShift === 0 && logitGain === 1) return undefined
    return share => 1 / (1 + Math.exp((logOdds(share) + logitShift) * -logitGain))
  },
}

/** log(p / (1 - p)), no nearer to black and white than fastai goes. */
function logit(share: number): number {
  const p = Math.min(1 - nearest, Math.max(nearest, share))
  return Math.log(p / (1 - p))
}
const nearest = 1e-7
const known = shares.map(logit)
/** The same, from memory at the points of a curve. */
function logOdds(share: number): number {
  const point = (share * (curvePoints - 1) + 0.5) | 0
  return shares[point] === share ? known[point]! : logit(share)
}
