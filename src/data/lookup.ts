import { realpathSync } from 'node:fs'
import { dirname, extname, isAbsolute, posix, resolve } from 'node:path'
import { namedAsPicture } from './magic.ts'
import { type Listing, listingOf, nameIn } from './names.ts'
import { listFiles } from './walk.ts'

/** Lists a folder for many look-ups; opens no file. */
export function listFor(dir: string): Listing {
  const root = resolve(dir)
  const { files, problems } = listFiles(Buffer.from(root))
  return listingOf(root, files, problems)
}

/** The number of a file in the listing, two where a name may mean either, undefined where there is none. */
export type Found = number | [number, number] | undefined

/** How many names are asked for the folders that they lie in. */
const samples = 50

/** Finds a file by its name. */
export type Find = (name: string) => Found

/** Makes finders of files by what a table calls them: a path below the folder, below the table's own, or below a folder
 *  that the first of `names` show; an absolute path; the name alone, wherever the file lies; each with its extension or
 *  without. Composed and decomposed letters (é) are the same where only one file is meant. A look-up costs a few hashes. */
export function fileFinders(listing: Listing, table: string): (names: Iterable<string>) => Find {
  const { dir } = listing
  const names = listing.files.map((_, i) => nameIn(listing, i))
  const exact = new Map(names.map((name, i) => [name, i]))
  const paths = lazy(() => index(names, name => name))
  const bases = lazy(() => index(names, name => posix.basename(name)))
  const stems = lazy(() => index(names, stem, namedAsPicture))
  const baseStems = lazy(() => index(names, name => posix.basename(stem(name)), namedAsPicture))
  const folders = lazy(() => new Set(names.map(name => posix.dirname(name))))
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
  return names => {
    const prefixes = shownFolders(folders, names)
    return name => {
      if (name === '') return undefined
      const wanted = forms(name)
      for (const form of wanted) {
        const at = exact.get(form)
        if (at !== undefined) return at
      }
      for (const form of wanted) {
        const found = stems().get(composed(form)) ?? paths().get(composed(form))
        if (found !== undefined) return found
      }
      const [form] = wanted
      const under = prefixes.map(prefix => prefix + form)
      const found = under.flatMap(
        path => exact.get(path) ?? stems().get(composed(path)) ?? paths().get(composed(path)) ?? [],
      )
      if (found.length > 0) return found.length === 1 ? found[0] : [found[0]!, found[1]!]
      return form.includes('/') ? undefined : (bases().get(composed(form)) ?? baseStems().get(composed(form)))
    }
  }
}

const composed = (name: string): string => (/^[\x20-\x7e]*$/.test(name) ? name : name.normalize('NFC'))
const stem = (name: string): string => name.slice(0, name.length - extname(name).length)

function lazy<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

/** Files by a key with composed letters, two where a key has several. */
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

/** Folders below which names with folders of their own are found: `images/` for `a/1.jpg` at `images/a/1.jpg`. */
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
