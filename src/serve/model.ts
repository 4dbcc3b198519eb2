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

/** A loaded model as the server uses it. */
export interface ServedModel {
  readonly card: Card
  /** Decodes the bytes of one picture as training did. Throws an error whose message is the reason. */
  decode(bytes: Uint8Array): Promise<Pixels>
  /** Answers for pictures of one width and height. */
  answer(pictures: readonly Pixels[]): Promise<Answer[]>
  dispose(): Promise<void>
}
