import { generator, randn, type Tensor } from '../../torch/index.ts'
import { type Part, share, wholeWithin, within } from './part.ts'

/** Settings of {@link erasing}. */
export interface EraseSettings {
  /** Replace up to `eraseCount` boxes by noise, with probability `erase`: all together a share in [`eraseMin`,
   *  `eraseMax`] of the area, sides in a ratio in [`eraseAspect`, 1 / `eraseAspect`] (Zhong 2017, arXiv:1708.04896). */
  erase: number
  eraseMin: number
  eraseMax: number
  eraseAspect: number
  eraseCount: number
}
/** A box to be erased: sides as shares of the picture's, its place in the room that is left, a seed of its noise. */
export interface EraseBox {
  height: number
  width: number
  x: number
  y: number
  seed: number
}
/** Boxes of noise (fastai 2.8's RandomErasing): each of `count` boxes has a share of the area divided by `count`. `erase` below
 *  writes them into the normalised picture. */
export const erasing: Part<EraseSettings, { erase: readonly EraseBox[] }> = {
  settings: {
    erase: share(0),
    eraseMin: share(0),
    eraseMax: share(0.3),
    eraseAspect: within(0.05, 1, 0.3),
    eraseCount: wholeWithin(1, 100, 1),
  },
  ordered: [['eraseMin', 'eraseMax']],
  unchanged: { erase: [] },
  draw(a, random) {
    const erased = random.chance(a.erase)
    const count = 1 + random.integer(a.eraseCount)
    if (!erased) return {} // the last to be drawn
    return {
      erase: Array.from({ length: count }, () => {
        const area = random.uniform(a.eraseMin, a.eraseMax) / count
        const aspect = Math.exp(random.uniform(Math.log(a.eraseAspect), -Math.log(a.eraseAspect)))
        return {
          height: Math.sqrt(area * aspect),
          width: Math.sqrt(area / aspect),
          x: random.uniform(),
          y: random.uniform(),
          seed: random.integer(2 ** 32),
        }
      }),
    }
  },
}

/** Fills boxes of one normalised picture x: [H, W, C] with Gaussian noise, in place: what normalised pixels look like
 *  on average (fastai's cutout_gaussian). The noise of a box is a function of its seed. */
export function erase(x: Tensor, boxes: readonly EraseBox[]): void {
  const [height, width, channels] = x.shape as [number, number, number]
  for (const box of boxes) {
    const { top, left, h, w } = boxPixels(box, { height, width })
    if (h === 0 || w === 0) continue
    const noise = randn([h, w, channels], { generator: generator(box.seed) })
    x.narrow(0, top, h).narrow(1, left, w).copy_(noise)
  }
}

/** Where a box lies, in pixels; one that is longer than the picture is cut to it. */
export function boxPixels(box: EraseBox, { height, width }: { height: number; width: number }) {
  const [h, w] = [Math.min(height, Math.round(height * box.height)), Math.min(width, Math.round(width * box.width))]
  return { top: Math.floor(box.y * (height - h + 1)), left: Math.floor(box.x * (width - w + 1)), h, w }
}
