import { statfs } from 'node:fs/promises'
import { ImageError } from '../../base/errors.ts'
import { cacheError } from '../../base/files.ts'
import { bytes } from '../../base/format.ts'

const remedy = 'Make room, or set ANNEAL_CACHE to a folder on a larger disk.'
const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Bytes that this user may still write in a folder. */
export async function freeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** Throws if a folder has less room than is needed. */
export async function checkSpace(folder: string, needed: number): Promise<void> {
  const free = await freeSpace(folder)
  if (free < needed)
    throw new ImageError(
      `no room for the decoded pictures in ${folder}: about ${bytes(Math.ceil(needed))} more are needed, ${bytes(free)} are free. ${remedy}`,
    )
}

/** Turns an error of writing to the cache folder into one to show, with the bytes that were still needed. */
export async function writeError(error: unknown, folder: string, needed?: number): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException
  if (fullCodes.has(code ?? '')) {
    const free = await freeSpace(folder).catch(() => 0) // no room for the folder itself
    const size = needed === undefined ? '' : `about ${bytes(Math.ceil(needed))} more are needed, `
    const limit = needed !== undefined && free >= needed ? ', so a quota or a limit on file sizes refuses' : ''
    return new ImageError(
      `no room in the cache folder ${folder}: ${size}${bytes(free)} are free${limit} (${code}). ${remedy}`,
      { cause: error },
    )
  }
  return cacheError(error, (error as NodeJS.ErrnoException).path ?? folder)
}
