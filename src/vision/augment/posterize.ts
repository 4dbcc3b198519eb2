import { type Part, share, wholeWithin } from './part.ts'
import { curvePoints } from './tone-curve.ts'

/** Settings of {@link posterize}. */
export interface PosterizeSettings {
  /** Keep only the upper `posterizeBits` bits of each value of 8 bits, with this probability. */
  posterize: number
  posterizeBits: number
}
/** Fewer shades (torchvision's RandomPosterize). What is drawn is how many bits are kept; 8 changes nothing. */
export const posterize: Part<PosterizeSettings, { bits: number }> = {
  settings: { posterize: share(0), posterizeBits: wholeWithin(1, 8, 4) },
  unchanged: { bits: 8 },
  draw: ({ posterize, posterizeBits }, random) => ({ bits: random.chance(posterize) ? posterizeBits : 8 }),
  tone({ bits }) {
    if (bits === 8) return undefined
    const [step, points] = [2 ** (8 - bits), (curvePoints - 1) / 255] // of a byte
    return share => (Math.floor(Math.round(share * (curvePoints - 1)) / points / step) * step) / 255
  },
}
