import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Place } from '../types.ts'
import { indexTar, type Member, stampOf, type Tar, tarError } from './tar-index.ts'

/** A sample in a tar has the path `photos-000000.tar/cat/1.jpg`: that of the tar, then its name there. */
interface Inside {
  tar: Tar
  name: string
  member: Member
}

const opened = new Map<string, Tar>()

/** The index of a tar, read again if the file has changed. */
export function tarAt(path: string): Tar {
  const there = opened.get(path)
  if (there !== undefined && there.stamp === stampOf(path)) return there
  const tar = indexTar(path)
  opened.set(path, tar)
  return tar
}

/** Finds the member that a path means; undefined if no part of the path is a tar, or if the tar has no such member. */
function inside(path: string): Inside | undefined {
  for (let at = path.indexOf('.tar/'); at >= 0; at = path.indexOf('.tar/', at + 1)) {
    const file = path.slice(0, at + 4)
    if (!opened.has(file) && !isFile(file)) continue
    const name = path.slice(at + 5)
    const tar = tarAt(file)
    const member = tar.members.get(name)
    return member && { tar, name, member }
  }
  return undefined
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false // also for a path below a file, as those of members are
  }
}

/** The name of a member in its tar, if the path means one. */
export const nameInTar = (path: string): string | undefined => inside(path)?.name

/** The content of a member of a tar, in memory from `room`; undefined if the path means none. */
export async function readMember(
  path: string,
  room: (bytes: number) => Uint8Array = Buffer.allocUnsafeSlow,
): Promise<Uint8Array | undefined> {
  const found = inside(path)
  if (found === undefined) return undefined
  const { tar, name, member } = found
  const handle = await open(tar.path, 'r')
  try {
    const bytes = room(member.size)
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, member.offset + done)
      if (bytesRead === 0) throw tarError(tar.path, `it became shorter while its member ${name} was read`)
      done += bytesRead
    }
    return bytes
  } finally {
    await handle.close()
  }
}

/** The content of a sample: of a file, or of a member of a tar. Throws as `readFileSync` does if there is none. */
export function readSampleSync({ file, raw }: Place): Buffer {
  const found = raw ? undefined : inside(file)
  if (found === undefined) return readFileSync(raw ? Buffer.from(raw) : file)
  const { tar, member } = found
  const fd = openSync(tar.path, 'r')
  try {
    const bytes = Buffer.alloc(member.size)
    for (let done = 0, count = 1; count > 0 && done < bytes.length; done += count)
      count = readSync(fd, bytes, done, bytes.length - done, member.offset + done)
    return bytes
  } finally {
    closeSync(fd)
  }
}

/** Whether a path is a regular file, or a member of a tar. */
export const isSampleFile = (path: string): boolean => isFile(path) || inside(path) !== undefined

/** What shows whether a member of a tar is still the same: the stamp of the tar and the place in it; `changed`: when the tar
 *  changed last, in milliseconds. Undefined if the path means no member. */
export function memberStamp(path: string): { text: string; changed: number } | undefined {
  const found = inside(path)
  if (found === undefined) return undefined
  const { tar, member } = found
  const { ctimeMs, mtimeMs } = statSync(tar.path)
  return { text: `${tar.stamp} ${member.offset} ${member.size}`, changed: Math.max(ctimeMs, mtimeMs) }
}
