import { type Part, within } from './part.ts'

/** Settings of {@link resizedCrop}. */
export interface ResizedCropSettings {
  /** Below 1: a random resized crop, of a share of the picture's area in [`minScale`, 1] and with width / height in
   *  [`minRatio`, `maxRatio`] (fastai's and torchvision's RandomResizedCrop), at a random place. */
  minScale: number
  minRatio: number
  maxRatio: number
}
/** Shares of the area and ratios of width to height, of which the first that fits into the picture is taken. */
export interface CropWindow {
  tries: readonly { area: number; ratio: number }[]
  minRatio: number
  maxRatio: number
}
/** A random part of the picture fills the crop (`geometry.ts`); undefined: the whole picture's scale. */
export const resizedCrop: Part<ResizedCropSettings, { window: CropWindow | undefined }> = {
  settings: {
    minScale: within(0.001, 1, 1),
    minRatio: within(0.05, 20, 3 / 4),
    maxRatio: within(0.05, 20, 4 / 3),
  },
  ordered: [['minRatio', 'maxRatio']],
  unchanged: { window: undefined },
  draw({ minScale, minRatio, maxRatio }, random) {
    const tries = Array.from({ length: cropTries }, () => ({
      area: random.uniform(minScale, 1),
      ratio: Math.exp(random.uniform(Math.log(minRatio), Math.log(maxRatio))),
    }))
    return minScale < 1 ? { window: { tries, minRatio, maxRatio } } : {}
  },
}
/** How often a random resized crop is drawn until it fits, as fastai and torchvision do. */
const cropTries = 10

/** Pixels of a random resized crop: the first try that fits, else the whole picture cut to the nearest ratio. */
export function windowSize(
  { tries, minRatio, maxRatio }: CropWindow,
  { height, width }: { height: number; width: number },
): { width: number; height: number } {
  for (const { area, ratio } of tries) {
    const pixels = area * width * height
    const [w, h] = [Math.round(Math.sqrt(pixels * ratio)), Math.round(Math.sqrt(pixels / ratio))]
    if (w >= 1 && h >= 1 && w <= width && h <= height) return { width: w, height: h }
  }
  if (width / height < minRatio) return { width, height: Math.floor(width / minRatio) }
  if (width / height > maxRatio) return { width: Math.floor(height * maxRatio), height }
  return { width, height }
}
