import type { Card } from '../onnx/card.ts'

/** Raw pixels of a picture, row by row, the channels of a pixel side by side: [height, width, channels]. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
  channels: number
}

/** What a model says of one picture. `scores` stand in the order of the card's classes. */
export type Answer = { scores: Float32Array; features?: Float32Array } & (
  | { task: 'single'; label: string; probability: number }
  | { task: 'multi'; labels: readonly string[] }
  | { task: 'regression' }
)

/** A loaded model as the server uses it: `load` gives one. */
export interface ServedModel {
  readonly card: Card
  /** Decodes the bytes of one picture as training did. Throws an error whose message is the reason. */
  decode(bytes: Uint8Array): Promise<Pixels>
  /** Answers for pictures. The server gives pictures of one width and height at a time, at most `maxBatch`. */
  predictPixels(pictures: readonly Pixels[], options?: { features?: boolean }): Promise<readonly Answer[]>
  dispose(): Promise<void>
}
