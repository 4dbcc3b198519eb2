import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { makeFolder, sweep, sweepOf } from '../base/archive.ts'
import { AnnealError, SetupError } from '../base/errors.ts'
import { cacheFolder, ensureFolder, writeAtomic } from '../base/files.ts'
import { duration } from '../base/format.ts'
import { withLock } from '../base/lock.ts'
import { type Report, silent, streamReport } from '../base/progress.ts'
import { lastLines, run } from '../base/run-command.ts'
import { findAddon } from './addon.ts'
import { chooseCompiler } from './compiler.ts'
import { unsupported } from './libc.ts'
import type { Libtorch } from './libtorch.ts'
import { type Candidate, machinePlaces } from './lookup.ts'
import { load, loadError, placeBuild } from './place.ts'
import { isPlain, type PlainPaths, plainPaths } from './plain.ts'
import { here } from './platform/index.ts'
import { lookForPackage, onlyFor } from './prebuilt.ts'
import { ensureLibtorch } from './provide.ts'
import {
  isClone,
  type Linked,
  linkedOf,
  nativeFolder,
  readState,
  remember,
  sourcesDigest,
  stampOf,
  stateKey,
} from './state.ts'
import { findMake, which } from './which.ts'

/** The result of set-up. */
export type Addon = {
  path: string
  /** Absent if `ANNEAL_ADDON` names the file. */
  libtorch?: Linked
  /** Whether this call built it. */
  built: boolean
  /** The platform package that it is from, such as `@anneal/linux-x64 0.1.0`; absent if it was built here. */
  from?: string
}

type Tools = { compiler: string; compilerVersion: string; cmake: string; generator: string; headers: Headers }
type Headers = { version: string; include: string }

/** Finds or fetches libtorch, and makes an addon for it ready: that of the platform package, else one that is built here.
 *  What is already done is not done again. Only one process at a time builds. Throws with what to install, or with the
 *  compiler's last lines and the path of its log. */
export async function ensureAddon(report: Report = silent): Promise<Addon> {
  if (process.env.ANNEAL_ADDON) return { ...findAddon()!, built: false }
  const refused = unsupported()
  if (refused) throw new SetupError(`${refused.text}; ${refused.todo}`)
  const without = await fromPackage(report)
  if ('path' in without) return without
  const tools = await findTools().catch((error: Error) => {
    throw new SetupError(without.why ? `${without.why}. To build it here instead: ${error.message}` : error.message)
  })
  if (without.why) report({ line: `${without.why}; building the addon here` })
  return buildHere(tools, report)
}

/** {@link ensureAddon}, if no addon is ready yet. If one is ready it takes a millisecond. */
export async function setUpOnce(report: Report = streamReport(process.stderr)): Promise<void> {
  if (!findAddon()) await ensureAddon(report)
}

/** The addon of the platform package, with a libtorch that it is built for. Otherwise `why` it can't be used: undefined in
 *  a clone, which has no such package. */
async function fromPackage(report: Report): Promise<Addon | { why: string | undefined }> {
  const found = lookForPackage()
  if (found.version === undefined) return { why: isClone() ? undefined : notInstalled(found.name) }
  if (found.problem) return { why: found.problem }
  const only = onlyFor(found)!
  const { from } = only
  try {
    const { libtorch, candidates } = await ensureLibtorch(report, { ...machinePlaces(), only })
    const build = found.builds.find(({ manifest }) => manifest.libtorch === libtorch.version)!
    const { path, library, cuda } = await placeBuild(build, libtorch, report)
    const ready = { path, library, from, ...(cuda && { cuda }), stamp: stampOf(library) ?? '' }
    const linked = linkedOf(libtorch)
    await remember(stateKey(), { ...ready, libtorch: linked, candidates: kept(candidates), at: Date.now() })
    return { path, libtorch: linked, built: false, from }
  } catch (error) {
    if (!(error instanceof AnnealError)) throw error
    return { why: error.message }
  }
}

const notInstalled = (name: string) =>
  `the package ${name} with the compiled addon is not installed: npm install --include=optional`

/** Candidates with the reasons why downloads failed, which are known only after a try. */
function kept(candidates: Candidate[]): Candidate[] {
  const before = readState()[stateKey()]
  return candidates.map(
    now => before?.candidates.find(old => now.reason === 'not fetched' && old.place === now.place) ?? now,
  )
}

async function buildHere(tools: Tools, report: Report): Promise<Addon> {
  const { libtorch, candidates } = await ensureLibtorch(report)
  const library = join(libtorch.lib[0]!, here.library('torch_cpu'))
  const folder = cacheFolder('addon', keyOf(libtorch, library, tools))
  const path = join(folder, 'anneal.node')
  const built = !existsSync(path)
  if (built) {
    sweep(dirname(folder))
    await withLock(
      folder,
      async () => {
        sweepOf(folder)
        if (!existsSync(path)) await makeFolder(folder, temp => buildIn(temp, folder, libtorch, tools, report))
      },
      holder => report({ line: `waiting for another process that builds the addon: ${holder}` }),
    )
  }
  const linked = linkedOf(libtorch)
  const key = stateKey()
  const before = readState()[key]
  const stamp = stampOf(library) ?? ''
  if (built || before?.path !== path || before.stamp !== stamp) {
    await remember(key, { path, libtorch: linked, stamp, library, candidates: kept(candidates), at: Date.now() })
  }
  return { path, libtorch: linked, built }
}

