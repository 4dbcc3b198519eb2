import { generator, randn, type Tensor } from '../../torch/index.ts'
import type { EraseBox } from './draw.ts'

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
