import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { FileError, fileReason } from '../base/errors.ts'
import { ensureFolder } from '../base/files.ts'
import { option } from '../base/options.ts'
import { findSoundCard, findTableCard, findTextCard, readCard } from '../onnx/index.ts'

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
