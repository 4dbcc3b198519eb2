import { purpose, type Random, rng } from '../../base/random.ts'
import type { Augmentation } from './settings.ts'

/** What was drawn for one picture. Angles in radians; places and shares in [0, 1]. */
export interface Change {
  mirror: boolean
  quarterTurns: number
  angle: number
  zoom: number
  /** Enlargement of each axis on top of the zoom. */
  stretchX: number
  stretchY: number
  /** How far corners move, as {@link Augmentation.maxWarp} counts: the left and right edges, the upper and lower. */
  warpX: number
  warpY: number
  /** Where the crop lies in the room that it has. */
  cropX: number
  cropY: number
  /** A random resized crop; the whole picture's scale without. */
  window: CropWindow | undefined
  pad: Augmentation['pad']
  brightness: number
  gain: number
  logitShift: number
  logitGain: number
  /** Factor; 0 is grey. */
  saturation: number
  hue: number
  erase: readonly EraseBox[]
}

/** Shares of the area and ratios of width to height, of which the first that fits into the picture is taken. */
export interface CropWindow {
  tries: readonly { area: number; ratio: number }[]
  minRatio: number
  maxRatio: number
}

/** A box to be erased: sides as shares of the picture's, its place in the room that is left, a seed of its noise. */
export interface EraseBox {
  height: number
  width: number
  x: number
  y: number
  seed: number
}

/** No augmentation: the picture as it is. */
export const unchanged: Change = {
  mirror: false,
  quarterTurns: 0,
  angle: 0,
  zoom: 1,
  stretchX: 1,
  stretchY: 1,
  warpX: 0,
  warpY: 0,
  cropX: 0.5,
  cropY: 0.5,
  window: undefined,
  pad: 'reflection',
  brightness: 0,
  gain: 1,
  logitShift: 0,
  logitGain: 1,
  saturation: 1,
  hue: 0,
  erase: [],
}

/** The change of picture `index` in `epoch`: a function of these and the seed alone, whatever the batch or the order. */
export function drawChange(a: Augmentation, seed: number, epoch: number, index: number): Change {
  return draw(a, rng(seed, epoch, index, purpose.augment))
}

function draw(a: Augmentation, random: Random): Change {
  // Every number is drawn, used or not, so that a setting does not shift those behind it. New ones go to the end.
  const zoom = random.uniform()
  const zoomed = random.chance(a.pZoom)
  const angle = random.uniform(-1, 1)
  const rotated = random.chance(a.pRotate)
  const brightness = random.uniform(-a.brightness, a.brightness)
  const contrast = random.uniform(-a.contrast, a.contrast)
  const mirrored = random.uniform()
  const quarterTurns = random.integer(4)
  const [cropX, cropY] = [random.uniform(), random.uniform()]
  const placed = a.randomCrop || a.minScale < 1
  const stretch = 1 + random.uniform() * a.maxStretch
  const stretched = random.chance(a.pStretch)
  const upright = random.chance(0.5)
  const [warpX, warpY] = [drawWarp(a, random), drawWarp(a, random)]
  const light = drawLight(a, random)
  const window = drawWindow(a, random)
  const upended = random.uniform() < a.flipVertical && !a.dihedral
  return {
    mirror: mirrored < (a.dihedral ? 0.5 : a.flip) !== upended, // top and bottom: left and right, then half a turn
    quarterTurns: a.dihedral ? quarterTurns : upended ? 2 : 0,
    angle: rotated && a.maxRotate > 0 ? (angle * a.maxRotate * Math.PI) / 180 : 0,
    zoom: zoomed ? a.minZoom + zoom * (a.maxZoom - a.minZoom) : 1,
    stretchX: stretched && !upright ? stretch : 1,
    stretchY: stretched && upright ? stretch : 1,
    warpX,
    warpY,
    cropX: placed ? cropX : 0.5,
    cropY: placed ? cropY : 0.5,
    window,
    pad: a.pad,
    brightness: a.brightness > 0 ? brightness : 0,
    gain: contrast >= 0 ? 1 + contrast : 1 / (1 - contrast),
    ...light,
    erase: drawErase(a, random),
  }
}

function drawWarp({ maxWarp, pWarp }: Augmentation, random: Random): number {
  const [warp, warped] = [random.uniform(-1, 1), random.chance(pWarp)]
  return warped && maxWarp > 0 ? warp * maxWarp : 0
}

/** As fastai's Brightness, Contrast, Saturation: even in the probability, and in the logarithm of the factor. */
function drawLight(a: Augmentation, random: Random) {
  const numbers = Array.from({ length: 4 }, () => ({ u: random.uniform(-1, 1), on: random.chance(a.pLighting) }))
  const [shift, gain, saturation, hue] = numbers as [Drawn, Drawn, Drawn, Drawn]
  const grey = random.chance(a.grey)
  const p = (1 + shift.u * a.maxLighting) / 2
  return {
    logitShift: shift.on && a.maxLighting > 0 ? Math.log(p / (1 - p)) : 0,
    logitGain: gain.on ? Math.exp(-gain.u * Math.log(1 - a.maxLighting)) : 1,
    saturation: grey ? 0 : saturation.on ? Math.exp(-saturation.u * Math.log(1 - a.saturation)) : 1,
    hue: hue.on && a.hue > 0 ? 2 * Math.PI * hue.u * a.hue : 0,
  }
}
interface Drawn {
  u: number
  on: boolean
}

/** How often a random resized crop is drawn until it fits, as fastai and torchvision do. */
const cropTries = 10

function drawWindow({ minScale, minRatio, maxRatio }: Augmentation, random: Random): CropWindow | undefined {
  const tries = Array.from({ length: cropTries }, () => ({
    area: random.uniform(minScale, 1),
    ratio: Math.exp(random.uniform(Math.log(minRatio), Math.log(maxRatio))),
  }))
  return minScale < 1 ? { tries, minRatio, maxRatio } : undefined
}

/** As fastai's RandomErasing: each of `count` boxes has a share of the area divided by `count`. */
function drawErase(a: Augmentation, random: Random): EraseBox[] {
  const erased = random.chance(a.erase)
  const count = 1 + random.integer(a.eraseCount)
  if (!erased) return [] // the last to be drawn
  return Array.from({ length: count }, () => {
    const area = random.uniform(a.eraseMin, a.eraseMax) / count
    const aspect = Math.exp(random.uniform(Math.log(a.eraseAspect), -Math.log(a.eraseAspect)))
    return {
      height: Math.sqrt(area * aspect),
      width: Math.sqrt(area / aspect),
      x: random.uniform(),
      y: random.uniform(),
      seed: random.integer(2 ** 32),
    }
  })
}
