/** The quantile function of the standard normal distribution by P. J. Acklam's rational approximation (2003), whose relative error is
 *  at most 1.15e-9. It consists of sums, products, a root and a logarithm, so an exported graph computes the same. */
export function normalQuantile(share: number): number {
  if (share < tail) return outside(Math.sqrt(-2 * Math.log(share)))
  if (share > 1 - tail) return -outside(Math.sqrt(-2 * Math.log(1 - share)))
  const q = share - 0.5
  const r = q * q
  return (q * horner(middle.above, r)) / horner(middle.below, r)
}

/** Below this share, and above 1 minus it, another formula holds. */
export const tail = 0.02425
/** Coefficients, the highest power first. */
export const middle = {
  above: [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ],
  below: [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1],
}
export const ends = {
  above: [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ],
  below: [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1],
}

const outside = (q: number): number => horner(ends.above, q) / horner(ends.below, q)
const horner = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient)
