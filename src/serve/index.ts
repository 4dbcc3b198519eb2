/** Serves an exported model over HTTP: as a server, or as a fetch handler for your own.
 *
 *  @module anneal/serve */
export type * from '../onnx/card-types.ts'
export type { ReadCell } from '../runtime/table/cells.ts'
export type { ReadRow } from '../runtime/table/rows.ts'
export type { ModelKind, RawSound } from '../runtime/types.ts'
export { createHandler, type Handler, type HandlerOptions } from './handler.ts'
export { load } from './load.ts'
export type {
  Answer,
  Pixels,
  ServedModel,
  ServedOf,
  ServedPictures,
  ServedSounds,
  ServedTable,
  ServedTexts,
} from './model.ts'
export type { HandlerSettings } from './options.ts'
export type { Reason } from './refused.ts'
export { type Listening, type ListenOptions, listen } from './server.ts'
