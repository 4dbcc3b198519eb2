/** A 3×3 matrix, row-major: it maps (x, y) to ((a·x + b·y + c) / w, (d·x + e·y + f) / w), w = g·x + h·y + i. */
export type Homography = readonly [number, number, number, number, number, number, number, number, number]

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
/** One map after another, the last one first. */
export const chain = (...maps: Homography[]): Homography => maps.reduce(compose)

/** (x, y) → (a·x + b·y + c, d·x + e·y + f). */
export const affine = (...top: [number, number, number, number, number, number]): Homography => [...top, 0, 0, 1]
/** A linear map that keeps `(x, y)` where it is. */
export const about = ([a, b, d, e]: readonly [number, number, number, number], x: number, y: number): Homography =>
  affine(a, b, x - a * x - b * y, d, e, y - d * x - e * y)
