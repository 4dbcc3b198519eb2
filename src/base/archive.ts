import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AnnealError } from './errors.ts'
import { cacheError, ensureFolder } from './files.ts'

/** Where a member of an archive goes, relative to the folder it is unpacked to; `undefined` leaves it out. */
export type Pick = (name: string) => string | undefined

/** What an archive may hold before it is taken for a bomb. */
export type Limits = { bytes: number; members: number }

/** Room for a CUDA libtorch, and no more. */
export const defaultLimits: Limits = { bytes: 8e9, members: 200_000 }

/** Refuses member names that could leave their folder, or that mean different things to different systems. */
export function safeMember(archive: string, name: string): string {
  const parts = name.split('/')
  const bad = name === '' || name.startsWith('/') || /[\\\0]|^[a-zA-Z]:/.test(name) || parts.some(part => part === '..')
  if (bad) throw unsafe(archive, `its member ${JSON.stringify(name)} would leave the folder`)
  return parts.filter(part => part !== '' && part !== '.').join('/')
}

/** An archive that is not unpacked. */
export const unsafe = (archive: string, why: string): AnnealError =>
  new AnnealError(`${archive} was not unpacked: ${why}; expected a plain archive. Delete it and fetch it again`)

/** Makes a folder whole or not at all: `fill` writes into a temporary one beside it, which is then renamed. Where another
 *  process made it meanwhile, that one stays. */
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

/** Removes what killed processes left of `folder` (see {@link makeFolder}); call it while holding the lock of `folder`. */
export function sweepOf(folder: string): void {
  const start = `${basename(folder)}.`
  for (const name of existsSync(dirname(folder)) ? readdirSync(dirname(folder)) : [])
    if (name.startsWith(start) && name.endsWith('.tmp'))
      rmSync(join(dirname(folder), name), { recursive: true, force: true })
}

/** The parent folder of a member, made. */
export function parentOf(path: string): string {
  ensureFolder(dirname(path))
  return path
}
