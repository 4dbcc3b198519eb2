import type { Card } from '../onnx/card.ts'
import { answerOf } from './card.ts'
import type { ModelPixels, Ort, OrtSession } from './types.ts'

/** The answers of pictures of one size, and other outputs: each float32 [pictures, …]. */
export async function runOnce(
  session: OrtSession,
  ort: Ort,
  card: Card,
  pictures: readonly ModelPixels[],
  others: readonly string[] = [],
): Promise<Float32Array[]> {
  const { width, height, channels, data } = pictures[0]!
  let all = data
  if (pictures.length > 1) {
    all = new Uint8Array(data.length * pictures.length)
    for (const [i, { data: one }] of pictures.entries()) all.set(one, i * data.length)
  }
  const image = new ort.Tensor('uint8', all, [pictures.length, height, width, channels])
  const names = [answerOf(card), ...others]
  const outputs = await session.run({ [card.input.name]: image }, names)
  const values = names.map(name => Float32Array.from(outputs[name]!.data as Float32Array))
  image.dispose?.()
  for (const name of names) outputs[name]!.dispose?.()
  return values
}
