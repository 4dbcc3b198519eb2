import { flag, type Part } from './part.ts'
import type { ResizedCropSettings } from './resized-crop.ts'

/** Settings of {@link crop}. */
export interface CropSettings {
  /** Random place of the crop; otherwise the centre. */
  randomCrop: boolean
}
/** Where the crop lies in the room that it has: shares of it from the left and from the top (`geometry.ts` places it). */
export const crop: Part<CropSettings, { cropX: number; cropY: number }, ResizedCropSettings> = {
  settings: { randomCrop: flag({ 'side-on': true, 'top-down': true, medical: true }) },
  unchanged: { cropX: 0.5, cropY: 0.5 },
  draw({ randomCrop, minScale }, random) {
    const [cropX, cropY] = [random.uniform(), random.uniform()]
    return randomCrop || minScale < 1 ? { cropX, cropY } : {}
  },
}
