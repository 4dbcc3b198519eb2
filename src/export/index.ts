/** Writes a trained model of pictures, of a table, of texts or of sounds as one ONNX file, or as a page for browsers, and checks such a file. Loads onnxruntime only for a check.
 *
 *  @module anneal/export */
export type * from '../onnx/card-types.ts'
export type { PagePlace } from '../page/write.ts'
export type { OpenEmbedder, TextEmbedder } from '../tabular/texts/embedder.ts'
export type { ProbeDifference } from './check-file.ts'
export { checkFile, type Exported, type ExportOptions, exportModel, type FileCheck } from './export-model.ts'
export type { CommonExportOptions, NetExportOptions } from './options.ts'
export { type ExportedPage, exportPage, type PageOptions } from './page.ts'
export type { RuntimeName } from './runtimes.ts'
export {
  checkSoundFile,
  type ExportedSound,
  type ExportSoundOptions,
  exportSound,
  type SoundFileCheck,
} from './sound/export-sound.ts'
export { type ExportedSoundPage, exportSoundPage, type SoundPageOptions } from './sound/page.ts'
export {
  checkTableFile,
  type ExportedTable,
  type ExportTableOptions,
  exportTable,
  type TableFileCheck,
} from './table/export-table.ts'
export { type ExportedTablePage, exportTablePage, type TablePageOptions } from './table/page.ts'
export {
  type ExportedFolder,
  exportFolder,
  exportSoundFolder,
  exportTableFolder,
  exportTextFolder,
  type Target,
} from './targets/index.ts'
export {
  checkTextFile,
  type ExportedText,
  type ExportTextOptions,
  exportText,
  type TextFileCheck,
} from './text/export-text.ts'
export { type ExportedTextPage, exportTextPage, type TextPageOptions } from './text/page.ts'
