import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, writeAtomic } from '../base/files.ts'
import { withLock } from '../base/lock.ts'
import type { Source } from './libtorch.ts'
import type { Candidate } from './lookup.ts'

/** The facts about a libtorch that are stored with the addon built against it. */
export type Linked = { source: Source; version: string; folder: string; cuda: boolean; note?: string }

/** Picks the facts to store from a libtorch. */
export const linkedOf = ({ source, version, folder, cuda, note }: Linked): Linked => ({
  source,
  version,
  folder,
  cuda,
  ...(note === undefined ? {} : { note }),
})

/** An addon that was built, and loaded once. */
export type Ready = {
  path: string
  libtorch: Linked
  /** Size and time of libtorch_cpu.so, so that a replaced libtorch is noticed. */
  stamp: string
  library: string
  /** The platform package that the addon is from, such as `@anneal/linux-x64 0.1.0`; absent if it was built here. */
  from?: string
  /** libtorch_cuda.so, for an addon that is not linked with it: it must be loaded before the addon. */
  cuda?: string
  candidates: Candidate[]
  /** Milliseconds since 1970. */
  at: number
}

/** What set-up found last, by {@link stateKey}. */
export type State = Record<string, Ready>

/** The folder of the C++ sources, in a clone and in an installed package. */
export const nativeFolder: string = fileURLToPath(new URL('../../native/', import.meta.url))

/** Whether this is a clone of the sources, not an installed package. */
export const isClone = (): boolean => existsSync(fileURLToPath(new URL('../../tsconfig.build.json', import.meta.url)))

/** A digest of the C++ sources and the CMake file. */
export function sourcesDigest(folder: string = nativeFolder): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort())
    if (/\.(cpp|h)$|^CMakeLists\.txt$/.test(name)) hash.update(`${name}\0`).update(readFileSync(join(folder, name)))
  return hash.digest('hex').slice(0, 16)
}

/** The key of the state: one for each version of the sources and each `ANNEAL_LIBTORCH`. */
export const stateKey = (wanted: string | undefined = process.env.ANNEAL_LIBTORCH): string =>
  `${sourcesDigest()} ${wanted ?? ''}`.trim()

/** The size and the modification time of a file in milliseconds, or `undefined` if it does not exist. */
export function stampOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && `${found.size} ${found.mtimeMs}`
}

/** Whether a file still has the stamp that it had. Layers of containers and archives of a CI's cache keep whole seconds of its time. */
export function hasStamp(path: string, stamp: string): boolean {
  const seconds = (text: string) => text.replace(/[\d.]+$/, time => `${Math.floor(Number(time) / 1000)}`)
  const now = stampOf(path)
  return now !== undefined && seconds(now) === seconds(stamp)
}

const statePath = () => cacheFolder('addon', 'state.json')

/** What earlier set-ups found; empty if the file is missing, cut short or not a state. */
export function readState(): State {
  try {
    const state: unknown = JSON.parse(readFileSync(statePath(), 'utf8'))
    if (typeof state !== 'object' || state === null || Array.isArray(state)) return {}
    return Object.fromEntries(Object.entries(state).filter(([, entry]) => isReady(entry)))
  } catch {
    return {}
  }
}

/** Adds or replaces an entry. Keeps the newest fifty. */
export async function remember(key: string, ready: Ready): Promise<void> {
  await withLock(statePath(), async () => {
    const entries = Object.entries({ ...readState(), [key]: ready }).sort(([, a], [, b]) => b.at - a.at)
    writeAtomic(statePath(), `${JSON.stringify(Object.fromEntries(entries.slice(0, 50)), null, 1)}\n`)
  })
}

function isReady(entry: unknown): entry is Ready {
  const { path, libtorch, stamp, library, candidates, at } = (entry ?? {}) as Partial<Ready>
  return (
    [path, stamp, library, libtorch?.source, libtorch?.version, libtorch?.folder].every(v => typeof v === 'string') &&
    typeof at === 'number' &&
    Array.isArray(candidates)
  )
}