/** The compiler, CMake and headers that a build needs. */
async function findTools(): Promise<Tools> {
  const compiler = await chooseCompiler()
  const cmake = which('cmake')
  const generator = findMake()
  const missing = [
    ...(compiler ? [] : [process.env.CXX ? `CXX=${process.env.CXX}` : here.install.compiler]),
    ...(cmake ? [] : ['CMake (3.16 or newer)']),
    ...(generator ? [] : ['make']),
  ]
  if (!compiler || !cmake || !generator)
    throw new SetupError(
      `building the addon needs ${missing.join(' and ')}, not found on the PATH; ${here.install.buildTools}`,
    )
  return { compiler: compiler.path, compilerVersion: compiler.version, cmake, generator, headers: nodeApiHeaders() }
}

function nodeApiHeaders(): Headers {
  try {
    const file = createRequire(import.meta.url).resolve('node-api-headers/package.json')
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    return { version, include: join(dirname(file), 'include') }
  } catch (cause) {
    throw new SetupError('the package node-api-headers is missing; run npm install, then try again', { cause })
  }
}

function keyOf(libtorch: Libtorch, library: string, { compiler, compilerVersion, headers }: Tools): string {
  const parts = [sourcesDigest(), libtorch, stampOf(library), compiler, compilerVersion, headers.version, process.arch]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20)
}

async function buildIn(temp: string, folder: string, libtorch: Libtorch, tools: Tools, report: Report): Promise<void> {
  const { version, source, cuda, folder: place } = libtorch
  report({ line: `building the addon against libtorch ${version} (${source}, ${place})` })
  if (libtorch.note) report({ line: `note: ${libtorch.note}` })
  const start = performance.now()
  let log = await compile(temp, folder, libtorch, tools)
  let loaded = await load(join(temp, 'anneal.node'))
  if (loaded.code !== 0 && cuda) {
    report({ line: `the CUDA part of libtorch does not load, building without it: ${loadError(loaded)}` })
    const cpu = { ...libtorch, libraries: libtorch.libraries.filter(name => !name.endsWith('_cuda')) }
    log = await compile(temp, folder, cpu, tools)
    loaded = await load(join(temp, 'anneal.node'))
  }
  if (loaded.code !== 0)
    throw new SetupError(
      `the addon was built against libtorch ${version} in ${place}, but does not load: ${loadError(loaded)}; choose another libtorch with ANNEAL_LIBTORCH (a folder, python, system, archive or wheel)`,
    )
  rmSync(join(temp, 'build'), { recursive: true })
  writeAtomic(join(temp, 'build.log'), log)
  report({ line: `built the addon in ${duration((performance.now() - start) / 1000)}` })
}

/** Builds `anneal.node` and `preload.node` in `temp`. Returns the output of CMake. */
async function compile(temp: string, folder: string, libtorch: Libtorch, tools: Tools): Promise<string> {
  const build = ensureFolder(join(temp, 'build'))
  const plain = plainPaths()
  try {
    const log = await make(build, libtorch, tools, { plain, rpath: loadedFrom(temp, libtorch.lib) })
    if (log.failed) {
      const path = `${folder}.log`
      writeAtomic(path, log.text)
      throw new SetupError(
        `the addon did not build against libtorch ${libtorch.version} in ${libtorch.folder}: ${whatFailed(log.text)}; the whole log is ${path}. ANNEAL_LIBTORCH chooses another libtorch, CXX another compiler`,
      )
    }
    for (const name of ['anneal.node', 'preload.node']) renameSync(join(build, name), join(temp, name))
    return log.text
  } finally {
    plain.remove()
  }
}

/** Runs CMake twice: to configure and to build. */
async function make(
  build: string,
  libtorch: Libtorch,
  { compiler, cmake, generator, headers }: Tools,
  { plain, rpath }: { plain: PlainPaths; rpath: string[] },
): Promise<{ text: string; failed: boolean }> {
  const paths = (all: readonly string[]) => all.map(path => plain.of(path)).join(';')
  const define: Record<string, string> = {
    CMAKE_CXX_COMPILER: compiler,
    ANNEAL_INCLUDE: paths(libtorch.include),
    ANNEAL_LIB: paths(libtorch.lib),
    ANNEAL_RPATH: rpath.join(';'),
    ANNEAL_LIBRARIES: libtorch.libraries.join(';'),
    ANNEAL_CXX_STANDARD: String(libtorch.cxxStandard),
    ANNEAL_CXX11_ABI: libtorch.cxx11Abi ? '1' : '0',
    ANNEAL_NODE_API_INCLUDE: plain.of(headers.include),
  }
  const defines = Object.entries(define).map(([name, value]) => `-D${name}=${value}`)
  const from = ['-S', plain.of(nativeFolder), '-B', plain.of(build), '-G', generator]
  const configured = await run(cmake, [...from, ...defines])
  const made = configured.code === 0 ? await run(cmake, ['--build', plain.of(build), '-j2']) : undefined
  return {
    text: [configured, made].map(ran => `${ran?.stdout ?? ''}${ran?.stderr ?? ''}`).join(''),
    failed: made?.code !== 0,
  }
}

/** The folders in which the addon looks for libtorch when it is loaded. If the linker can't use the path of a folder, a
 *  link to it beside the addon. */
const loadedFrom = (addonFolder: string, lib: readonly string[]): string[] =>
  lib.map((path, i) => {
    if (isPlain(path)) return path
    rmSync(join(addonFolder, `lib${i}`), { force: true })
    symlinkSync(path, join(addonFolder, `lib${i}`))
    return `${here.origin}/lib${i}`
  })

/** The compiler's errors, or else the last lines that are not from make. */
function whatFailed(log: string): string {
  const lines = log.split('\n').filter(line => !/^\s*(g?make\b|-- |ninja: )/.test(line))
  const errors = lines.filter(line => /\berror: |No space left|Killed|cannot find/.test(line))
  return lastLines((errors.length ? errors : lines).join('\n'))
}
