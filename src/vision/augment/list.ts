import { brightness } from './brightness.ts'
import { contrast } from './contrast.ts'
import { crop } from './crop.ts'
import { erasing } from './erase.ts'
import { flip } from './flip.ts'
import { flipVertical } from './flip-vertical.ts'
import { grey } from './grey.ts'
import { hue } from './hue.ts'
import { logitLighting } from './logit-lighting.ts'
import { pad } from './pad.ts'
import type { Part } from './part.ts'
import { posterize } from './posterize.ts'
import { resizedCrop } from './resized-crop.ts'
import { rotate } from './rotate.ts'
import { saturation } from './saturation.ts'
import { stretch } from './stretch.ts'
import { perspective } from './warp.ts'
import { zoom } from './zoom.ts'

/** Augmentations that draw from one stream of random numbers, in this order. A run's figures rest on it: it does not change,
 *  and nothing is added. */
const together = {
  zoom,
  rotate,
  brightness,
  contrast,
  flip,
  crop,
  stretch,
  perspective,
  logitLighting,
  saturation,
  hue,
  grey,
  resizedCrop,
  flipVertical,
  pad,
  erasing,
}
/** Augmentations with a stream each, by their names here; at its defaults such a one is off. A new one goes here: its file, and a
 *  line. */
const apart = { posterize }

type Parts = typeof together & typeof apart
type SettingsOf<P> = P extends Part<infer S, infer _D, infer _R> ? S : never
type DrawnOf<P> = P extends Part<infer _S, infer D, infer _R> ? D : never
type Joined<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never

/** How training pictures may be changed. Every geometric change of a picture is one projective map, so pixels are
 *  interpolated once. Meanings are fastai's: 0.7's (transforms.py) for flip, rotation, zoom, stretch, brightness and
 *  contrast, 2.8's (vision/augment.py) for warp, crops, lighting and erasing. A setting does not change what the others
 *  draw. */
export interface Augmentation extends Joined<SettingsOf<Parts[keyof Parts]>> {}

/** What was drawn for one picture. Angles in radians; places and shares in [0, 1]. */
export interface Change extends Joined<DrawnOf<Parts[keyof Parts]>> {}

const asParts = (list: object) => Object.entries(list) as [name: string, part: Part<object, object>][]
/** Those that draw from one stream, in the order in which they draw. */
export const drawnTogether = asParts(together)
/** Those that draw from a stream of their own. */
export const drawnApart = asParts(apart)
/** All of them. Maps in the crop, light, colour and tone are applied in this order. */
export const parts: readonly Part<object, object>[] = [...drawnTogether, ...drawnApart].map(([, part]) => part)

type Kind = 'inCrop' | 'enlarge' | 'about' | 'light' | 'colour' | 'tone'
type Effect<K extends Kind> = NonNullable<ReturnType<NonNullable<Part<object, object>[K]>>>
const having = (kind: Kind) => parts.filter(part => part[kind] !== undefined)
const byKind: Record<Kind, readonly Part<object, object>[]> = {
  inCrop: having('inCrop'),
  enlarge: having('enlarge'),
  about: having('about'),
  light: having('light'),
  colour: having('colour'),
  tone: having('tone'),
}
/** What a change does of one kind: the effects of all augmentations that do something, in the list's order. */
export function effects<K extends Kind>(kind: K, c: Change): Effect<K>[] {
  const found: Effect<K>[] = []
  for (const part of byKind[kind]) {
    const effect = part[kind]!(c)
    if (effect !== undefined) found.push(effect as Effect<K>)
  }
  return found
}
/** Whether a change does something of one kind. */
export const changes = (kind: Kind, c: Change): boolean => byKind[kind].some(part => part[kind]!(c) !== undefined)
