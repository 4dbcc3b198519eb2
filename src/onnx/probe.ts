import type { Card } from './card.ts'

/** The picture of a card's probe: noise of a linear congruential generator, one byte from the top of each state.
 *  uint8 [height, width, channels]. */
export function probePicture({ width, height, seed }: NonNullable<Card['probe']>, channels: number): Uint8Array {
  const data = new Uint8Array(width * height * channels)
  let state = seed >>> 0
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = state >>> 24
  }
  return data
}
