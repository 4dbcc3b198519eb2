import type { ModelPixels } from '../../runtime/browser.ts'

/** The longer side of a small copy, in pixels. */
const longest = 480
/** How many pixels of a row or a column are averaged for one of the copy. */
const samples = 4

/** A small copy of a picture as the model gets it, for the page: RGBA. */
export function thumbnailOf({ data, width, height, channels }: ModelPixels): ImageData {
  const scale = Math.min(1, longest / Math.max(width, height))
  const [w, h] = [width, height].map(side => Math.max(1, Math.round(side * scale))) as [number, number]
  const out = new ImageData(w, h)
  const rows = places(height, h)
  const columns = places(width, w)
  for (let y = 0, to = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (const row of rows[y]!)
          for (const column of columns[x]!) sum += data[(row * width + column) * channels + Math.min(c, channels - 1)]!
        out.data[to++] = sum / (rows[y]!.length * columns[x]!.length)
      }
      out.data[to++] = 255
    }
  return out
}

/** Which of `from` pixels each of `to` pixels is made of. */
function places(from: number, to: number): number[][] {
  const step = from / to
  const count = Math.max(1, Math.min(samples, Math.floor(step)))
  return Array.from({ length: to }, (_, i) =>
    Array.from({ length: count }, (_, k) => Math.min(from - 1, Math.floor(step * (i + (k + 0.5) / count)))),
  )
}
