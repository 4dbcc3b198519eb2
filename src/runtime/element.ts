import type { Card } from '../onnx/card.ts'
import { type BitmapLike, type CanvasLike, type FrameLike, type ImageLike, scope, type VideoLike } from './dom.ts'
import { asStored, drawn } from './draw.ts'
import { RunError, reasonOf } from './errors.ts'
import { checkPixels } from './pixels.ts'
import type { RawPixels } from './types.ts'
import { refuseInput } from './unread.ts'

/** Throws for an input that is no picture. */
export const refused = (input: unknown): never =>
  refuseInput(
    input,
    'a Blob, the bytes of a picture file, ImageData, ImageBitmap, canvas, image, video, or raw pixels { data, width, height, channels }',
  )

/** Throws for a model of other channels than those that a browser gives. */
export function keepRefused({ input: { channels } }: Card): never {
  throw new RunError(
    'picture',
    `the model was trained on ${channels} channels as they are in files, which a browser does not give. Give its pixels: { data, width, height, channels: ${channels} }, or load(url, { decode })`,
  )
}

/** The pixels of what a canvas can draw. */
export async function decodeElement(
  input: BitmapLike | CanvasLike | ImageLike | VideoLike | FrameLike,
  limit: number,
): Promise<RawPixels> {
  const draw = (image: object, width: number, height: number) => {
    if (!(width > 0 && height > 0)) throw new RunError('picture', `it is ${width} x ${height} pixels large`)
    checkPixels(width, height, limit)
    return drawn(image, { width, height })
  }
  if ('naturalWidth' in input) {
    await input.decode().catch(cause => {
      throw new RunError('picture', `the image ${input.currentSrc} is not loaded (${reasonOf(cause)})`, { cause })
    })
    checkPixels(input.naturalWidth, input.naturalHeight, limit)
    const bitmap = await scope.createImageBitmap!(input, asStored)
    try {
      return draw(bitmap, bitmap.width, bitmap.height)
    } finally {
      bitmap.close()
    }
  }
  if ('videoWidth' in input) {
    if (input.readyState < 2)
      throw new RunError('picture', 'the video has no frame yet; wait for its event "loadeddata"')
    return draw(input, input.videoWidth, input.videoHeight)
  }
  if ('displayWidth' in input) return draw(input, input.displayWidth, input.displayHeight)
  if ('getContext' in input || 'close' in input) {
    const { width, height } = input as BitmapLike
    return draw(input, width, height)
  }
  return refused(input)
}
