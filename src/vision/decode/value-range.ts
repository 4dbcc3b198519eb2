import { inParallel } from '../../base/parallel.ts'
import type { Place } from '../../data/types.ts'
import type { Pixels } from '../types.ts'
import { readPicture } from './decode.ts'
import { supportedFormat } from './formats.ts'
import { LIMIT_INPUT_PIXELS } from './limits.ts'
import { flatten } from './raster.ts'

/** How many pictures are measured, and how many values of each. */
const [measured, valuesEach] = [32, 65_536]

/** Measures the values of black and white in pictures whose values do not fill their type: 12 bits in a file of 16,
 *  floats of any unit. They come from the 0.1 and 99.9 % quantiles of up to 32 pictures, so that single hot or dead
 *  pixels have no effect. Undefined if no picture can be read. */
export async function measureRange(
  places: readonly Place[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<{ values: readonly [low: number, high: number]; reason: string } | undefined> {
  const ends: { low: number; high: number; whole: boolean }[] = []
  const count = Math.min(measured, places.length)
  await inParallel(
    count,
    async i => {
      const place = places[Math.floor((i * places.length) / count)]!
      try {
        const bytes = await readPicture(place)
        const raster = await supportedFormat(bytes).decode(bytes, { limit: LIMIT_INPUT_PIXELS, pages: 'first' })
        const { data } = flatten(raster)
        const [low, high] = quantiles(data, [0.001, 0.999])
        ends.push({ low: low!, high: high!, whole: data instanceof Uint16Array })
      } catch {
        // The scan reports what is wrong with it.
      }
    },
    { signal },
  )
  const known = ends.filter(({ low }) => Number.isFinite(low))
  if (known.length === 0) return undefined
  const low = Math.min(...known.map(end => end.low))
  const high = Math.max(...known.map(end => end.high))
  return rangeOf(
    low,
    high,
    known.every(({ whole }) => whole),
  )
}

/** The most likely range of values that are from `low` to `high`: that of a number of bits, or 0 to 1, if they fill a
 *  quarter of it or more; otherwise `low` to `high`. */
export function rangeOf(
  low: number,
  high: number,
  whole: boolean,
): { values: readonly [low: number, high: number]; reason: string } {
  const count = (n: number) => n.toLocaleString('en-US', { maximumSignificantDigits: 6 })
  const found = `nearly all values lie from ${count(low)} to ${count(high)}`
  const tops = whole ? [255, 511, 1023, 2047, 4095, 8191, 16_383, 32_767, 65_535] : [1, 255, 65_535]
  const top = tops.find(top => high <= top)
  if (top !== undefined && low >= 0 && high - low >= top / 4)
    return { values: [0, top], reason: `${found}, so ${count(top)} is white` }
  const short = (n: number) => Number(n.toPrecision(6))
  if (high > low) return { values: [short(low), short(high)], reason: `${found}, which are taken as black and white` }
  return { values: [low, low + 1], reason: `all examined values are ${count(low)}` }
}

/** The quantiles at the given shares, exact over at most 65,536 evenly spaced values; NaN is ignored. */
export function quantiles(data: Pixels, shares: readonly number[]): number[] {
  const step = Math.ceil(data.length / valuesEach)
  const taken = Float32Array.from({ length: Math.ceil(data.length / step) }, (_, i) => data[i * step]!)
    .filter(Number.isFinite)
    .sort()
  return shares.map(share => taken[Math.round(share * (taken.length - 1))] ?? Number.NaN)
}
