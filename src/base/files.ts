import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Writes a whole file or nothing: temp file beside it, fsync, rename, fsync of the folder. A crash leaves the old file
 *  or the new one, never a mixture; a full disk throws and leaves the old one. */
export function writeAtomic(path: string, ...parts: (string | Uint8Array)[]): void {
  mkdirSync(dirname(path), { recursive: true })
  const temp = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const fd = openSync(temp, 'wx')
    try {
      for (const part of parts) writeAll(fd, typeof part === 'string' ? Buffer.from(part) : part)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temp, path)
  } catch (error) {
    rmSync(temp, { force: true })
    throw Object.assign(error as Error, { path }) // a failed write does not say of what
  }
  syncFolder(dirname(path))
}

function writeAll(fd: number, data: Uint8Array): void {
  for (let offset = 0; offset < data.byteLength; ) offset += writeSync(fd, data, offset)
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Where downloads, builds and decoded pictures are kept: `ANNEAL_CACHE`, else `$XDG_CACHE_HOME/anneal`, else `~/.cache/anneal`. */
export function cacheFolder(...parts: string[]): string {
  const root = process.env.ANNEAL_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'anneal')
  return join(root, ...parts)
}
