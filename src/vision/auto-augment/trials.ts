import { purpose, type Random, rng } from '../../base/random.ts'
import { type Change, unchanged } from '../augment/index.ts'

/** A change to try. */
export interface Trial {
  id: TrialId
  /** The change in words, for the table. */
  change: string
  /** A symmetry of the square: it only moves pixels, so pictures without an up, or without a left and right, look the
   *  same after it. All others are changes by degrees, which a net can always see. */
  symmetry: boolean
  /** The usual strength (fastai's defaults): kept if the measurement is unclear. Stronger changes are then left out. */
  usual?: boolean
  /** For pictures of three channels only. */
  colour?: boolean
  draw(random: Random): Partial<Change>
}
/** The names of the trials. */
export type TrialId =
  | 'mirrored'
  | 'vertical'
  | 'half'
  | 'quarter'
  | 'rotate10'
  | 'rotate20'
  | 'zoom1.1'
  | 'zoom1.3'
  | 'crop'
  | 'lighting'
  | 'colour'
  | 'grey'
  | 'warp'

const sign = (random: Random) => (random.chance(0.5) ? 1 : -1)
const turned = (degrees: number) => (random: Random) => ({ angle: (sign(random) * degrees * Math.PI) / 180 })

/** The share of a picture that a crop keeps, the strength of lighting and warp, and the range of colours. They are
 *  tried at these strengths, which are also the limits in training. */
export const strengths = { crop: 0.6, lighting: 0.2, warp: 0.2, saturation: 0.3, hue: 0.05 } as const

/** All changes to try, each at its full strength. */
export const trials: readonly Trial[] = [
  { id: 'mirrored', change: 'left and right swapped', symmetry: true, draw: () => ({ mirror: true }) },
  { id: 'vertical', change: 'top and bottom swapped', symmetry: true, draw: () => ({ mirror: true, quarterTurns: 2 }) },
  { id: 'half', change: 'upside down (180°)', symmetry: true, draw: () => ({ quarterTurns: 2 }) },
  {
    id: 'quarter',
    change: 'on its side (90°, 270°)',
    symmetry: true,
    draw: random => ({ quarterTurns: 2 + sign(random) }),
  },
  { id: 'rotate10', change: 'turned by ±10°', symmetry: false, usual: true, draw: turned(10) },
  { id: 'rotate20', change: 'turned by ±20°', symmetry: false, draw: turned(20) },
  { id: 'zoom1.1', change: 'enlarged 1.1 times', symmetry: false, usual: true, draw: () => ({ zoom: 1.1 }) },
  { id: 'zoom1.3', change: 'enlarged 1.3 times', symmetry: false, draw: () => ({ zoom: 1.3 }) },
  { id: 'crop', change: `cropped to ${100 * strengths.crop} %`, symmetry: false, draw: crop },
  { id: 'lighting', change: 'lighter, darker, contrast', symmetry: false, usual: true, draw: lighting },
  { id: 'colour', change: 'other colours', symmetry: false, colour: true, draw: colours },
  { id: 'grey', change: 'grey', symmetry: false, colour: true, draw: () => ({ saturation: 0 }) },
  {
    id: 'warp',
    change: 'seen at an angle (warp ±0.2)',
    symmetry: false,
    usual: true,
    draw: random => ({ warpX: sign(random) * strengths.warp, warpY: sign(random) * strengths.warp }),
  },
]

function crop(random: Random): Partial<Change> {
  const ratio = Math.exp(random.uniform(Math.log(3 / 4), Math.log(4 / 3)))
  return {
    window: { tries: [{ area: strengths.crop, ratio }], minRatio: 3 / 4, maxRatio: 4 / 3 },
    cropX: random.uniform(),
    cropY: random.uniform(),
  }
}

function lighting(random: Random): Partial<Change> {
  const p = (1 + sign(random) * strengths.lighting) / 2
  return { logitShift: Math.log(p / (1 - p)), logitGain: (1 - strengths.lighting) ** sign(random) }
}

function colours(random: Random): Partial<Change> {
  return {
    saturation: (1 - strengths.saturation) ** sign(random),
    hue: 2 * Math.PI * sign(random) * strengths.hue,
  }
}

/** The change of picture `index` in trial `number`; it depends only on these and the seed. */
export const trialChange = (trial: Trial, seed: number, number: number, index: number): Change => ({
  ...unchanged,
  ...trial.draw(rng(seed, number, index, purpose.sense)),
})
