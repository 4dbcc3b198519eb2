/** Numbers with mean 0 and standard deviation 1 per column. */
export interface Standardised {
  /** [N × columns] */
  values: Float32Array
  mean: Float64Array
  /** 1 for a constant column. */
  std: Float64Array
  /** Converts standardised rows back to their own units. [M × columns] */
  back(rows: ArrayLike<number>): Float64Array
}

/** Subtracts the mean and divides by the standard deviation in float64, so that neither large numbers close together
 *  nor tiny ones lose digits. values: [N × columns]. */
export function standardised(values: ArrayLike<number>, columns: number): Standardised {
  const n = values.length / columns
  const [mean, std] = [new Float64Array(columns), new Float64Array(columns).fill(1)]
  for (let c = 0; c < columns; c++) {
    const first = values[c] ?? 0
    const moved = Float64Array.from({ length: n }, (_, i) => values[i * columns + c]! - first)
    const most = moved.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    const shift = moved.reduce((sum, v) => sum + v / n, 0)
    mean[c] = first + shift
    if (most > 0) std[c] = most * Math.sqrt(moved.reduce((sum, v) => sum + ((v - shift) / most) ** 2 / n, 0))
  }
  return {
    values: Float32Array.from(values, (v, i) => (v - mean[i % columns]!) / std[i % columns]!),
    mean,
    std,
    back: rows => Float64Array.from(rows, (v, i) => v * std[i % columns]! + mean[i % columns]!),
  }
}
