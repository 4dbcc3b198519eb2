import { AnnealError, didYouMean } from '../base/errors.ts'
import { purpose, type Random, rng } from '../base/random.ts'

/** How training pictures may be changed. Every geometric change of a picture is one affine map, so pixels are
 *  interpolated once. Strengths and meanings are fastai 0.7's (transforms.py). */
export interface Augmentation {
  /** Mirror left and right, with this probability. */
  flip: number
  /** Any of the 8 symmetries of the square (quarter turns and mirrors), evenly. */
  dihedral: boolean
  /** Turn by an angle in ±`maxRotate` degrees, with probability `pRotate`; what comes into view is reflected. */
  maxRotate: number
  pRotate: number
  /** Enlarge by a factor in [1, `maxZoom`], with probability `pZoom`. */
  maxZoom: number
  pZoom: number
  /** Random place of the crop; otherwise the centre. */
  randomCrop: boolean
  /** Add up to ±`brightness`, of a range of 1. */
  brightness: number
  /** Stretch around the picture's mean by up to 1 + `contrast`, or its inverse. */
  contrast: number
}

const none: Augmentation = {
  flip: 0,
  dihedral: false,
  maxRotate: 0,
  pRotate: 0,
  maxZoom: 1,
  pZoom: 0,
  randomCrop: false,
  brightness: 0,
  contrast: 0,
}
const basic: Augmentation = {
  ...none,
  maxRotate: 10,
  pRotate: 0.75,
  pZoom: 0.75,
  randomCrop: true,
  brightness: 0.05,
  contrast: 0.05,
}

/** `side-on`: photos as people take them, where up stays up. `top-down`: satellite pictures, microscopy, plates. */
export const augmentations = {
  'side-on': { ...basic, flip: 0.5, maxZoom: 1.1 },
  'top-down': { ...basic, dihedral: true, maxZoom: 1.05 },
  none,
} as const satisfies Record<string, Augmentation>
/** A preset by name. */
export type AugmentationName = keyof typeof augmentations

/** A preset by name, or its settings one by one over `none`. */
export function augmentation(given: string | Partial<Augmentation>): Augmentation {
  if (typeof given !== 'string') return { ...none, ...given }
  const found = (augmentations as Record<string, Augmentation>)[given]
  if (!found)
    throw new AnnealError(
      `unknown augmentation "${given}"; expected ${Object.keys(augmentations).join(', ')}.${didYouMean(given, Object.keys(augmentations))}`,
    )
  return found
}

/** What was drawn for one picture. Angles in radians; `cropX`, `cropY` in [0, 1] of the room that the crop has. */
export interface Change {
  mirror: boolean
  quarterTurns: number
  angle: number
  zoom: number
  cropX: number
  cropY: number
  brightness: number
  gain: number
}

/** No augmentation: the picture as it is. */
export const unchanged: Change = {
  mirror: false,
  quarterTurns: 0,
  angle: 0,
  zoom: 1,
  cropX: 0.5,
  cropY: 0.5,
  brightness: 0,
  gain: 1,
}

/** The change of picture `index` in `epoch`: a function of these and the seed alone, whatever the batch or the order. */
export function drawChange(a: Augmentation, seed: number, epoch: number, index: number): Change {
  return draw(a, rng(seed, epoch, index, purpose.augment))
}

function draw(a: Augmentation, random: Random): Change {
  // Every number is drawn, used or not, so that a setting does not shift those behind it.
  const zoom = random.uniform()
  const zoomed = random.chance(a.pZoom)
  const angle = random.uniform(-1, 1)
  const rotated = random.chance(a.pRotate)
  const brightness = random.uniform(-a.brightness, a.brightness)
  const contrast = random.uniform(-a.contrast, a.contrast)
  const mirrored = random.uniform()
  const quarterTurns = random.integer(4)
  const [cropX, cropY] = [random.uniform(), random.uniform()]
  return {
    mirror: mirrored < (a.dihedral ? 0.5 : a.flip),
    quarterTurns: a.dihedral ? quarterTurns : 0,
    angle: rotated ? (angle * a.maxRotate * Math.PI) / 180 : 0,
    zoom: zoomed ? 1 + zoom * (a.maxZoom - 1) : 1,
    cropX: a.randomCrop ? cropX : 0.5,
    cropY: a.randomCrop ? cropY : 0.5,
    brightness,
    gain: contrast >= 0 ? 1 + contrast : 1 / (1 - contrast),
  }
}

/** A 2×3 matrix, row-major: [a, b, c, d, e, f] maps (x, y) to (a·x + b·y + c, d·x + e·y + f). */
export type Affine = readonly [number, number, number, number, number, number]

const compose = (m: Affine, n: Affine): Affine => [
  m[0] * n[0] + m[1] * n[3],
  m[0] * n[1] + m[1] * n[4],
  m[0] * n[2] + m[1] * n[5] + m[2],
  m[3] * n[0] + m[4] * n[3],
  m[3] * n[1] + m[4] * n[4],
  m[3] * n[2] + m[4] * n[5] + m[5],
]

/** The map from the normalised coordinates of a `size`×`size` crop to those of its source picture (`height`×`width`
 *  pixels), as grid_sample wants it (align_corners false). `scale` is the size that one source pixel gets before any
 *  zoom: 1 where the source is stored at the size that validation sees. */
export function affine(
  c: Change,
  { height, width, size, scale = 1 }: { height: number; width: number; size: number; scale?: number },
): Affine {
  const s = scale * c.zoom
  const [w, h] = [width * s, height * s]
  // From the crop's pixels into the enlarged picture, turned about its centre, and back to source pixels.
  const offset = (room: number, share: number) => (room > 0 ? room * share : room / 2)
  const placed: Affine = [1, 0, offset(w - size, c.cropX), 0, 1, offset(h - size, c.cropY)]
  const [cos, sin] = [Math.cos(c.angle), Math.sin(c.angle)]
  const turned: Affine = [
    cos,
    -sin,
    w / 2 - (cos * w) / 2 + (sin * h) / 2,
    sin,
    cos,
    h / 2 - (sin * w) / 2 - (cos * h) / 2,
  ]
  const source: Affine = [1 / s, 0, 0, 0, 1 / s, 0]
  // Mirror and quarter turns act on the square crop itself.
  const [qc, qs] = [
    [1, 0],
    [0, 1],
    [-1, 0],
    [0, -1],
  ][c.quarterTurns] as [number, number]
  const m = c.mirror ? -1 : 1
  const square: Affine = [
    qc * m,
    -qs,
    (size - qc * m * size + qs * size) / 2,
    qs * m,
    qc,
    (size - qs * m * size - qc * size) / 2,
  ]
  const pixels = compose(source, compose(turned, compose(placed, square)))
  const fromNormal: Affine = [size / 2, 0, size / 2, 0, size / 2, size / 2]
  const toNormal: Affine = [2 / width, 0, -1, 0, 2 / height, -1]
  return compose(toNormal, compose(pixels, fromNormal))
}
