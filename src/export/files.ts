import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as pause } from 'node:timers/promises'
import { FileError, fileReason } from '../base/errors.ts'
import { ensureFolder, writeAtomic } from '../base/files.ts'
import { option } from '../base/options.ts'
import { findSoundCard, findTableCard, findTextCard, readCard } from '../onnx/index.ts'
import { stemOf } from '../train/saved-model.ts'

/** The folder of a run, or the one that a saved model lies in. */
export const homeOf = (run: string): string =>
  statSync(run, { throwIfNoEntry: false })?.isDirectory() ? run : dirname(stemOf(run))

/** The file that an export writes: `out`, or by its usual name in a folder. Throws if it can't be written, or is something
 *  else than an exported model. */
export function fileToWrite(out: string | undefined, folder: string, name = 'model.onnx'): string {
  const file = out ?? join(folder, name)
  refuseForeign(file)
  refuseUnwritable(file)
  return file
}

/** Writes an exported file, unless the signal came before. */
export async function writeExport(file: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  await pause() // lets a signal come through
  signal?.throwIfAborted()
  writeAtomic(file, bytes)
}

/** Refuses to write over a file that is no exported model. */
export function refuseForeign(file: string): void {
  if (!existsSync(file)) return
  try {
    const bytes = readFile(file)
    if (!findTableCard(bytes, file) && !findTextCard(bytes, file) && !findSoundCard(bytes, file)) readCard(bytes, file)
  } catch (cause) {
    throw new FileError(
      `${file}: exists and is no exported model; choose another file (${option('out')}), or remove it.`,
      { cause },
    )
  }
}

/** Refuses a place that can't be written to, before the work. */
export function refuseUnwritable(file: string): void {
  try {
    accessSync(ensureFolder(dirname(file)), constants.W_OK)
  } catch (cause) {
    throw new FileError(`${file}: can not be written: ${fileReason(cause)}. Choose another file (${option('out')}).`, {
      cause,
    })
  }
}

/** Reads an exported file. */
export function readFile(file: string): Uint8Array {
  try {
    // Reading a pipe or a device may never end.
    const stat = statSync(file)
    if (!stat.isFile() && !stat.isDirectory()) throw new Error('it is no regular file')
    return readFileSync(file)
  } catch (cause) {
    throw new FileError(`${file}: ${fileReason(cause)}; expected a file that \`anneal export\` wrote.`, { cause })
  }
}
