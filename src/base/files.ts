import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { FileError } from './errors.ts'

/** Writes a whole file or nothing: a temporary file beside it, fsync, rename, fsync of the folder. A crash leaves the
 *  old file or the new file, never a mixture. A full disk throws and leaves the old file. */
export function writeAtomic(path: string, ...parts: (string | Uint8Array)[]): void {
  ensureFolder(dirname(path))
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
    throw Object.assign(error as Error, { path }) // the error of a failed write has no path
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

/** Makes a folder, and the folders above it, if they are missing. Returns the folder. Throws the system's error.
 *  (Node's `mkdirSync(…, { recursive: true })` never returns if a folder can't be made below an existing one, as in
 *  /proc.) */
export function ensureFolder(folder: string): string {
  if (isFolder(folder)) return folder
  const parent = dirname(folder)
  if (parent !== folder) ensureFolder(parent)
  try {
    mkdirSync(folder)
  } catch (error) {
    if (!isFolder(folder)) throw error // another process has just made it
  }
  return folder
}

function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  } catch {
    return false // mkdirSync then throws the reason
  }
}

/** The folder for downloads, builds and decoded pictures: `ANNEAL_CACHE`, else `$XDG_CACHE_HOME/anneal`, else
 *  `~/.cache/anneal`. Always absolute. Throws if none of them gives a folder. */
export const cacheFolder = (...parts: string[]): string => join(cacheRoot(process.env), ...parts)

function cacheRoot({ ANNEAL_CACHE, XDG_CACHE_HOME, HOME }: NodeJS.ProcessEnv): string {
  if (ANNEAL_CACHE) return resolve(ANNEAL_CACHE)
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'anneal') // the XDG standard ignores relative paths
  return join(HOME ? absolute(HOME) : homeOfUser(), '.cache', 'anneal')
}

function absolute(home: string): string {
  if (isAbsolute(home)) return home
  throw new FileError(
    `HOME is "${home}", which is not an absolute path, so there is no place for the cache. ${setCache}`,
  )
}

function homeOfUser(): string {
  let home = ''
  try {
    home = userInfo().homedir
  } catch {
    // A user id without a name, as in containers.
  }
  if (isAbsolute(home)) return home
  throw new FileError(
    `HOME is not set and the system knows no home of user ${process.getuid?.() ?? ''}, so there is no place for the cache. ${setCache}`,
  )
}

/** What to do if the cache can't be written to. */
export const setCache = 'Set ANNEAL_CACHE to a folder that can be written to, such as ANNEAL_CACHE=/var/tmp/anneal.'

/** Makes a folder of the cache. If that fails, throws one line that names `ANNEAL_CACHE`. */
export function ensureCache(...parts: string[]): string {
  const folder = cacheFolder(...parts)
  try {
    return ensureFolder(folder)
  } catch (error) {
    throw cacheError(error, folder)
  }
}

/** The system's reasons to refuse a write, by their code. */
export const refusals: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
  ENOTDIR: 'there is a file where a folder is needed',
  EEXIST: 'there is a file where a folder is needed',
  ENOENT: 'no folder can be made there',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'links form a loop',
  EIO: 'the disk has an input/output error',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your quota on this disk is used',
}

/** The error to show for an error from making or writing `path`. If the path is in the cache and the system refused to
 *  write, one line that names `ANNEAL_CACHE`; otherwise the error itself. */
export function cacheError(error: unknown, path: string | undefined = (error as NodeJS.ErrnoException).path): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (!code || syscall === undefined || path === undefined || !Object.hasOwn(refusals, code)) return error
  const root = cacheFolder()
  if (resolve(path) !== root && !resolve(path).startsWith(join(root, '/'))) return error
  const todo = ['ENOSPC', 'EDQUOT'].includes(code)
    ? 'Make room, or set ANNEAL_CACHE to a folder on a larger disk.'
    : setCache
  return new FileError(
    `the cache folder ${root} can not be written to (${path}: ${refusals[code]}, ${code}). ${todo}`,
    { cause: error },
  )
}
