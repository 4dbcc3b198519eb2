import { type Dirent, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { FileKind } from './file-kind.ts'

/** How many names are looked at: enough to tell what a folder holds, and a moment for any folder. */
const most = 50_000
const deepest = 12

/** Counts the files of each kind below a folder, by their names alone. No file is opened. A file of the last kind whose
 *  name without its ending is that of a file of an earlier kind belongs to that file, as `1.txt` to `1.jpg`, in this
 *  folder or in another (`images/1.jpg`, `labels/1.txt`), and is not counted. */
export function countKinds(dir: string, kinds: readonly FileKind[]): number[] {
  const names = kinds.map((): string[] => [])
  const stems = new Set<string>()
  let looked = 0
  const folders = [{ path: dir, depth: 0 }]
  for (let folder = folders.shift(); folder && looked < most; folder = folders.shift()) {
    const { path, depth } = folder
    for (const entry of entriesOf(path)) {
      if (entry.name.startsWith('.')) continue
      if (depth < deepest && isFolder(path, entry)) folders.push({ path: join(path, entry.name), depth: depth + 1 })
      else {
        looked++
        const kind = kinds.findIndex(({ isNamed }) => isNamed(entry.name))
        if (kind === -1) continue
        names[kind]!.push(stem(entry.name))
        if (kind < kinds.length - 1) stems.add(stem(entry.name))
      }
    }
  }
  return names.map((found, kind) => found.filter(name => kind < kinds.length - 1 || !stems.has(name)).length)
}

const stem = (name: string): string => name.slice(0, name.length - extname(name).length)

function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch {
    return [] // whoever reads the folder says why
  }
}

function isFolder(path: string, entry: Dirent): boolean {
  if (entry.isDirectory()) return true
  return entry.isSymbolicLink() && (statSync(join(path, entry.name), { throwIfNoEntry: false })?.isDirectory() ?? false)
}
