import { heatColour } from '../../base/heat-colour.ts'
import { aten, fromArray, noGrad, scope } from '../../torch/index.ts'
import { melPower } from '../features/mel.ts'

/** The side of a picture of a sound, in pixels. */
const side = 176
/** Levels below this (in decibels under the loudest) are black. */
const range = 70

/** The colours of 256 heats: a table, since a report has a million pixels. */
const colours = Array.from({ length: 256 }, (_, i) => heatColour(i / 255))
const colourOf = (heat: number) => colours[Math.round(255 * Math.min(1, Math.max(0, heat)))]!

/** A sound as a picture: time to the right, pitch upwards (64 mel bands), brighter where it is louder; [side × side] from
 *  0 to 1. */
export function levelsOf(samples: Float32Array, rate: number): Float32Array {
  const fft = rate > 24_000 ? 2048 : 1024
  const hop = Math.max(1, Math.floor(samples.length / side))
  const bands = 64
  const power = melPower({ rate, fft, window: fft >> 1, hop, bands, low: 50, high: rate / 2 })
  return noGrad(() =>
    scope(() => {
      const x = aten.constant_pad_nd(fromArray(samples, [1, samples.length]), [fft / 2, fft / 2])
      const levels = aten.log10(power(x).add(1e-10)).mul(10).to('float32') // [1, frames, bands]
      const top = aten.amax(levels)
      const scaled = aten.clamp(levels.sub(top).div(range).add(1), { min: 0, max: 1 })
      const picture = aten.flip(scaled.transpose(1, 2), [1]).unsqueeze(0)
      return aten.upsample_bilinear2d(picture, [side, side], false).contiguous().data() as Float32Array
    }),
  )
}

/** Its JPEG in base64. `heat`: [rows × columns] from 0 to 1, high notes first: where it is high the picture has colour,
 *  elsewhere it is grey. */
export async function jpegOf(
  levels: Float32Array,
  heat?: { values: Float32Array; rows: number; columns: number },
): Promise<string> {
  const pixels = new Uint8Array(side * side * 3)
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const level = levels[y * side + x]!
      const at = 3 * (y * side + x)
      const plain: readonly number[] = heat ? [200 * level, 200 * level, 200 * level] : colourOf(0.05 + 0.95 * level)
      const share = heat ? 0.65 * smooth(heat, (y + 0.5) / side, (x + 0.5) / side) : 0
      const warm = share > 0 ? colourOf(0.45 + share) : plain
      for (let c = 0; c < 3; c++) pixels[at + c] = (1 - share) * plain[c]! + share * warm[c]!
    }
  const { default: sharp } = await import('sharp')
  const jpeg = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .jpeg({ quality: 78 })
    .toBuffer()
  return jpeg.toString('base64')
}

/** A map's value between its cells. */
function smooth(
  { values, rows, columns }: { values: Float32Array; rows: number; columns: number },
  y: number,
  x: number,
) {
  const [r, c] = [y * rows - 0.5, x * columns - 0.5]
  const [r0, c0] = [Math.floor(r), Math.floor(c)]
  const at = (i: number, j: number) =>
    values[Math.min(rows - 1, Math.max(0, i)) * columns + Math.min(columns - 1, Math.max(0, j))]!
  const [fr, fc] = [r - r0, c - c0]
  const mix = (a: number, b: number, f: number) => a + (b - a) * f
  return mix(mix(at(r0, c0), at(r0, c0 + 1), fc), mix(at(r0 + 1, c0), at(r0 + 1, c0 + 1), fc), fr)
}
