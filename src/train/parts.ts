/** The number of each row's sample, from 0; undefined where each row is a whole sample. */
export type Parts = Uint32Array | undefined

type Numbers = Float32Array | Float64Array | Int32Array

/** How many samples the rows belong to. */
const samplesIn = (parts: Uint32Array): number => parts.reduce((most, part) => Math.max(most, part + 1), 0)

/** The mean over the rows of each sample. values: [rows × width] → [samples × width]; without parts the values
 *  themselves. */
export function meanByPart<T extends Float32Array | Float64Array>(values: T, parts: Parts, width = 1): T {
  if (!parts) return values
  const count = samplesIn(parts)
  const rows = new Float64Array(count)
  for (const part of parts) rows[part]!++
  const sums = new Float64Array(count * width)
  for (const [row, part] of parts.entries())
    for (let c = 0; c < width; c++) sums[part * width + c]! += values[row * width + c]!
  return new (values.constructor as new (from: Float64Array) => T)(
    sums.map((sum, i) => sum / rows[Math.floor(i / width)]!),
  )
}

/** What all rows of a sample share, such as its target: [rows × width] → [samples × width]. */
export function onceByPart<T extends Numbers>(values: T, parts: Parts, width = 1): T {
  if (!parts) return values
  const out = values.slice(0, samplesIn(parts) * width) as T
  for (const [row, part] of parts.entries())
    for (let c = 0; c < width; c++) out[part * width + c] = values[row * width + c]!
  return out
}

/** The first row of each sample. */
export function firstOfParts<T>(rows: readonly T[], parts: Parts): readonly T[] {
  if (!parts) return rows
  const first: T[] = new Array(samplesIn(parts))
  for (const [row, part] of parts.entries()) first[part] ??= rows[row]!
  return first
}
