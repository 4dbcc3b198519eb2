import { realpathSync } from 'node:fs'
import { dirname, extname, isAbsolute, posix, resolve } from 'node:path'
import type { FileKind } from '../files/file-kind.ts'
import { type NearFile, nearFinder } from '../tables/near-names.ts'
import { listFiles } from './list-files.ts'
import { type Listing, lazy, listingOf, nameIn } from './name-patterns.ts'

/** Lists a folder for many look-ups. Opens no file. */
export function listFor(dir: string, fileKind: FileKind): Listing {
  const root = resolve(dir)
  const { files, problems } = listFiles(Buffer.from(root), fileKind)
  return listingOf(root, files, { problems, fileKind })
}

/** The index of a file in the listing; two indexes if the name may mean either file; undefined if no file matches. */
export type Found = number | [number, number] | undefined

/** How many names are used to find the folders that files lie in. */
const samples = 50

/** Names that differ from the names on the disk in the same way: their number and an example. */
export interface NearWay {
  way: string
  count: number
  name: string
  file: string
}

/** Finds the files that a column names. */
export interface Find {
  (name: string): Found
  /** Whether the complete name of the file matched (`whole`) or the name without extension (`stem`). */
  kind(name: string): 'whole' | 'stem' | undefined
  /** The same, but without near matches. */
  written(name: string): 'whole' | 'stem' | undefined
  /** The near matches: names that differ from the name on the disk. */
  near(): NearWay[]
  /** The name on the disk that is most similar to a name that was not found. */
  nearest(name: string): string | undefined
}

/** Makes a finder for the names of a column. */
export type Finder = (names: Iterable<string>) => Find

/** Makes finders of files by their names in a table. A name may be a path below the folder, below the folder of the
 *  table, or below a folder that the first `names` show; an absolute path; or a file name alone, in any folder. It may
 *  have no extension. Composed and decomposed letters (é) are equal if only one file matches. For names without a
 *  match, `near-names.ts` finds near matches, for all `names` at once. A look-up costs a few hashes. */
export function fileFinders(listing: Listing, table: string): Finder {
  const { dir, fileKind } = listing
  const names = listing.files.map((_, i) => nameIn(listing, i))
  const exact = new Map(names.map((name, i) => [name, i]))
  const paths = lazy(() => index(names, name => name))
  const bases = lazy(() => index(names, name => posix.basename(name)))
  const stems = lazy(() => index(names, stem, fileKind.isNamed))
  const baseStems = lazy(() => index(names, name => posix.basename(stem(name)), fileKind.isNamed))
  const folders = lazy(() => new Set(names.map(name => posix.dirname(name))))
  const nearly = lazy(() => nearFinder(dir, names, fileKind))
  const roots = [...new Set([dir, real(dir)])]
  const home = dirname(resolve(table))

  const below = (path: string): string | undefined => {
    for (const root of roots) if (path.startsWith(`${root}/`)) return path.slice(root.length + 1)
    return undefined
  }
  const forms = (name: string): [string, ...string[]] => {
    const path = name.includes('\\') ? name.replaceAll('\\', '/') : name
    if (isAbsolute(path)) return [below(posix.normalize(path)) ?? path]
    const plain = /^\.|\/\.|\/\//.test(path) ? posix.normalize(path) : path
    const ofTable = home === dir ? undefined : below(resolve(home, path))
    return ofTable === undefined ? [plain] : [plain, ofTable]
  }
  const asWritten = (name: string, prefixes: readonly string[]): { found: Found; whole: boolean } => {
    const wanted = forms(name)
    for (const form of wanted) {
      const at = exact.get(form)
      if (at !== undefined) return { found: at, whole: true }
    }
    for (const form of wanted) {
      const whole = paths().get(composed(form))
      const found = whole ?? stems().get(composed(form))
      if (found !== undefined) return { found, whole: whole !== undefined }
    }
    const [form] = wanted
    const under = prefixes.map(prefix => prefix + form)
    const all = under.flatMap(path => exact.get(path) ?? paths().get(composed(path)) ?? [])
    const without = all.length > 0 ? [] : under.flatMap(path => stems().get(composed(path)) ?? [])
    const some = [...all, ...without]
    if (some.length > 0) return { found: some.length === 1 ? some[0] : [some[0]!, some[1]!], whole: all.length > 0 }
    if (form.includes('/')) return { found: undefined, whole: false }
    const whole = bases().get(composed(form))
    return { found: whole ?? baseStems().get(composed(form)), whole: whole !== undefined }
  }
  return wanted => {
    const all = new Set(wanted)
    all.delete('')
    const prefixes = shownFolders(folders, all)
    const look = (name: string) => asWritten(name, prefixes)
    const near = lazy(() => {
      const claimed = new Set<number>()
      const lost: string[] = []
      for (const name of all) {
        const { found } = look(name)
        if (typeof found === 'number') claimed.add(found)
        else if (found === undefined) lost.push(name)
      }
      return lost.length === 0 ? new Map<string, NearFile>() : nearly().find(lost, claimed)
    })
    const find = (name: string): Found => (name === '' ? undefined : (look(name).found ?? near().get(name)?.file))
    const written = (name: string) => {
      const { found, whole } = name === '' ? { whole: false } : look(name)
      return found === undefined ? undefined : whole ? 'whole' : 'stem'
    }
    return Object.assign(find, {
      written,
      kind: (name: string) => {
        const kind = written(name)
        if (kind || name === '') return kind
        return near().has(name) ? (looksNamed(name, fileKind) ? 'whole' : 'stem') : undefined
      },
      near: () => waysOf(near(), names),
      nearest: (name: string) => nearly().nearest(name),
    } as const)
  }
}

