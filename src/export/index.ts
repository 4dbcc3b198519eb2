/** Writes a trained model as one ONNX file or as a page for browsers, and checks such a file. Loads onnxruntime only for a check.
 *
 *  @module anneal/export */
export type { Card, CardCheck, CardCost, CardInput, CardMetric, CardQuantization } from '../onnx/card.ts'
export { checkFile, type Exported, type ExportOptions, exportModel, type FileCheck } from './export-model.ts'
export { type ExportedPage, exportPage, type PageOptions } from './page.ts'
export type { RuntimeName } from './runtimes.ts'
export { type ExportedFolder, exportFolder, type Target } from './targets/index.ts'
