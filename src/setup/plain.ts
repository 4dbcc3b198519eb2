import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SetupError } from '../base/errors.ts'

/** Whether make, the shell and CMake can use a path unchanged. They cut other paths at `#`, `$`, `;`, quotes and
 *  blanks. */
export const isPlain = (path: string): boolean => /^[\w./+@-]+$/.test(path)

/** Names for paths that build tools can use: links in a temporary folder. */
export type PlainPaths = {
  /** The path itself if it is plain, else a link to it. */
  of(path: string): string
  remove(): void
}

/** Makes a link only for a path that needs one. Throws if no temporary folder can hold the links. */
export function plainPaths(places: readonly string[] = [tmpdir(), '/tmp', '/var/tmp', '/dev/shm']): PlainPaths {
  const links = new Map<string, string>()
  let folder: string | undefined
  return {
    of(path) {
      if (isPlain(path)) return path
      folder ??= temporary(places, path)
      const known = links.get(path)
      if (known !== undefined) return known
      const link = join(folder, `${links.size}`)
      symlinkSync(path, link)
      links.set(path, link)
      return link
    },
    remove() {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

function temporary(places: readonly string[], path: string): string {
  for (const place of places.filter(isPlain))
    try {
      return mkdtempSync(join(place, 'anneal-build-'))
    } catch {
      // Try the next place.
    }
  throw new SetupError(
    `build tools can't use the path ${path}, and no temporary folder can hold a link to it (tried ${places.join(', ')}). Set TMPDIR to a folder that can be written to, or move it to a path of letters and digits.`,
  )
}
