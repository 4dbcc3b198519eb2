import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { FileError, ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { option } from '../../base/options.ts'
import { isRun } from '../../runs/index.ts'
import { type AnyCard, readCard } from '../../runtime/card.ts'
import { readFile } from '../files.ts'
import type { Files } from './files.ts'
import { kindOf } from './kinds/index.ts'

/** Files that follow from the model, so they are always written: `probe.json` and what it names, and those of transformers.js. */
const ofModel = /^(probe\.[\w.]+|onnx\/model\.onnx|config\.json|preprocessor_config\.json)$/

/** The folder to write: `out`, or the name of the target in the run's folder. */
export function folderOf(run: string, to: string, out: string | undefined): string {
  const stat = statSync(run, { throwIfNoEntry: false })
  if (!stat && !existsSync(`${run}.json`))
    throw new ModelError(`${run}: there is no such file or folder; expected a run, or an exported model.onnx`)
  if (out === undefined && !stat?.isDirectory())
    throw new ModelError(`${run}: is no run folder, so say where the folder goes: ${option('out')}.`)
  return out ?? join(run, to)
}

/** Writes files into a folder; returns those that it left, because they were changed. */
export function put(folder: string, files: Files): string[] {
  const kept: string[] = []
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    const same = existsSync(file) && readFileSync(file).equals(Buffer.from(content))
    if (existsSync(file) && !same && !ofModel.test(name)) kept.push(name)
    else if (!same) writeAtomic(file, content)
  }
  return kept
}

/** Takes a model away again, and throws on, where the folder around it can't be written. */
export const withdrawn =
  (file: string) =>
  (error: unknown): never => {
    rmSync(file)
    throw error
  }

/** Refuses a folder with files that no export wrote, or with those of another kind of model, whose handler would be kept. format:
 *  that of the card which is written. */
export function refuseForeignFolder(folder: string, name: string, format: AnyCard['format']): void {
  const stat = statSync(folder, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isDirectory()) throw new FileError(`${folder}: is a file; expected a folder (${option('out')}).`)
  // An export that was stopped or refused leaves empty folders.
  if (readdirSync(folder, { recursive: true, withFileTypes: true }).every(entry => entry.isDirectory())) return
  if (isRun(folder)) throw new FileError(`${folder}: is the folder of a run; choose another one (${option('out')}).`)
  const model = join(folder, name)
  let own: AnyCard['format']
  try {
    own = readCard(readFile(model), model).format
  } catch (cause) {
    throw new FileError(
      `${folder}: has files, but no exported ${name}, so it is not of an earlier export. Choose an empty folder (${option('out')}).`,
      { cause },
    )
  }
  if (own !== format)
    throw new FileError(
      `${folder}: is the folder of a model of ${kindOf({ format: own }).nouns}, and this is one of ${kindOf({ format }).nouns}. Choose an empty folder (${option('out')}).`,
    )
}
