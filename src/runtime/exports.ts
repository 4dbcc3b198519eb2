// What all entries of the runtime export: `node.ts`, `browser.ts`, `edge.ts`.
export type {
  Card,
  CardCheck,
  CardInput,
  CardMetric,
  CardValidation,
  FileCard,
  NetCard,
  NetCheck,
} from '../onnx/card.ts'
export type { SoundCardInput, SoundCheck, SoundFileCard } from '../onnx/sound-card.ts'
export type { TableCardInput, TableCardReading, TableCell, TableCheck, TableFileCard } from '../onnx/table-card.ts'
export type { TextCardInput, TextCheck, TextFileCard } from '../onnx/text-card.ts'
export { readCard } from './card.ts'
export { type ErrorKind, RunError } from './errors.ts'
export type { PredictSoundOptions, SoundModel, SoundStream, StreamOptions } from './sound/sound-model.ts'
export type { ReadCell } from './table/cells.ts'
export type { ReadRow } from './table/rows.ts'
export type { TableModel } from './table/table-model.ts'
export type { Saved as SavedClasses, Taught } from './teach.ts'
export type { PredictTextOptions, TextModel } from './text/text-model.ts'
export type * from './types.ts'
