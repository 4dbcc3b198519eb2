import { type Part, share, within } from './part.ts'

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
    return share => {
      const p = Math.min(1 - nearest, Math.max(nearest, share))
      return 1 / (1 + Math.exp((Math.log(p / (1 - p)) + logitShift) * -logitGain))
    }
  },
}
/** How near to black and white logits go, as fastai clamps them. */
const nearest = 1e-7
