import type { Picture } from '../types.ts'
import { quantiles } from './value-range.ts'

/** Converts any picture for display: 8-bit RGB. With three or more channels it shows the first three, with one or two
 *  the first as grey. 8-bit values are unchanged; for other types each channel is stretched from its 2 % to its 98 %
 *  quantile. */
export function preview(picture: Picture): Picture & { data: Uint8Array } {
  const { data, height, width, channels = 3 } = picture
  if (data instanceof Uint8Array && channels === 3) return { data, height, width }
  const shown = channels >= 3 ? [0, 1, 2] : [0, 0, 0]
  const out = new Uint8Array(height * width * 3)
  const ends = data instanceof Uint8Array ? undefined : shown.map(c => channelEnds(picture, c))
  for (let i = 0, to = 0; i < height * width; i++)
    for (let c = 0; c < 3; c++, to++) {
      const value = data[i * channels + shown[c]!]!
      out[to] = ends ? Math.min(255, Math.max(0, Math.round(255 * ends[c]!(value)))) : value
    }
  return { data: out, height, width }
}

/** Maps a channel's values to 0 at its dark end and 1 at its bright one. */
function channelEnds({ data, height, width, channels = 3 }: Picture, channel: number): (value: number) => number {
  const values = Float32Array.from({ length: height * width }, (_, i) => data[i * channels + channel]!)
  const [low, high] = quantiles(values, [0.02, 0.98]) as [number, number]
  return high > low ? value => (value - low) / (high - low) : () => 0.5
}
