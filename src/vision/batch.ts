import { ImageError } from '../base/errors.ts'
import { empty, fromArray, noGrad, scope, type Tensor } from '../torch/index.ts'
import { unchanged } from './augment/draw.ts'
import { erase } from './augment/erase.ts'
import { hasKernel, viewBatch } from './augment/kernel.ts'
import { lightingOf, lit, type Range } from './augment/lighting.ts'
import type { Change } from './augment/list.ts'
import { isSeenTogether, viewsOnDevice } from './augment/on-device.ts'
import { view } from './augment/view.ts'
import type { Picture } from './types.ts'

/** The normalisation of pixels: values in [0, 1], minus mean, divided by std, per channel. A single number is used for
 *  all channels. */
export interface Normalization {
  mean: readonly number[]
  std: readonly number[]
}

/** The part of a picture that the net sees. */
export interface BatchOptions {
  /** Side of the square crop in pixels. */
  size: number
  /** The short side of pictures before the crop; smaller ones are enlarged to it. Default: `size`. */
  short?: number
  /** Channels of the net's input. If a picture has fewer, its channels are copied in turn: channel i is its channel i
   *  modulo their number (grey in all three; with two, the third is the first). Default: as the first picture has. */
  channels?: number
  normalization: Normalization
  device?: string
}

/** Pictures as one normalised batch: float32 [N, C, size, size], channels last. Unchanged pictures give their centre
 *  crop, pixel for pixel if they are large enough. Each picture is computed alone: the others do not affect its
 *  result. */
export function pictureBatch(
  pictures: readonly Picture[],
  changes: readonly Change[] | undefined,
  options: BatchOptions,
): Tensor {
  const { size, channels = pictures[0]?.channels ?? 3, device = 'cpu' } = options
  const { mean, std } = perChannel(options.normalization, channels)
  return noGrad(() =>
    scope(() => {
      const rows = empty([pictures.length, size, size, channels], { device })
      const seen = pictures.map((picture, row) => ({ picture, change: changes?.[row] ?? unchanged, row }))
      const together = device === 'cpu' ? hasKernel : isSeenTogether
      const own = seen.filter(({ picture }) => together(picture, channels))
      const others = own.length === 0 ? seen : seen.filter(one => !own.includes(one))
      const viewAll = device === 'cpu' ? viewBatch : viewsOnDevice
      viewAll(rows, own, { ...options, mean, std })
      for (const { picture, change, row } of others)
        scope(() => fill(rows.select(0, row), picture, change, { ...options, channels }))
      if (own.length === 0) normalise(rows, pictures.map(unit), { mean, std })
      else
        for (const { picture, row } of others)
          scope(() => normalise(rows.narrow(0, row, 1), [unit(picture)], { mean, std }))
      for (const { change, row } of seen)
        if (change.erase.length > 0) scope(() => erase(rows.select(0, row), change.erase))
      return rows.permute(0, 3, 1, 2)
    }),
  )
}

/** Writes one picture into its row of the batch, before normalisation. out: [size, size, C]. */
function fill(
  out: Tensor,
  picture: Picture,
  change: Change,
  { channels, ...options }: BatchOptions & { channels: number },
): void {
  const pixels = copiedUp(view(picture, change, options), channels) // [bands, C, rows of a band, size]
  const [bands, , height, size] = pixels.shape as [number, number, number, number]
  const lighting = lightingOf(change, channels)
  const plain = pixels.permute(0, 2, 3, 1) // [bands, rows of a band, size, C]
  const shown =
    lighting.matrix || lighting.curve
      ? lit(plain.reshape(1, bands * height, size, channels), [lighting], rangeOf(picture, pixels))
      : plain
  out.reshape(bands, height, size, channels).copy_(shown.reshape(bands, height, size, channels))
}

/** The value of white in a picture; 1 for floats. */
const unit = ({ data }: Picture): number =>
  data instanceof Float32Array ? 1 : data instanceof Uint16Array ? 65535 : 255

/** Divides rows [N, size, size, C] by their units, subtracts mean and divides by std, in place. */
function normalise(rows: Tensor, units: readonly number[], { mean, std }: Normalization): void {
  const [n, height, width, channels] = rows.shape as [number, number, number, number]
  const same = units.every(u => u === units[0])
  const of = same ? units.slice(0, 1) : units
  // Factors as long as a line of pixels: an operator is fast if its innermost loop is long.
  const line = width * channels
  const scale = Float32Array.from(
    { length: of.length * line },
    (_, i) => 1 / (of[Math.floor(i / line)]! * std[i % channels]!),
  )
  const shift = Float32Array.from({ length: line }, (_, i) => -mean[i % channels]! / std[i % channels]!)
  const on = (values: Float32Array, shape: number[]) => fromArray(values, shape).to('float32', { device: rows.device })
  rows
    .reshape(n, height, line)
    .mul_(on(scale, [of.length, 1, line]))
    .add_(on(shift, [line]))
}

function perChannel({ mean, std }: Normalization, channels: number): Normalization {
  const spread = (name: string, values: readonly number[]) => {
    if (values.length !== 1 && values.length !== channels)
      throw new ImageError(
        `${name} has ${values.length} numbers and the pictures ${channels} channels; expected one, or one per channel.`,
      )
    return Array.from({ length: channels }, (_, c) => values[c % values.length]!)
  }
  return { mean: spread('mean', mean), std: spread('std', std) }
}

/** Values of black and white. For floats the range is wider than [0, 1] if the picture's is, so that lighting clips
 *  nothing. */
const rangeOf = (picture: Picture, x: Tensor): Range =>
  picture.data instanceof Float32Array
    ? { black: Math.min(0, x.min().item()), white: Math.max(1, x.max().item()) }
    : { black: 0, white: unit(picture) }

/** Copies the channels of x [k, C, …] until there are as many as asked for. */
function copiedUp(x: Tensor, channels: number): Tensor {
  const has = x.shape[1]!
  if (has === channels) return x
  if (has > channels)
    throw new ImageError(
      `a picture has ${has} channels, but the net takes ${channels}; expected at most as many. Use a net of ${has} channels (\`channels: ${has}\`).`,
    )
  const index = fromArray(
    BigInt64Array.from({ length: channels }, (_, c) => BigInt(c % has)),
    [channels],
  )
  return x.indexSelect(1, index.to('int64', { device: x.device }))
}
