import { AnnealError, didYouMean } from '../../base/errors.ts'

/** How training pictures may be changed. Every geometric change of a picture is one projective map, so pixels are
 *  interpolated once. Meanings are fastai's: 0.7's (transforms.py) for flip, rotation, zoom, stretch, brightness and
 *  contrast, 2.8's (vision/augment.py) for warp, crops, lighting and erasing. Each has a number of its own, drawn
 *  whether used or not: a setting does not change what the others draw. */
export interface Augmentation {
  /** Mirror left and right, with this probability. */
  flip: number
  /** Mirror top and bottom, with this probability. */
  flipVertical: number
  /** Any of the 8 symmetries of the square (quarter turns and mirrors), evenly. */
  dihedral: boolean
  /** Turn by an angle in ±`maxRotate` degrees, with probability `pRotate`. */
  maxRotate: number
  pRotate: number
  /** Enlarge by a factor in [`minZoom`, `maxZoom`], with probability `pZoom`. */
  minZoom: number
  maxZoom: number
  pZoom: number
  /** Enlarge one axis by a factor in [1, 1 + `maxStretch`], with probability `pStretch`. */
  maxStretch: number
  pStretch: number
  /** See it from another place: corners move by up to ±`maxWarp` of half the side, with probability `pWarp`. */
  maxWarp: number
  pWarp: number
  /** Random place of the crop; otherwise the centre. */
  randomCrop: boolean
  /** Below 1: a random resized crop, of a share of the picture's area in [`minScale`, 1] and with width / height in
   *  [`minRatio`, `maxRatio`] (fastai's and torchvision's RandomResizedCrop), at a random place. */
  minScale: number
  minRatio: number
  maxRatio: number
  /** What lies beyond the picture's edge: its mirror image, its last pixel, or 0. */
  pad: 'reflection' | 'border' | 'zeros'
  /** Add up to ±`brightness`, of a range of 1. */
  brightness: number
  /** Stretch around the picture's mean by up to 1 + `contrast`, or its inverse. */
  contrast: number
  /** Brightness and contrast in logit space, where black and white stay what they are: the logits of the pixels are
   *  moved by up to ±logit((1 + `maxLighting`) / 2) and multiplied by up to 1 / (1 - `maxLighting`) or its inverse,
   *  each with probability `pLighting`. */
  maxLighting: number
  pLighting: number
  /** Colour (3 channels): saturation times up to 1 / (1 - `saturation`) or its inverse, hue by up to ±`hue` of the
   *  circle, each with probability `pLighting`; `grey` is the probability of no colour. */
  saturation: number
  hue: number
  grey: number
  /** Replace up to `eraseCount` boxes by noise, with probability `erase`: all together a share in [`eraseMin`,
   *  `eraseMax`] of the area, sides in a ratio in [`eraseAspect`, 1 / `eraseAspect`] (Zhong 2017, arXiv:1708.04896). */
  erase: number
  eraseMin: number
  eraseMax: number
  eraseAspect: number
  eraseCount: number
}

const none: Augmentation = {
  flip: 0,
  flipVertical: 0,
  dihedral: false,
  maxRotate: 0,
  pRotate: 0.75,
  minZoom: 1,
  maxZoom: 1,
  pZoom: 0.75,
  maxStretch: 0,
  pStretch: 0.75,
  maxWarp: 0,
  pWarp: 0.75,
  randomCrop: false,
  minScale: 1,
  minRatio: 3 / 4,
  maxRatio: 4 / 3,
  pad: 'reflection',
  brightness: 0,
  contrast: 0,
  maxLighting: 0,
  pLighting: 0.75,
  saturation: 0,
  hue: 0,
  grey: 0,
  erase: 0,
  eraseMin: 0,
  eraseMax: 0.3,
  eraseAspect: 0.3,
  eraseCount: 1,
}
const basic: Augmentation = { ...none, maxRotate: 10, randomCrop: true, brightness: 0.05, contrast: 0.05 }

/** - `side-on`: photos as people take them, where up stays up (fastai 0.7's transforms_side_on, zoom 1.1).
 *  - `top-down`: pictures without an up: from above, of plates, of cells and tissue (its transforms_top_down, zoom 1.05).
 *  - `medical`: X-rays, scans, microscopy. What holds for all of them: bodies have a left and a right (the heart, the
 *    marker on the film), so no mirror; size is a finding (a large heart, a large nucleus), so next to no zoom; shape is
 *    one too, so no warp and no stretch; stains are read by their colour, so none of it changes; a finding may be small,
 *    so nothing is erased. What varies is how the patient lay, exposure and thickness: small turns, brightness and
 *    contrast. Cells and tissue have no up, and take `medical,dihedral`.
 *  - `none`: as validation sees them. */
export const augmentations = {
  'side-on': { ...basic, flip: 0.5, maxZoom: 1.1 },
  'top-down': { ...basic, dihedral: true, maxZoom: 1.05 },
  medical: { ...basic, maxZoom: 1.05, contrast: 0.1 },
  none,
} as const satisfies Record<string, Augmentation>
/** A preset by name. */
export type AugmentationName = keyof typeof augmentations
/** Settings one by one, over a preset (`none` unless named): `{ preset: 'side-on', maxWarp: 0.2 }`. */
export type AugmentationSettings = Partial<Augmentation> & { preset?: AugmentationName }

