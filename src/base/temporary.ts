import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Owner, standing, thisProcess } from './owner.ts'

const ownerFile = 'owner.json'

/** A new temporary folder of this process, whose name begins with `prefix` and `more`. Folders with this prefix that
 *  processes left behind when they were killed are removed first. */
export function temporaryFolder(prefix: string, more = ''): string {
  removeLeft(prefix)
  const dir = mkdtempSync(join(tmpdir(), prefix + more))
  writeFileSync(join(dir, ownerFile), JSON.stringify(thisProcess()))
  return dir
}

/** What can't be read or removed stays. */
function removeLeft(prefix: string): void {
  for (const name of readdirSync(tmpdir()).filter(name => name.startsWith(prefix)))
    try {
      const dir = join(tmpdir(), name)
      const owner = JSON.parse(readFileSync(join(dir, ownerFile), 'utf8')) as Owner
      if (standing(owner) === 'gone') rmSync(dir, { recursive: true, force: true })
    } catch {
      // Another user's, or one that is just being made.
    }
}
