import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { makeFolder, sweep, sweepOf } from '../base/archive.ts'
import { SetupError } from '../base/errors.ts'
import { cacheFolder, ensureFolder, writeAtomic } from '../base/files.ts'
import { duration } from '../base/format.ts'
import { withLock } from '../base/lock.ts'
import { type Report, silent } from '../base/progress.ts'
import { lastLines, type Ran, run } from '../base/run-command.ts'
import { findAddon } from './addon.ts'
import { chooseCompiler } from './compiler.ts'
import type { Libtorch } from './libtorch.ts'
import { isPlain, type PlainPaths, plainPaths } from './plain.ts'
import { here } from './platform/index.ts'
import { ensureLibtorch } from './provide.ts'
import { type Linked, linkedOf, nativeFolder, readState, remember, sourcesDigest, stampOf, stateKey } from './state.ts'
import { findMake, which } from './which.ts'

/** The result of set-up. */
export type Addon = {
  path: string
  /** Absent if `ANNEAL_ADDON` names the file. */
  libtorch?: Linked
  /** Whether this call built it. */
  built: boolean
}

type Tools = { compiler: string; compilerVersion: string; cmake: string; generator: string; headers: Headers }
type Headers = { version: string; include: string }

/** Finds or fetches libtorch and builds the addon against it, unless that is already done. Only one process at a time
 *  builds. Throws with what to install, or with the compiler's last lines and the path of its log. */
export async function ensureAddon(report: Report = silent): Promise<Addon> {
  if (process.env.ANNEAL_ADDON) return { ...findAddon()!, built: false }
  const tools = await findTools()
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
    // Keep the reason why a download failed: it is known only after a try.
    const kept = candidates.map(
      now => before?.candidates.find(old => now.reason === 'not fetched' && old.place === now.place) ?? now,
    )
    await remember(key, { path, libtorch: linked, stamp, library, candidates: kept, at: Date.now() })
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

/** Loads an addon in a separate process, so that a crash or a missing library does no harm. */
const load = (path: string): Promise<Ran> =>
  run(process.execPath, ['-e', 'process.stdout.write(require(process.argv[1]).version())', path], { seconds: 120 })

const loadError = ({ stderr }: Ran) =>
  lastLines(
    stderr
      .split('\n')
      .filter(line => /Error: /.test(line))
      .join('\n') || stderr,
  )