/** A preset by name, settings over a preset, or both as a command line has them: see {@link parseAugmentation}. */
export function augmentation(given: string | AugmentationSettings): Augmentation {
  if (typeof given === 'string') return parseAugmentation(given)
  const { preset = 'none', ...settings } = given
  const made: Augmentation = { ...presetOf(preset) }
  for (const [name, value] of Object.entries(settings))
    if (value !== undefined) Object.assign(made, { [known(name)]: checked(known(name), value) })
  for (const [least, most] of ordered)
    if (made[least] > made[most])
      throw new AnnealError(`augmentation: ${least} ${made[least]} is above ${most} ${made[most]}; expected it below.`)
  return made
}

/** A preset, then settings over it: `side-on,maxWarp=0.2,erase=0.5`, `medical,dihedral`, `max-rotate=30`. */
export function parseAugmentation(text: string): Augmentation {
  const [first = '', ...others] = text.split(',').map(part => part.trim())
  const named = Object.hasOwn(augmentations, first)
  if (!named && !first.includes('=') && !Object.hasOwn(rules, camel(first))) presetOf(first)
  const settings: Record<string, unknown> = {}
  for (const part of named ? others : [first, ...others]) {
    const [name, value] = part.split('=').map(side => side.trim()) as [string, string?]
    const key = known(camel(name))
    if (value === undefined && typeof none[key] !== 'boolean')
      throw new AnnealError(`augmentation: ${name} has no value; expected ${name}=${rules[key].expected}.`)
    settings[key] = read(value)
  }
  return augmentation({ ...settings, preset: (named ? first : 'none') as AugmentationName })
}

/** The settings in the form that {@link parseAugmentation} reads: the nearest preset, and what differs from it. */
export function augmentationText(a: Augmentation): string {
  const texts = Object.entries(augmentations).map(([name, preset]) => {
    const differing = keys.filter(key => a[key] !== (preset as Augmentation)[key])
    return [name, ...differing.map(key => (a[key] === true ? key : `${key}=${a[key]}`))].join(',')
  })
  return texts.sort((a, b) => a.split(',').length - b.split(',').length || a.length - b.length)[0]!
}

interface Rule {
  expected: string
  fits(value: unknown): boolean
}
const within = (least: number, most: number, whole = false): Rule => ({
  expected: `${whole ? 'a whole number' : 'a number'} from ${least} to ${most}`,
  fits: v => typeof v === 'number' && v >= least && v <= most && (!whole || Number.isInteger(v)),
})
const oneOf = (...values: readonly unknown[]): Rule => ({
  expected: values.join(' or '),
  fits: v => values.includes(v),
})
const share = within(0, 1)
const flag = oneOf(true, false)
const rules: Readonly<Record<keyof Augmentation, Rule>> = {
  flip: share,
  flipVertical: share,
  dihedral: flag,
  maxRotate: within(0, 180),
  pRotate: share,
  minZoom: within(0.1, 10),
  maxZoom: within(0.1, 10),
  pZoom: share,
  maxStretch: within(0, 10),
  pStretch: share,
  maxWarp: within(0, 0.35),
  pWarp: share,
  randomCrop: flag,
  minScale: within(0.001, 1),
  minRatio: within(0.05, 20),
  maxRatio: within(0.05, 20),
  pad: oneOf('reflection', 'border', 'zeros'),
  brightness: share,
  contrast: within(0, 10),
  maxLighting: within(0, 0.99),
  pLighting: share,
  saturation: within(0, 0.99),
  hue: within(0, 0.5),
  grey: share,
  erase: share,
  eraseMin: share,
  eraseMax: share,
  eraseAspect: within(0.05, 1),
  eraseCount: within(1, 100, true),
}
const ordered = [
  ['minZoom', 'maxZoom'],
  ['minRatio', 'maxRatio'],
  ['eraseMin', 'eraseMax'],
] as const
const keys = Object.keys(none) as (keyof Augmentation)[]

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
const read = (value = 'true'): unknown =>
  value === 'true'
    ? true
    : value === 'false'
      ? false
      : value === '' || Number.isNaN(Number(value))
        ? value
        : Number(value)

function presetOf(name: string): Augmentation {
  if (Object.hasOwn(augmentations, name)) return augmentations[name as AugmentationName]
  const names = Object.keys(augmentations)
  throw new AnnealError(
    `unknown augmentation "${name}"; expected ${names.join(', ')}, or settings such as side-on,maxWarp=0.2.${didYouMean(name, [...names, ...keys])}`,
  )
}

function known(name: string): keyof Augmentation {
  if (Object.hasOwn(rules, name)) return name as keyof Augmentation
  const near = didYouMean(name, [...keys, ...Object.keys(augmentations)])
  throw new AnnealError(`unknown setting "${name}" of an augmentation; expected one of ${keys.join(', ')}.${near}`)
}

function checked(name: keyof Augmentation, value: unknown): unknown {
  const { expected, fits } = rules[name]
  if (fits(value)) return value
  throw new AnnealError(`augmentation: ${name} is ${value}; expected ${expected}.`)
}
