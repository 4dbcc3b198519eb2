import { basename, posix } from 'node:path'
import { nearest } from '../../base/errors.ts'
import type { FileKind } from '../files/file-kind.ts'
import { lazy, splitNamed } from '../labels/name-patterns.ts'

/** A file whose name in the table is nearly its name on the disk, and how the names differ. */
export interface NearFile {
  file: number
  way: string
}

/** Finds files whose names are nearly those in a table, if only one file is possible. */
export interface NearFinder {
  /** The file of each name. `names`: the names without an exact match; `claimed`: files that other names already mean.
   *  Two names never get the same file; a name without a file is left out. */
  find(names: Iterable<string>, claimed: ReadonlySet<number>): Map<string, NearFile>
  /** The name on the disk that is most like this one, for an error. */
  nearest(name: string): string | undefined
}

/** A name after cleaning, and what was removed (`ways`). */
interface Clean {
  dirs: string[]
  base: string
  ways: string[]
  url: boolean
}

const entities: Record<string, string> = { amp: '&', quot: '"', apos: "'", '#39': "'", lt: '<', gt: '>' }

/** Cleans a name and splits it into folders and file name. Reads `https://host/a%20b.jpg?x=1`, `file:///C:/a.jpg`,
 *  `C:\photos\a.jpg`, `'a.jpg'`, `['a.jpg']`, `b'a.jpg'` and `7.0`. */
