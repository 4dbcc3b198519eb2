import type { Card } from '../onnx/card.ts'
import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import type { ReadRow } from '../runtime/table/rows.ts'
import type { ModelKind, RawSound } from '../runtime/types.ts'

/** Raw pixels of a picture, row by row, the channels of a pixel side by side: [height, width, channels]. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
  channels: number
}

/** What a model says of one picture, row, text or recording. `scores` stand in the order of the card's classes. `unknown`: the columns whose
 *  word training did not have. */
export type Answer = { scores: Float32Array; features?: Float32Array; unknown?: readonly string[] } & (
  | { task: 'single'; label: string; probability: number }
  | { task: 'multi'; labels: readonly string[] }
  | { task: 'regression' }
)

/** A loaded model of pictures as the server uses it: `load` gives one. */
export interface ServedPictures {
  readonly kind?: 'picture'
  readonly card: Card
  /** Decodes the bytes of one picture as training did. Throws an error whose message is the reason. */
  decode(bytes: Uint8Array): Promise<Pixels>
  /** Answers for pictures. The server gives pictures of one width and height at a time, at most `maxBatch`. */
  predictPixels(pictures: readonly Pixels[], options?: { features?: boolean }): Promise<readonly Answer[]>
  dispose(): Promise<void>
}

/** A loaded model of a table as the server uses it: `load` gives one. */
export interface ServedTable {
  readonly kind: 'table'
  readonly card: TableFileCard
  /** Answers for rows that were read for its card, at most `maxBatch` at a time. */
  predictRead(rows: readonly ReadRow[]): Promise<readonly Answer[]>
  dispose(): Promise<void>
}

/** A loaded model of texts as the server uses it: `load` gives one. */
export interface ServedTexts {
  readonly kind: 'text'
  readonly card: TextFileCard
  /** Answers for texts, none of them empty, at most `maxBatch` at a time. */
  predict(texts: readonly string[], options?: { features?: boolean }): Promise<readonly Answer[]>
  dispose(): Promise<void>
}

/** A loaded model of sounds as the server uses it: `load` gives one. */
export interface ServedSounds {
  readonly kind: 'sound'
  readonly card: SoundFileCard
  /** Decodes the bytes of one recording, or takes its samples, as training did: one channel at the card's rate, of at most
   *  `limitSeconds`. Throws an error whose message is the reason. */
  decode(recording: Uint8Array | RawSound, options: { limitSeconds: number }): Promise<Float32Array>
  /** Answers for decoded recordings, at most `maxBatch` at a time. */
  predictSamples(sounds: readonly Float32Array[], options?: { features?: boolean }): Promise<readonly Answer[]>
  dispose(): Promise<void>
}

/** A loaded model. */
export type ServedModel = ServedPictures | ServedTable | ServedTexts | ServedSounds
/** A loaded model by its kind. */
export type ServedOf<K extends ModelKind> = {
  picture: ServedPictures
  table: ServedTable
  text: ServedTexts
  sound: ServedSounds
}[K]

/** An answer, and the model that gave it. */
export interface Answered {
  answer: Answer
  by: Version
}

/** A loaded model under its name and version. */
export interface Version {
  model: ServedModel
  name: string
  version: string
}

/** The first 12 letters of the digest of a model's weights. */
export const versionOf = (model: ServedModel): string => digestOf(model).slice(0, 12) || '1'

/** The digest of a model's weights. */
export function digestOf({ card }: ServedModel): string {
  const first = card.format === 'anneal-table-model' ? Object.values(card.digests)[0] : card.digests.weights[0]
  return first ?? ''
}
