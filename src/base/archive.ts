import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type AnnealError, DownloadError } from './errors.ts'
import { cacheError, ensureFolder } from './files.ts'

/** The path of a member of an archive, relative to the folder it is unpacked to; `undefined` leaves it out. */
export type Pick = (name: string) => string | undefined

/** The largest content of an archive. A larger archive counts as an archive bomb. */
export type Limits = { bytes: number; members: number }

/** Just enough for a CUDA libtorch. */
export const defaultLimits: Limits = { bytes: 8e9, members: 200_000 }

/** Throws for a member name that could leave its folder or that has different meanings on different systems. */
export function safeMember(archive: string, name: string): string {
  const safe = plainMember(name)
  if (safe === undefined) throw unsafe(archive, `its member ${JSON.stringify(name)} would leave the folder`)
  return safe
}

/** A member name without `./`; undefined if it could leave its folder or has different meanings on different systems. */
export function plainMember(name: string): string | undefined {
  const parts = name.split('/')
  if (name === '' || name.startsWith('/') || /[\\\0]|^[a-zA-Z]:/.test(name) || parts.includes('..')) return undefined
  return parts.filter(part => part !== '' && part !== '.').join('/')
}

/** The error for an archive that is not unpacked. */
export const unsafe = (archive: string, why: string): AnnealError =>
  new DownloadError(`${archive} was not unpacked: ${why}; expected a plain archive. Delete it and fetch it again`)

/** Makes a complete folder or none: `fill` writes into a temporary folder beside it, which is then renamed. If another
 *  process has made the folder meanwhile, that one stays. */
export async function makeFolder(folder: string, fill: (temp: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder
  const temp = `${folder}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    ensureFolder(temp)
    await fill(temp)
    renameSync(temp, folder)
  } catch (error) {
    if (!existsSync(folder)) throw cacheError(error)
  } finally {
    rmSync(temp, { recursive: true, force: true })
  }
  return folder
}

/** Removes temporary files and folders (`*.tmp`) that a killed process left in `folder` over an hour ago. */
export function sweep(folder: string): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    if (name.endsWith('.tmp') && age > 3600_000) rmSync(path, { recursive: true, force: true })
  }
}

/** Removes the temporary folders of `folder` that killed processes left (see {@link makeFolder}). Call it while holding
 *  the lock of `folder`. */
export function sweepOf(folder: string): void {
  const start = `${basename(folder)}.`
  for (const name of existsSync(dirname(folder)) ? readdirSync(dirname(folder)) : [])
    if (name.startsWith(start) && name.endsWith('.tmp'))
      rmSync(join(dirname(folder), name), { recursive: true, force: true })
}

/** Makes the parent folder of a path. Returns the path. */
export function parentOf(path: string): string {
  ensureFolder(dirname(path))
  return path
}
