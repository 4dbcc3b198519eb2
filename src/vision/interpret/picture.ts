import { aten, noGrad, scope, type Tensor } from '../../torch/index.ts'
import { sharp } from '../decode/sharp.ts'
import { type Picture, preview } from '../index.ts'

/** Converts a net's input back to pictures: x [N, C, H, W], normalised by mean and std of pixels in [0, 1]. */
export function picturesOf(
  x: Tensor,
  { mean, std }: { mean: readonly number[]; std: readonly number[] },
): (Picture & { data: Uint8Array })[] {
  const [n = 0, c = 3, height = 0, width = 0] = x.shape
  const values = noGrad(() =>
    scope(() => x.detach().to('float32', { device: 'cpu' }).permute(0, 2, 3, 1).contiguous().data() as Float32Array),
  )
  const pixels = Uint8ClampedArray.from(values, (v, i) => 255 * (v * std[i % c]! + mean[i % c]!))
  const area = height * width * c
  return Array.from({ length: n }, (_, i) =>
    preview({ data: new Uint8Array(pixels.buffer, i * area, area), height, width, channels: c }),
  )
}

/** A small JPEG in base64, its longer side at most `side` pixels. */
export async function smallJpeg(picture: Picture, { side = 192, quality = 78 } = {}): Promise<string> {
  const { data, height, width } = preview(picture)
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality })
    .toBuffer()
  return jpeg.toString('base64')
}

/** Maps [N, h, w] resized to height × width, bilinear as torch's interpolate. */
export const resized = (maps: Tensor, height: number, width: number): Tensor =>
  aten.upsample_bilinear2d(maps.unsqueeze(1), [height, width], false).squeeze(1)
