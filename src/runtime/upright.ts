/** Turns pixels [height, width, channels] that were stored with an EXIF orientation of 2 to 8 upright. */
export function upright<Picture extends { data: Uint8Array; width: number; height: number; channels: number }>(
  picture: Picture,
  orientation: number,
): Picture {
  if (!(orientation >= 2 && orientation <= 8)) return picture
  const { data, width, height, channels } = picture
  const turned = orientation >= 5
  const [w, h] = turned ? [height, width] : [width, height]
  const right = [2, 3, 7, 8].includes(orientation) // x, or what x comes from, runs backwards
  const down = [3, 4, 6, 7].includes(orientation)
  const out = new Uint8Array(data.length)
  for (let y = 0, to = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const [sx, sy] = turned ? [y, x] : [x, y]
      const from = ((down ? height - 1 - sy : sy) * width + (right ? width - 1 - sx : sx)) * channels
      for (let c = 0; c < channels; c++) out[to++] = data[from + c]!
    }
  return { ...picture, data: out, width: w, height: h }
}
