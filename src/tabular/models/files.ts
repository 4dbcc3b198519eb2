import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileReason, ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import type { TableModelName } from '../types.ts'

/** `model.json` of a saved model of a table. */
export interface ModelFile {
  model: TableModelName
  /** Of `both`: the models that are averaged, and the weight of each. */
  weights?: Partial<Record<TableModelName, number>>
}

const format = 'anneal-table-model'

/** Writes `model.json`. It is written last: a folder with it has all other files of the model. */
export function writeModelFile(dir: string, file: ModelFile): void {
  writeAtomic(join(dir, 'model.json'), `${JSON.stringify({ format, version: 1, ...file }, null, 1)}\n`)
}

/** Reads a file of JSON that begins with its format. Throws if it is another one. */
export function readCardFile<T>(file: string, wanted: string): T {
  let found: { format?: string; version?: number }
  try {
    found = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new ModelError(
      `${file}: no model of a table can be read: ${fileReason(cause)}; give the folder of a trained run`,
      {
        cause,
      },
    )
  }
  if (found.format !== wanted || found.version !== 1)
    throw new ModelError(
      `${file}: expected the format "${wanted}", version 1, got "${found.format}", version ${found.version}; train the model again with this version of Anneal`,
    )
  return found as T
}

/** Reads `model.json`. */
export const readModelFile = (dir: string): ModelFile => readCardFile(join(dir, 'model.json'), format)
