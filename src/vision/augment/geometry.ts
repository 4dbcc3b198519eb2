import type { Change } from './draw.ts'

/** A 3×3 matrix, row-major: it maps (x, y) to ((a·x + b·y + c) / w, (d·x + e·y + f) / w), w = g·x + h·y + i. */
export type Homography = readonly [number, number, number, number, number, number, number, number, number]

/** A picture of `height`×`width` pixels and the side of the crop that is made of it. */
export interface Frame {
  height: number
  width: number
  size: number
  /** The size that one source pixel gets before any zoom: 1 where the source is stored at the size that validation sees. */
  scale?: number
}

/** Whether a map is affine: parallels stay parallel. */
export const isAffine = (m: Homography): boolean => m[6] === 0 && m[7] === 0

/** m after n. */
function compose(m: Homography, n: Homography): Homography {
  const out: number[] = []
  for (let row = 0; row < 9; row += 3)
    for (let column = 0; column < 3; column++)
      out.push(m[row]! * n[column]! + m[row + 1]! * n[column + 3]! + m[row + 2]! * n[column + 6]!)
  return out as unknown as Homography
}
const chain = (...maps: Homography[]): Homography => maps.reduce(compose)

const affine = (...top: [number, number, number, number, number, number]): Homography => [...top, 0, 0, 1]
/** Keeps `(x, y)` where it is. */
const about = ([a, b, d, e]: readonly [number, number, number, number], x: number, y: number): Homography =>
  affine(a, b, x - a * x - b * y, d, e, y - d * x - e * y)

/** The map from the normalised coordinates of a `size`×`size` crop to those of its source picture, as grid_sample wants
 *  it (align_corners false). From the crop outwards: mirror and quarter turns, warp, place of the crop in the enlarged
 *  picture, turn about its centre (about the crop's, of a random resized crop), back to source pixels. */
export function pictureMap(c: Change, frame: Frame): Homography {
  const { height, width, size } = frame
  const { x: sx, y: sy } = enlargement(c, frame)
  const [w, h] = [width * sx, height * sy]
  const offset = (room: number, share: number) => (room > 0 ? room * share : room / 2)
  const [left, top] = [offset(w - size, c.cropX), offset(h - size, c.cropY)]
  const [cos, sin] = [Math.cos(c.angle), Math.sin(c.angle)]
  const centre = c.window ? [left + size / 2, top + size / 2] : [w / 2, h / 2]
  const [qc, qs] = quarters[c.quarterTurns]!
  const m = c.mirror ? -1 : 1
  const half = size / 2
  return chain(
    affine(2 / (width * sx), 0, -1, 0, 2 / (height * sy), -1),
    about([cos, -sin, sin, cos], centre[0]!, centre[1]!),
    affine(half, 0, half + left, 0, half, half + top),
    warp(c.warpX, c.warpY),
    affine(qc * m, -qs, 0, qs * m, qc, 0),
  )
}
const quarters = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const

/** The size that one source pixel gets in the crop, of each axis. */
export function enlargement(c: Change, frame: Frame): { x: number; y: number } {
  const { size, scale = 1 } = frame
  const seen = c.window && windowSize(c.window, frame)
  const [x, y] = seen ? [size / seen.width, size / seen.height] : [scale, scale]
  return { x: x * c.zoom * c.stretchX, y: y * c.zoom * c.stretchY }
}

/** Pixels of a random resized crop: the first try that fits, else the whole picture cut to the nearest ratio. */
export function windowSize(
  { tries, minRatio, maxRatio }: NonNullable<Change['window']>,
  { height, width }: Pick<Frame, 'height' | 'width'>,
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

/** fastai's Warp (vision/augment.py, _WarpCoord): what a crop shows at (-1 - y, -1 - x), (-1 + y, 1 + x),
 *  (1 + y, -1 + x), (1 - y, 1 - x) was at the corners (-1, -1), (-1, 1), (1, -1), (1, 1). Solved by hand: from the
 *  corners to these points leads [1 - y², -xy, x; -xy, 1 - x², y; x, y, 1], and this is its inverse. */
export function warp(x: number, y: number): Homography {
  const s = 1 - x * x - y * y
  const [g, h, b] = [(-x * (1 + y * y - x * x)) / s, (-y * (1 + x * x - y * y)) / s, (2 * x * y) / s]
  return [1, b, g, b, 1, h, g, h, 1]
}
