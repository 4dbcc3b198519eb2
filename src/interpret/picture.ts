import sharp from 'sharp'
import type { Picture } from '../data/types.ts'
import { aten, noGrad, scope, type Tensor } from '../torch/index.ts'

/** The picture as a screen can show it: uint8, red, green, blue. One or two channels are grey, of more than three the
 *  first three are taken; uint16 is scaled from 65535, floats from 1. */
export function shown({ data, height, width, channels = 3 }: Picture): Picture & { data: Uint8Array } {
  const scale = data instanceof Uint8Array ? 1 : data instanceof Uint16Array ? 255 / 65535 : 255
  if (scale === 1 && channels === 3) return { data: data as Uint8Array, height, width }
  const rgb = new Uint8ClampedArray(height * width * 3)
  for (let p = 0; p < height * width; p++)
    for (let c = 0; c < 3; c++) rgb[3 * p + c] = scale * data[p * channels + (channels < 3 ? 0 : c)]!
  return { data: new Uint8Array(rgb.buffer), height, width }
}

/** The pictures that a net's input was made of: x [N, C, H, W], normalised by mean and std of pixels in [0, 1]. */
export function picturesOf(
  x: Tensor,
  { mean, std }: { mean: readonly number[]; std: readonly number[] },
): (Picture & { data: Uint8Array })[] {
  const [n = 0, c = 3, height = 0, width = 0] = x.shape
  const values = noGrad(() =>
    scope(() => x.detach().to('float32', { device: 'cpu' }).permute(0, 2, 3, 1).contiguous().data() as Float32Array),
  )
  const unit = values.map((v, i) => v * std[i % c]! + mean[i % c]!)
  const area = height * width * c
  return Array.from({ length: n }, (_, i) =>
    shown({ data: unit.subarray(i * area, (i + 1) * area), height, width, channels: c }),
  )
}

/** A small JPEG in base64, its longer side at most `side` pixels. */
export async function smallJpeg(picture: Picture, { side = 192, quality = 78 } = {}): Promise<string> {
  const { data, height, width } = shown(picture)
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality })
    .toBuffer()
  return jpeg.toString('base64')
}

/** Maps [N, h, w] at the size given, bilinear as torch's interpolate. */
export const resized = (maps: Tensor, height: number, width: number): Tensor =>
  aten.upsample_bilinear2d(maps.unsqueeze(1), [height, width], false).squeeze(1)
