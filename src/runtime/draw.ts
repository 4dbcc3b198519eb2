import { type CanvasLike, type Context, scope } from './dom.ts'
import { RunError, reasonOf } from './errors.ts'
import type { RawPixels } from './types.ts'

/** Pixels of a strip: pictures are read in strips, since iOS has no canvas of more than 16 million pixels. */
const strip = 1 << 21

/** Options of `createImageBitmap`: no alpha is multiplied in, and no profile is applied. */
export const asStored = { imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'none' }

let canvas: CanvasLike | undefined

/** A canvas of this size; always the same one, so that many pictures need no more memory than one. */
function drawing(width: number, height: number): Context {
  if (!canvas) {
    const { OffscreenCanvas, document } = scope
    if (!OffscreenCanvas && !document)
      throw new RunError('backend', 'this runtime has no canvas. Give pixels: { data, width, height, channels }.')
    canvas = OffscreenCanvas ? new OffscreenCanvas(1, 1) : document!.createElement('canvas')
  }
  canvas.width = width
  canvas.height = height
  return canvas.getContext('2d', { willReadFrequently: true }) as Context
}

/** The pixels of what a canvas can draw, laid on a colour: RGB. */
export function drawn(
  image: object,
  { width, height, background = '#fff' }: { width: number; height: number; background?: string },
): RawPixels & { data: Uint8Array; channels: number } {
  const data = new Uint8Array(width * height * 3)
  const rows = Math.max(1, Math.min(height, Math.floor(strip / width)))
  const context = drawing(width, rows)
  for (let y = 0, to = 0; y < height; y += rows) {
    const h = Math.min(rows, height - y)
    context.fillStyle = background
    context.fillRect(0, 0, width, h)
    context.drawImage(image, 0, y, width, h, 0, 0, width, h)
    const rgba = readBack(context, width, h)
    for (let from = 0; from < rgba.length; from += 4) {
      data[to++] = rgba[from]!
      data[to++] = rgba[from + 1]!
      data[to++] = rgba[from + 2]!
    }
  }
  canvas!.width = canvas!.height = 1
  return { data, width, height, channels: 3 }
}

function readBack(context: Context, width: number, height: number): Uint8ClampedArray {
  try {
    return context.getImageData(0, 0, width, height).data
  } catch (cause) {
    canvas = undefined // it stays locked
    if ((cause as Error)?.name !== 'SecurityError') throw cause
    throw new RunError(
      'picture',
      `it is from another origin, so the browser does not give its pixels (${reasonOf(cause)}). Set crossorigin="anonymous" (CORS), or fetch it and give the Blob.`,
      { cause },
    )
  }
}