function cleaned(name: string): Clean {
  const ways: string[] = []
  let url = false
  let text = name
  const change = (next: string, way: string) => {
    if (next !== text) {
      text = next
      if (way) ways.push(way)
    }
  }
  const inside = /^(?:b?(['"`])(.*)\1|\[\s*(['"])(.*)\3\s*\]|“(.*)”)$/s.exec(text)
  if (inside) change(inside[2] ?? inside[4] ?? inside[5]!, 'without the quotes around it')
  const address = /^([a-z][a-z0-9+.-]+):\/\/(?:[^/\\]*)\/?/i.exec(text)
  if (address) {
    url = address[1]!.toLowerCase() !== 'file'
    change(text.slice(address[0].length), 'without the address in front')
  }
  if (url || /\.\w{3,4}[?#]/.test(text))
    change(text.replace(/[?#].*$/s, ''), url ? '' : 'without the part after ? or #')
  change(
    text.replace(/&(amp|quot|apos|#39|lt|gt);/g, (_, entity: string) => entities[entity]!),
    'by reading &amp; and the like as characters',
  )
  if (/%[0-9a-f]{2}/i.test(text))
    try {
      change(decodeURIComponent(text), 'by reading %20 and the like as characters')
    } catch {} // a percent sign that encodes nothing
  if (/^\d+\.0+$/.test(text)) change(text.replace(/\.0+$/, ''), 'as a whole number')
  const path = posix.normalize(text.replaceAll('\\', '/').replace(/^\/?[a-z]:(?=\/)/i, ''))
  const parts = path.split('/').filter(part => part !== '' && part !== '.' && part !== '..')
  return { dirs: parts.slice(0, -1), base: parts.at(-1) ?? '', ways, url }
}

const composed = (name: string): string => (/^[\x20-\x7e]*$/.test(name) ? name : name.normalize('NFC'))
const lower = (name: string): string => composed(name).toLowerCase()
const zeroless = (name: string): string => name.replace(/(^|\D)0+(?=\d)/g, '$1')

/** One way to compare names: the key, and the comparison in words. */
interface Level {
  key: (base: string) => string
  way: string
  /** For names in the table with an extension. */
  ending: boolean
  /** Compares names without extensions. */
  stemOnly: boolean
}

/** The comparisons of names, the strictest first. If the name in the table has no extension, the extensions of the files
 *  are ignored. `coarse` is the loosest key: names with different ones are never near. */
function comparisons({ isNamed }: FileKind) {
  const stem = (name: string): string => (isNamed(name) ? name.slice(0, name.lastIndexOf('.')) : name)
  const lowerStem = (base: string) => lower(stem(base))
  const coarse = (base: string) => zeroless(lowerStem(base))
  const levels: Level[] = [
    { key: composed, way: '', ending: true, stemOnly: false },
    { key: base => composed(stem(base)), way: '', ending: false, stemOnly: true },
    { key: lower, way: 'by ignoring upper and lower case', ending: true, stemOnly: false },
    { key: lowerStem, way: 'by ignoring upper and lower case', ending: false, stemOnly: true },
    { key: base => zeroless(lower(base)), way: 'by ignoring zeros in front of numbers', ending: true, stemOnly: false },
    { key: lowerStem, way: 'with another ending', ending: true, stemOnly: true },
    { key: coarse, way: 'by ignoring zeros in front of numbers', ending: false, stemOnly: true },
    {
      key: coarse,
      way: 'with another ending, and by ignoring zeros in front of numbers',
      ending: true,
      stemOnly: true,
    },
  ]
  return { levels, coarse, lowerStem }
}

/** How many files with the same name are compared. If more files have it, the name alone identifies no file. */
const mostAlike = 200
const mostCompared = 3000

/** Makes a finder for the names below the folder `dir`. Each index is built when it is first needed. */
export function nearFinder(dir: string, names: readonly string[], fileKind: FileKind): NearFinder {
  const { isNamed } = fileKind
  const { levels, coarse, lowerStem } = comparisons(fileKind)
  const byName = lazy(() => indexBy(names, name => coarse(posix.basename(name))))
  const byFolder = lazy(() => indexBy(names, name => `${parentOf(name)}/${coarse(posix.basename(name))}`))
  const folders = lazy(() => new Set(names.map(name => lower(posix.dirname(name)))))
  /** Files with the same name by the loosest comparison; if they are too many, only those in a folder of the same
   *  name. */
  const alike = ({ base, dirs }: Clean): readonly number[] => {
    const all = byName().get(coarse(base)) ?? []
    if (all.length <= mostAlike) return all
    const beside = byFolder().get(`${lower(dirs.at(-1) ?? '')}/${coarse(base)}`) ?? []
    return beside.length <= mostAlike ? beside : []
  }
  const dirsOf = (file: number) => lower(names[file]!).split('/').slice(0, -1)

  /** How many folders of a name and a file agree, counted from the last; undefined if they contradict each other. */
  const agreement = ({ dirs, url }: Clean, file: number): number | undefined => {
    const wanted = dirs.map(lower)
    const there = dirsOf(file)
    let common = 0
    while (common < Math.min(wanted.length, there.length) && wanted.at(-1 - common) === there.at(-1 - common)) common++
    if (wanted.length > 0 && folders().has(wanted.join('/')))
      return common === wanted.length && common === there.length ? common : undefined
    if (common === wanted.length) return common
    const left = wanted.slice(0, wanted.length - common)
    const part = left.map(splitNamed).findLast(split => split !== undefined)
    const here = splitNamed(basename(dir))
    if (part && here && part !== here) return undefined
    return common === there.length || url ? common : undefined
  }
  const lookUp = (name: string): NearFile | undefined => {
    const clean = cleaned(name)
    if (clean.base === '') return undefined
    const ended = isNamed(clean.base)
    const files = alike(clean)
    if (files.length === 0) return undefined
    for (const level of levels) {
      if (level.ending !== ended) continue
      const key = level.key(clean.base)
      const fitting = files.flatMap(file => {
        const base = posix.basename(names[file]!)
        if (level.key(base) !== key || (level.stemOnly && !isNamed(base))) return []
        const common = agreement(clean, file)
        return common === undefined ? [] : [{ file, common }]
      })
      const most = Math.max(-1, ...fitting.map(({ common }) => common))
      const best = fitting.filter(({ common }) => common === most)
      if (best.length > 1) return undefined
      if (best.length === 1) return { file: best[0]!.file, way: wayOf(clean, level.way, most, names[best[0]!.file]!) }
    }
    return undefined
  }
  return {
    find: (wanted, claimed) => {
      const found = new Map<string, NearFile>()
      const owners = new Map<number, string[]>()
      for (const name of wanted) {
        const near = lookUp(name)
        if (!near) continue
        found.set(name, near)
        owners.set(near.file, [...(owners.get(near.file) ?? []), name])
      }
      for (const [file, own] of owners)
        if (own.length > 1 || claimed.has(file)) for (const name of own) found.delete(name)
      return found
    },
    nearest: name => {
      const { base } = cleaned(name)
      const same = byName().get(coarse(base))
      if (same) return names[same[0]!]
      const own = lowerStem(base)
      const within = names.findIndex(other => {
        const there = lowerStem(posix.basename(other))
        return Math.min(own.length, there.length) > 2 && (own.includes(there) || there.includes(own))
      })
      if (within >= 0) return names[within]
      const some = names.slice(0, mostCompared)
      const near = nearest(base, new Set(some.map(other => posix.basename(other))), 1)[0]
      return near === undefined ? undefined : some.find(other => posix.basename(other) === near)
    },
  }
}

function indexBy(names: readonly string[], key: (name: string) => string): Map<string, number[]> {
  const found = new Map<string, number[]>()
  names.forEach((name, file) => {
    const at = key(name)
    const before = found.get(at)
    if (before) before.push(file)
    else found.set(at, [file])
  })
  return found
}

const parentOf = (name: string): string => lower(posix.basename(posix.dirname(name)))

function wayOf({ dirs, ways }: Clean, level: string, common: number, file: string): string {
  const path = dirs.length > common && !ways.includes('without the address in front')
  const folders = common > 0 && !file.includes(dirs.slice(dirs.length - common).join('/'))
  const all = [
    ...ways,
    path && 'without the folders in front',
    level,
    folders && !level && 'by ignoring upper and lower case',
  ]
  return [...new Set(all.filter(Boolean))].join(', ') || 'below another folder'
}
