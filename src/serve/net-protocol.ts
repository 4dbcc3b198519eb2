import type { Card } from '../onnx/card.ts'
import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import type { ReadRow } from '../runtime/table/rows.ts'
import type { ModelKind, RawSound } from '../runtime/types.ts'
import type { Answer, Pixels } from './model.ts'

/** What the thread of the nets is asked. `model`: the number that its loading got. */
export type Request = { id: number } & Asked
/** A request without its number. */
export type Asked =
  | { kind: 'load'; path: string; threads?: number | undefined; of?: ModelKind | undefined }
  | { kind: 'predict'; model: number; pictures: readonly Pixels[]; features: boolean }
  | { kind: 'rows'; model: number; rows: readonly ReadRow[] }
  | { kind: 'texts'; model: number; texts: readonly string[]; features: boolean }
  | { kind: 'decode'; model: number; recording: Uint8Array | RawSound; seconds: number }
  | { kind: 'sounds'; model: number; sounds: readonly Float32Array[]; features: boolean }
  | { kind: 'dispose'; model: number }

/** What the thread replies. */
export type Reply = { id: number } & ({ result: unknown } | { failed: { message: string; known: boolean } })

/** The results of requests. */
export interface Results {
  load: { model: number; card: Card | TableFileCard | TextFileCard | SoundFileCard }
  predict: readonly Answer[]
  rows: readonly Answer[]
  texts: readonly Answer[]
  decode: Float32Array
  sounds: readonly Answer[]
  dispose: undefined
}
