import * as data from '../../src/data/index.ts'
import * as folders from '../../src/data/labels/from-folders.ts'
import type { FolderOptions } from '../../src/data/labels/options.ts'
import * as tables from '../../src/data/tables/table.ts'
import { pictureFiles } from '../../src/vision/decode/formats.ts'

/** What `src/data` is told where files are pictures, as `src/vision` does. */
export const ofPictures = { fileKind: pictureFiles }

export const readTable = (file: string): Promise<tables.Table> => tables.readTable(file, ofPictures)

export const indexFolder = (dir: string, options: FolderOptions = {}): data.FolderIndex =>
  folders.indexFolder(dir, options, ofPictures)

export const indexForEvaluation = (dir: string, options: data.EvaluationOptions): Promise<data.FolderIndex> =>
  data.indexForEvaluation(dir, options, ofPictures)
