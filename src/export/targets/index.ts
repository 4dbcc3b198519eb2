import { join } from 'node:path'
import { OptionError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import type { Card, FileCard, SoundFileCard, TableFileCard, TextFileCard } from '../../onnx/index.ts'
import type { AnyCard } from '../../runtime/card.ts'
import { type ExportOptions, exportModel } from '../export-model.ts'
import type { RuntimeName } from '../runtimes.ts'
import { type ExportSoundOptions, exportSound } from '../sound/export-sound.ts'
import { type ExportTableOptions, exportTableTo } from '../table/export-table.ts'
import { type ExportTextOptions, exportText } from '../text/export-text.ts'
import { dockerFiles } from './docker.ts'
import type { Files, TargetModel } from './files.ts'
import { folderOf, put, refuseForeignFolder, withdrawn } from './folder.ts'
import { lambdaFiles } from './lambda.ts'
import { transformersFiles } from './transformers.ts'
import { refuseForWorker, workerFiles } from './worker.ts'

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
export interface ExportedFolder<C extends FileCard = Card> {
  /** The model in it. */
  file: string
  bytes: number
  card: C
  folder: string
  /** Files that were left as they are, because a person has changed them. */
  kept: readonly string[]
  /** For transformers.js: the largest difference of a probability from the trained net on equal pixels. */
  differences?: readonly { runtime: RuntimeName; difference: number }[]
  /** Of a table: why the check has no validation rows, if it has none. */
  note?: string
}

/** Writes the folder of a server or a worker around the model that `exported` writes. */
async function folderAround<C extends AnyCard, E extends { file: string; bytes: number; card: C }>(
  run: string,
  { to, out, format }: { to: Exclude<Target, 'transformers'>; out?: string | undefined; format: C['format'] },
  exported: (file: string) => Promise<E>,
): Promise<E & { folder: string; kept: readonly string[] }> {
  const folder = folderOf(run, to, out)
  const { model, files: filesOf } = writers[to]
  refuseForeignFolder(folder, model, format)
  const made = await exported(join(folder, model))
  const files = await filesOf(made).catch(withdrawn(made.file))
  return { ...made, folder, kept: put(folder, files) }
}

/** Writes a trained model of pictures with all that runs it elsewhere into a folder: model.onnx, handler or Dockerfile,
 *  package.json, README, a test. Files of an earlier export that differ are kept, except the model and what follows from it.
 *  `out`: the folder. Default: the name of the target in the run's folder. */
export async function exportFolder(
  run: string,
  { to, out, ...options }: Omit<ExportOptions, 'net'> & { to: Target },
): Promise<ExportedFolder> {
  if (to !== 'transformers')
    return folderAround(run, { to, out, format: 'anneal-model' }, file => exportModel(run, { ...options, out: file }))
  const folder = folderOf(run, to, out)
  const model = 'onnx/model.onnx'
  const [odd] = (['quantize', 'heat'] as const).filter(name => options[name])
  if (odd) throw new OptionError(`${option(odd)}: does not fit ${setting('to', to)}. Leave it out.`)
  refuseForeignFolder(folder, model, 'anneal-model')
  const { files, ...made } = await transformersFiles(run, options)
  return { ...made, file: join(folder, model), folder, kept: put(folder, files) }
}

/** The target of a model that is none of pictures. Throws for transformers.js. */
function server(to: Target, of: string): Exclude<Target, 'transformers'> {
  if (to !== 'transformers') return to
  throw new OptionError(
    `${setting('to', to)}: writes the folder that transformers.js reads of a model of pictures, and this is a model of ${of}. Take ${setting('to', 'docker')}, ${setting('to', 'lambda')} or ${setting('to', 'worker')}.`,
  )
}

/** The same for a model of a table: its folder takes rows. */
export const exportTableFolder = async (
  run: string,
  { to, out, ...options }: ExportTableOptions & { to: Target },
): Promise<ExportedFolder<TableFileCard>> =>
  folderAround(run, { to: server(to, 'a table'), out, format: 'anneal-table-model' }, file =>
    exportTableTo(to === 'worker' ? refuseForWorker : () => {}, run, { ...options, out: file }),
  )

/** The same for a model of texts. */
export const exportTextFolder = async (
  run: string,
  { to, out, ...options }: ExportTextOptions & { to: Target },
): Promise<ExportedFolder<TextFileCard>> =>
  folderAround(run, { to: server(to, 'texts'), out, format: 'anneal-text-model' }, file =>
    exportText(run, { ...options, out: file }),
  )

/** The same for a model of sounds: its folder takes recordings. */
export const exportSoundFolder = async (
  run: string,
  { to, out, ...options }: ExportSoundOptions & { to: Target },
): Promise<ExportedFolder<SoundFileCard>> =>
  folderAround(run, { to: server(to, 'sounds'), out, format: 'anneal-sound-model' }, file =>
    exportSound(run, { ...options, out: file }),
  )
