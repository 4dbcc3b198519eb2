import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { SetupError } from '../base/errors.ts'
import { cacheFolder } from '../base/files.ts'
import { inspectLibtorch, type Libtorch, type Source } from './libtorch.ts'
import { type LibtorchPins, libtorchPins } from './pins.ts'
import { here } from './platform/index.ts'
import { findPython } from './which.ts'

/** A place that may hold a libtorch, and why it was used or not. */
export type Candidate = { source: Source; place: string; taken: boolean; reason: string }

/** The result of a look-up, with the candidates in the order of the search. */
export type LookUp = { libtorch: Libtorch | undefined; candidates: Candidate[] }

/** Where to look for a libtorch. Default: {@link machinePlaces}. */
export type Places = {
  /** `ANNEAL_LIBTORCH`: a folder, or the one source to use. */
  wanted: string | undefined
  /** The Python whose `torch` package may be used; `undefined` for none. */
  python: string | undefined
  /** Installation prefixes of the system, such as `/usr`. */
  prefixes: string[]
  /** The folder for a fetched libtorch. */
  cache: string
  pins: LibtorchPins | undefined
  /** Default: any version, because the addon is built for it. */
  only?: Only | undefined
}

/** The versions of libtorch that there are addons for, and the package that brings them. */
export type Only = { versions: readonly string[]; from: string }

/** The sources that `ANNEAL_LIBTORCH` can name, in the order of the look-up. */
export const sources = ['python', 'system', 'archive', 'wheel'] as const

/** The places of this machine. */
export function machinePlaces(): Places {
  return {
    wanted: process.env.ANNEAL_LIBTORCH || undefined,
    python: findPython(),
    prefixes: here.prefixes,
    cache: cacheFolder('libtorch'),
    pins: pinsHere(),
  }
}

/** The libtorch that is pinned for this machine. */
const pinsHere = () => libtorchPins[`${process.platform}-${process.arch}`]

/** Whether only pip can fetch a libtorch: the official archive is not pinned, or has another version. */
export function needsPip(only: Only | undefined, { pins }: Pick<Places, 'pins'> = { pins: pinsHere() }): boolean {
  const archive = pins?.archive?.version
  return archive === undefined || (only !== undefined && !only.versions.includes(archive))
}

/** Looks for a libtorch that is already on this machine. Fetches nothing. Throws if `ANNEAL_LIBTORCH` names a folder
 *  without a libtorch. */
export function lookForLibtorch(places: Places): LookUp {
  const candidates: Candidate[] = []
  const consider = (source: Source, folder: string): Libtorch | undefined => {
    const found = fitting(inspectLibtorch(folder, source), source, places)
    const taken = typeof found !== 'string'
    candidates.push({ source, place: folder, taken, reason: taken ? `version ${found.version}` : found })
    return taken ? found : undefined
  }
  const { wanted } = places
  if (wanted !== undefined && !isSource(wanted)) {
    const folder = [resolve(wanted), join(resolve(wanted), 'torch'), join(resolve(wanted), 'libtorch')]
    const libtorch = folder
      .filter(place => existsSync(place))
      .map(place => consider('path', place))
      .find(found => found)
    if (libtorch === undefined)
      throw new SetupError(
        `ANNEAL_LIBTORCH=${wanted}: ${candidates[0]?.reason ?? 'there is no such folder'}; expected a folder with include/ and lib/, or one of ${sources.join(', ')}`,
      )
    return { libtorch, candidates }
  }
  for (const source of sources) {
    if (wanted !== undefined && wanted !== source) continue
    for (const folder of foldersOf(source, places)) {
      if (typeof folder === 'object')
        candidates.push({ source, place: folder.place, taken: false, reason: folder.reason })
      else {
        const libtorch = consider(source, folder)
        if (libtorch) return { libtorch, candidates }
      }
    }
  }
  return { libtorch: undefined, candidates }
}

/** A libtorch, or why it does not fit the addons that there are. */
function fitting(found: Libtorch | string, source: Source, { only, wanted }: Places): Libtorch | string {
  if (typeof found === 'string' || !only || only.versions.includes(found.version)) return found
  const how = wanted ? '' : `. To build an addon for it: ANNEAL_LIBTORCH=${source} npx anneal setup`
  return `version ${found.version}, and ${only.from} is built for ${only.versions.join(' and ')}${how}`
}

/** Whether a value of `ANNEAL_LIBTORCH` names a source rather than a folder. */
const isSource = (wanted: string): wanted is (typeof sources)[number] => (sources as readonly string[]).includes(wanted)

/** The folder of a fetched libtorch: `<cache>/archive-2.14.1/libtorch`, `<cache>/wheel-2.15.0/torch`. */
export function fetchedFolder(source: 'archive' | 'wheel', { cache, pins }: Places): string | undefined {
  const version = source === 'archive' ? pins?.archive?.version : pins?.wheels.version
  return version && join(cache, `${source}-${version}`, source === 'archive' ? 'libtorch' : 'torch')
}

type Missing = { place: string; reason: string }

function foldersOf(source: (typeof sources)[number], places: Places): (string | Missing)[] {
  if (source === 'python') return [pythonTorch(places.python)]
  if (source === 'system') {
    const found = places.prefixes.filter(prefix => existsSync(join(prefix, 'include', 'torch')))
    return found.length ? found : [{ place: places.prefixes.join(', '), reason: 'no include/torch there' }]
  }
  const folder = fetchedFolder(source, places)
  if (folder === undefined)
    return [{ place: `${process.platform}-${process.arch}`, reason: `no ${source} is pinned for this platform` }]
  return [existsSync(folder) ? folder : { place: folder, reason: 'not fetched' }]
}

/** The folder of Python's `torch`, found without importing it (which takes seconds). A folder called torch in the
 *  working directory is not the package, so this entry of the search path is left out. */
function pythonTorch(python: string | undefined): string | Missing {
  if (python === undefined) return { place: 'python3', reason: 'no Python on the PATH' }
  const script =
    'import sys; sys.path = [p for p in sys.path if p]; import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s and s.origin else "")'
  try {
    const origin = execFileSync(python, ['-c', script], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const file = origin.trim()
    return basename(file) === '__init__.py' ? resolve(file, '..') : { place: python, reason: 'it has no torch package' }
  } catch (error) {
    return { place: python, reason: `it could not be run: ${String((error as Error).message).split('\n')[0]}` }
  }
}
