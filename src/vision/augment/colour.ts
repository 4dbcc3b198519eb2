/** Rec. 601's weights of red, green and blue, as torchvision's greyscale. */
const luma = [0.299, 0.587, 0.114] as const

/** The matrix that multiplies saturation and turns hues (radians) about the axis of greys, row-major [3, 3]: greys and
 *  brightness stay. With hue 0 it is torchvision's adjust_saturation; the turn is in the plane of YIQ's colours, which is
 *  linear, where torchvision's adjust_hue goes through HSV. */
export function colour(saturation: number, hue: number): number[] {
  const [cos, sin] = [saturation * Math.cos(hue), saturation * Math.sin(hue)]
  // x → its grey + (turned, scaled) colour: luma in each row, then YIQ's I and Q there and back.
  return [0, 1, 2].flatMap(row =>
    [0, 1, 2].map(column => {
      const [i, q] = [yiq.i[column]!, yiq.q[column]!]
      return luma[column]! + yiq.fromI[row]! * (cos * i - sin * q) + yiq.fromQ[row]! * (sin * i + cos * q)
    }),
  )
}

/** YIQ's two axes of colour: to (a row each) and from them (a column each), such that both ways give the identity. */
const yiq = axes()
function axes() {
  const i = [0.5959, -0.2746, -0.3213]
  const q = [0.2115, -0.5227, 0.3112]
  // Rows that sum to 0 exactly: greys have no colour.
  i[2] = -(i[0]! + i[1]!)
  q[2] = -(q[0]! + q[1]!)
  // What no luma and one unit of I or Q is in red, green, blue: the inverse of [luma; i; q], by Cramer's rule.
  const cross = (a: readonly number[], b: readonly number[]) => [
    a[1]! * b[2]! - a[2]! * b[1]!,
    a[2]! * b[0]! - a[0]! * b[2]!,
    a[0]! * b[1]! - a[1]! * b[0]!,
  ]
  const determinant = cross(i, q).reduce((sum, v, k) => sum + v * luma[k]!, 0)
  const fromI = cross(q, luma).map(v => v / determinant)
  const fromQ = cross(luma, i).map(v => v / determinant)
  return { i, q, fromI, fromQ }
}
