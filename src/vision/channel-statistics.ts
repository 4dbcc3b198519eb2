import { ImageError } from '../base/errors.ts'
import { evenly } from './decode/choose-channels.ts'
import { whiteOf } from './decode/raster.ts'
import type { Picture } from './types.ts'

/** Mean and standard deviation of each channel: scaled to [0, 1] for uint8 and uint16, unscaled for floats. */
export interface ChannelStatistics {
  mean: number[]
  std: number[]
  /** Pictures that were counted. */
  pictures: number
}

/** Mean and standard deviation of each channel over all pixels of these pictures (by number), or of `sample` of them,
 *  evenly spaced. The same pictures in the same order give the same bits. A constant channel has std 1, so that its
 *  normalised value is 0. */
export function channelStatistics(
  picture: (number: number) => Picture,
  numbers: readonly number[],
  { sample = 2000 }: { sample?: number } = {},
): ChannelStatistics {
  const taken = evenly(numbers, sample)
  if (taken.length === 0) throw new ImageError('channelStatistics: got no picture to measure')
  const channels = picture(taken[0]!).channels ?? 3
  const totals = Array.from({ length: channels }, () => ({ count: 0, mean: 0, squares: 0 }))
  for (const number of taken) {
    const { data, channels: own = 3 } = picture(number)
    if (own !== channels)
      throw new ImageError(`channelStatistics: a picture has ${own} channels, the first has ${channels}`)
    for (let c = 0; c < channels; c++) merge(totals[c]!, momentsOf(data, c, channels))
  }
  return {
    mean: totals.map(({ mean }) => mean),
    std: totals.map(({ count, squares }) => Math.sqrt(squares / Math.max(1, count)) || 1),
    pictures: taken.length,
  }
}

interface Moments {
  count: number
  mean: number
  /** Sum of squared distances from the mean. */
  squares: number
}

/** The moments of one channel of one picture, in two passes; values that are not finite are skipped. */
function momentsOf(data: Picture['data'], channel: number, channels: number): Moments {
  let [count, sum, squares] = [0, 0, 0]
  for (let i = channel; i < data.length; i += channels) {
    const value = data[i]!
    if (value - value !== 0) continue // NaN or infinite
    sum += value
    count++
  }
  if (count === 0) return { count, mean: 0, squares: 0 }
  const mean = sum / count
  for (let i = channel; i < data.length; i += channels) {
    const distance = data[i]! - mean
    if (distance - distance === 0) squares += distance * distance
  }
  const white = whiteOf(data)
  return { count, mean: mean / white, squares: squares / white / white }
}

/** Chan, Golub, LeVeque 1979: moments of two sets from those of each. */
function merge(total: Moments, { count, mean, squares }: Moments): void {
  if (count === 0) return
  const all = total.count + count
  const distance = mean - total.mean
  total.squares += squares + (distance * distance * total.count * count) / all
  total.mean += (distance * count) / all
  total.count = all
}
