import type { Card } from '../onnx/card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import type { ReadRow } from '../runtime/table/rows.ts'
import type { ModelKind } from '../runtime/types.ts'
import type { Answer, Pixels } from './model.ts'

/** What the thread of the nets is asked. `model`: the number that its loading got. */
export type Request = { id: number } & Asked
/** A request without its number. */
export type Asked =
  | { kind: 'load'; path: string; threads?: number | undefined; of?: ModelKind | undefined }
  | { kind: 'predict'; model: number; pictures: readonly Pixels[]; features: boolean }
  | { kind: 'rows'; model: number; rows: readonly ReadRow[] }
  | { kind: 'texts'; model: number; texts: readonly string[]; features: boolean }
  | { kind: 'dispose'; model: number }

/** What the thread replies. */
export type Reply = { id: number } & ({ result: unknown } | { failed: { message: string; known: boolean } })

/** The results of requests. */
export interface Results {
  load: { model: number; card: Card | TableFileCard | TextFileCard }
  predict: readonly Answer[]
  rows: readonly Answer[]
  texts: readonly Answer[]
  dispose: undefined
}
