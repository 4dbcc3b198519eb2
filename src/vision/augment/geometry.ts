import { about, affine, chain, type Homography } from './homography.ts'
import { type Change, changes, effects } from './list.ts'
import { windowSize } from './resized-crop.ts'

/** A picture of `height`×`width` pixels and the side of the crop that is made of it. */
export interface Frame {
  height: number
  width: number
  size: number
  /** The size that one source pixel gets before any zoom: 1 where the source is stored at the size that validation sees. */
  scale?: number
}

/** Whether a change moves nothing but whole pixels, of a picture at its own scale. */
export function isPlain(c: Change, { height, width, size, scale = 1 }: Frame): boolean {
  if (scale !== 1 || c.window !== undefined || height < size || width < size) return false
  return !changes('inCrop', c) && !changes('enlarge', c) && !changes('about', c)
}

/** The map from the normalised coordinates of a `size`×`size` crop to those of its source picture, as grid_sample wants
 *  it (align_corners false). From the crop outwards: what augmentations do in the crop (mirrors, quarter turns, warp), the place
 *  of the crop in the enlarged picture, linear maps about its centre (about the crop's, of a random resized crop), back to
 *  source pixels. */
export function pictureMap(c: Change, frame: Frame): Homography {
  const { height, width, size } = frame
  const { x: sx, y: sy } = enlargement(c, frame)
  const [w, h] = [width * sx, height * sy]
  const offset = (room: number, share: number) => (room > 0 ? room * share : room / 2)
  const [left, top] = [offset(w - size, c.cropX), offset(h - size, c.cropY)]
  const [x, y] = c.window ? [left + size / 2, top + size / 2] : [w / 2, h / 2]
  const half = size / 2
  return chain(
    affine(2 / (width * sx), 0, -1, 0, 2 / (height * sy), -1),
    ...effects('about', c)
      .map(map => about(map, x, y))
      .reverse(),
    affine(half, 0, half + left, 0, half, half + top),
    ...effects('inCrop', c).reverse(),
  )
}

/** The size that one source pixel gets in the crop, of each axis. */
export function enlargement(c: Change, frame: Frame): { x: number; y: number } {
  const { size, scale = 1 } = frame
  const seen = c.window && windowSize(c.window, frame)
  let [x, y] = seen ? [size / seen.width, size / seen.height] : [scale, scale]
  for (const by of effects('enlarge', c)) [x, y] = [x * by.x, y * by.y]
  return { x, y }
}