/** Whether a cell ends with the extension of a picture. Quotes, and the part of an address after ? or #, are
 *  ignored. */
export const looksNamed = (cell: string, { isNamed }: FileKind): boolean =>
  isNamed(cell.replace(/[?#].*$|['"`\]]+$/g, ''))

function waysOf(near: ReadonlyMap<string, NearFile>, names: readonly string[]): NearWay[] {
  const ways = new Map<string, NearWay>()
  for (const [name, { file, way }] of near) {
    const before = ways.get(way)
    if (before) before.count++
    else ways.set(way, { way, count: 1, name, file: names[file]! })
  }
  return [...ways.values()]
}

const composed = (name: string): string => (/^[\x20-\x7e]*$/.test(name) ? name : name.normalize('NFC'))
const stem = (name: string): string => name.slice(0, name.length - extname(name).length)

/** The files of each key with composed letters; two of them if a key has several. */
function index(
  names: readonly string[],
  key: (name: string) => string,
  allowed: (name: string) => boolean = () => true,
): Map<string, number | [number, number]> {
  const found = new Map<string, number | [number, number]>()
  names.forEach((name, i) => {
    if (!allowed(name)) return
    const at = composed(key(name))
    const before = found.get(at)
    if (before === undefined) found.set(at, i)
    else if (typeof before === 'number') found.set(at, [before, i])
  })
  return found
}

/** The folders below which names that contain folders are found: `images/` if `a/1.jpg` is at `images/a/1.jpg`. */
function shownFolders(folders: () => ReadonlySet<string>, names: Iterable<string>): string[] {
  const counts = new Map<string, number>()
  let left = samples
  for (const name of names) {
    if (!name.includes('/') || isAbsolute(name)) continue
    if (--left < 0) break
    const own = `/${posix.dirname(name)}`
    for (const folder of folders())
      if (folder.endsWith(own)) {
        const prefix = folder.slice(0, folder.length - own.length + 1)
        counts.set(prefix, (counts.get(prefix) ?? 0) + 1)
      }
  }
  return Array.from(counts)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([prefix]) => prefix)
}

const real = (dir: string): string => {
  try {
    return realpathSync(dir)
  } catch {
    return dir
  }
}
