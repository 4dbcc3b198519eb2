/** The probe picture of a card: uint8 [height, width, channels], the same on every machine. Blocks of many sizes, and
 *  noise of 5 bits over them, so that a wrong resize, a wrong order of channels and a wrong layer all show. */
export function probePicture(
  { width, height, seed }: { width: number; height: number; seed: number },
  channels: number,
): Uint8Array {
  const data = new Uint8Array(width * height * channels)
  let state = seed >>> 0
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const blocks = Math.floor((x * (c + 2) * 256) / width) ^ Math.floor((y * (c + 3) * 256) / height)
        data[at++] = (blocks & 0xe0) | (state >>> 27)
      }
  return data
}
