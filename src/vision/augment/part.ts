import type { Random } from '../../base/random.ts'
import type { Homography } from './homography.ts'

/** Presets by name; what each is for stands in `settings.ts`. */
export type AugmentationName = 'side-on' | 'top-down' | 'medical' | 'none'

/** One number, word or flag of an augmentation: what it may be, its default, and what it is in a preset where that differs. */
export interface Setting<V> {
  expected: string
  fits(value: unknown): boolean
  value: V
  presets: Partial<Record<AugmentationName, V>>
}

/** Brightness and contrast: every channel becomes gain · x + add + mean · (the mean of the crop). `add` is a share of the range
 *  from black to white. */
export interface Light {
  gain: number
  add: number
  mean: number
}
/** A colour matrix, row-major: what red, green and blue become of red, green and blue. */
export type ColourMatrix = readonly number[]
/** A linear map about a point, row-major: [a, b, d, e] takes (x, y) to (a·x + b·y, d·x + e·y). */
export type Linear = readonly [number, number, number, number]

/** One augmentation. `S`: its settings; `D`: what is drawn for a picture; `Read`: settings of others that it reads too.
 *
 *  What it does to a picture is one or more of the six functions at the end. Each returns undefined where nothing changes. */
export interface Part<S extends object, D extends object, Read = unknown> {
  settings: { [K in keyof S]: Setting<S[K]> }
  /** Pairs of settings, the first of which may not be above the second. */
  ordered?: readonly (readonly [keyof S & string, keyof S & string])[]
  /** What is drawn where it is off. */
  unchanged: D
  /** What one picture gets. Draw every random number whether it is used or not, so that no setting shifts the others' numbers.
   *  `drawn` is what the augmentations before it in the list drew; what is returned replaces it. */
  draw(settings: S & Read, random: Random, drawn: D): Partial<D>

  /** Geometry, on coordinates of the crop in [-1, 1]²: from a place in the crop to the place that it shows. */
  inCrop?(drawn: D): Homography | undefined
  /** Geometry: how much larger each axis gets. */
  enlarge?(drawn: D): { x: number; y: number } | undefined
  /** Geometry, in pixels about the picture's centre (of a random resized crop, about the crop's): from the view to the picture. */
  about?(drawn: D): Linear | undefined
  /** Light, any number of channels: applied first. */
  light?(drawn: D): Light | undefined
  /** Colour, of three channels alone: applied after all light. */
  colour?(drawn: D): ColourMatrix | undefined
  /** A tone curve of shares from black (0) to white (1), the same for every channel: applied last. */
  tone?(drawn: D): ((share: number) => number) | undefined
}

type Presets<V> = Partial<Record<AugmentationName, V>>
/** A number from `least` to `most`. */
export const within = (least: number, most: number, value: number, presets: Presets<number> = {}): Setting<number> => ({
  expected: `a number from ${least} to ${most}`,
  fits: v => typeof v === 'number' && v >= least && v <= most,
  value,
  presets,
})
/** A whole number from `least` to `most`. */
export const wholeWithin = (least: number, most: number, value: number): Setting<number> => ({
  expected: `a whole number from ${least} to ${most}`,
  fits: v => Number.isInteger(v) && (v as number) >= least && (v as number) <= most,
  value,
  presets: {},
})
/** A probability or a share, from 0 to 1. */
export const share = (value: number, presets?: Presets<number>): Setting<number> => within(0, 1, value, presets)
/** One of some words. */
export const oneOf = <V>(values: readonly V[], value: V, presets: Presets<V> = {}): Setting<V> => ({
  expected: values.join(' or '),
  fits: v => values.includes(v as V),
  value,
  presets,
})
/** true or false. */
export const flag = (presets?: Presets<boolean>): Setting<boolean> => oneOf<boolean>([true, false], false, presets)
