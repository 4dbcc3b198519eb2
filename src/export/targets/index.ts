import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { FileError, ModelError, OptionError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { option, setting } from '../../base/options.ts'
import { readCard } from '../../onnx/index.ts'
import { isRun } from '../../runs/index.ts'
import { type Exported, type ExportOptions, exportModel } from '../export-model.ts'
import type { RuntimeName } from '../runtimes.ts'
import { dockerFiles } from './docker.ts'
import type { Files, TargetModel } from './files.ts'
import { lambdaFiles } from './lambda.ts'
import { transformersFiles } from './transformers.ts'
import { workerFiles } from './worker.ts'

/** Where a folder is for: a container, AWS Lambda, Cloudflare Workers, transformers.js. */
export type Target = 'docker' | 'lambda' | 'worker' | 'transformers'

interface Writer {
  /** The place of the model in the folder. */
  model: string
  files(model: TargetModel): Promise<Files>
}
const writers: Record<Exclude<Target, 'transformers'>, Writer> = {
  docker: { model: 'model.onnx', files: dockerFiles },
  lambda: { model: 'model.onnx', files: lambdaFiles },
  worker: { model: 'assets/model.onnx', files: workerFiles },
}

/** A folder that was written. */
export interface ExportedFolder extends Exported {
  folder: string
  /** Files that were left as they are, because a person has changed them. */
  kept: readonly string[]
  /** For transformers.js: the largest difference of a probability from the trained net on equal pixels. */
  differences?: readonly { runtime: RuntimeName; difference: number }[]
}

/** Files that follow from the model, so they are always written. */
const ofModel = ['probe.png', 'probe.json', 'onnx/model.onnx', 'config.json', 'preprocessor_config.json']

/** Writes a trained model with all that runs it elsewhere into a folder: model.onnx, handler or Dockerfile, package.json,
 *  README, a test. Files of an earlier export that differ are kept, except the model and what follows from it.
 *  `out`: the folder. Default: the name of the target in the run's folder. */
export async function exportFolder(
  run: string,
  { to, out, ...options }: Omit<ExportOptions, 'net'> & { to: Target },
): Promise<ExportedFolder> {
  if (out === undefined && !statSync(run, { throwIfNoEntry: false })?.isDirectory())
    throw new ModelError(`${run}: is no run folder, so say where the folder goes: ${option('out')}.`)
  const folder = out ?? join(run, to)
  if (to === 'transformers') {
    const model = 'onnx/model.onnx'
    const [odd] = (['quantize', 'heat'] as const).filter(name => options[name])
    if (odd) throw new OptionError(`${option(odd)}: does not fit ${setting('to', to)}. Leave it out.`)
    refuseForeignFolder(folder, model)
    const { files, ...made } = await transformersFiles(run, options)
    return { ...made, file: join(folder, model), folder, kept: put(folder, files) }
  }
  const { model, files: filesOf } = writers[to]
  refuseForeignFolder(folder, model)
  const exported = await exportModel(run, { ...options, out: join(folder, model) })
  const files = await filesOf(exported).catch(error => {
    rmSync(exported.file)
    throw error
  })
  return { ...exported, folder, kept: put(folder, files) }
}

/** Writes files into a folder; returns those that it left, because they were changed. */
function put(folder: string, files: Files): string[] {
  const kept: string[] = []
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    const same = existsSync(file) && readFileSync(file).equals(Buffer.from(content))
    if (existsSync(file) && !same && !ofModel.includes(name)) kept.push(name)
    else if (!same) writeAtomic(file, content)
  }
  return kept
}

/** Refuses a folder with files that no export wrote. */
function refuseForeignFolder(folder: string, name: string): void {
  const stat = statSync(folder, { throwIfNoEntry: false })
  if (!stat) return
  if (!stat.isDirectory()) throw new FileError(`${folder}: is a file; expected a folder (${option('out')}).`)
  if (readdirSync(folder).length === 0) return
  if (isRun(folder)) throw new FileError(`${folder}: is the folder of a run; choose another one (${option('out')}).`)
  const model = join(folder, name)
  try {
    readCard(readFileSync(model), model)
  } catch (cause) {
    throw new FileError(
      `${folder}: has files, but no exported ${name}, so it is not of an earlier export. Choose an empty folder (${option('out')}).`,
      { cause },
    )
  }
}
