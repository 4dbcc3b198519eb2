// Builds the addon for a machine that may be another than this one, into build/prebuilt/TARGET: anneal.node,
// preload.node and manifest.json. Node and npm know the targets by these names.
//
//   node tools/prebuild.mjs linux-x64      needs g++, CMake, make or ninja, Python with pip
//   node tools/prebuild.mjs linux-arm64    needs aarch64-linux-gnu-g++ as well, unless this machine is one
//
// The files for Linux need glibc 2.28 or newer, as libtorch and Node do: they are built with glibc's headers and
// symbols of that version, which Zig holds. The tool checks which versions they need.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { glibcFlags, output, zigFolder } from './cross/zig.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const host = `${process.platform}-${process.arch}`
const files = ['anneal.node', 'preload.node']
/** What libtorch 2.15.0 and Node 20 to 26 themselves need. */
const floor = { GLIBC: '2.28', GLIBCXX: '3.4.22', CXXABI: '1.3.11', GOMP: '5.0' }
const targets = {
  'linux-x64': { arch: 'x86_64', triplet: 'x86_64-linux-gnu' },
  'linux-arm64': { arch: 'aarch64', triplet: 'aarch64-linux-gnu' },
}

async function main() {
  const [target, ...rest] = process.argv.slice(2)
  if (!targets[target] || rest.length)
    throw new Error(
      `expected one of ${Object.keys(targets).join(', ')}; got ${process.argv.slice(2).join(' ') || 'nothing'}`,
    )
  output(process.execPath, [join(root, 'tools', 'setup.mjs'), '--dist', '--quiet'])
  const { streamReport } = await import('../dist/base/progress.js')
  const { wheelsFor } = await import('../dist/setup/provide.js')
  const { sourcesDigest } = await import('../dist/setup/state.js')
  const report = streamReport(process.stderr)
  const start = performance.now()
  const libtorch = await wheelsFor(target, report)
  const cross = join(root, 'build', 'cross')
  const zigAt = await zigFolder(cross, report)
  const { arch, triplet } = targets[target]
  const tool = name => (target === host ? name : `${triplet}-${name}`)
  const compiler = tool('g++')
  const flags = glibcFlags(zigAt, join(cross, `glibc-${floor.GLIBC}-${arch}`), { arch, glibc: floor.GLIBC, compiler })
  const build = join(cross, target)
  report({ line: `building for ${target} with ${compiler} and glibc ${floor.GLIBC}` })
  compile({ build, libtorch, compiler, arch, flags })
  const place = join(root, 'build', 'prebuilt', target)
  const temp = `${place}.${process.pid}`
  mkdirSync(temp, { recursive: true })
  for (const name of files) output(tool('strip'), ['--strip-unneeded', '-o', join(temp, name), join(build, name)])
  const needs = checkVersions(tool('objdump'), temp)
  if (target === host) checkLoad(temp, libtorch)
  const manifest = {
    target,
    anneal: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    libtorch: libtorch.version,
    sources: sourcesDigest(),
    nodeApi: Number(/NAPI_VERSION=(\d+)/.exec(readFileSync(join(root, 'native', 'CMakeLists.txt'), 'utf8'))[1]),
    glibc: floor.GLIBC,
    files: Object.fromEntries(
      files.map(name => [name, { bytes: statSync(join(temp, name)).size, sha256: digest(join(temp, name)) }]),
    ),
    builtWith: output(compiler, ['--version']).split('\n')[0],
  }
  writeFileSync(join(temp, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  rmSync(place, { recursive: true, force: true })
  renameSync(temp, place)
  const sizes = files.map(name => `${name} ${(manifest.files[name].bytes / 1e6).toFixed(2)} MB`).join(', ')
  report({ line: `${place}: ${sizes}; needs ${needs}; ${((performance.now() - start) / 1000).toFixed(0)} s` })
}

const digest = path => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Runs CMake: configure, then build. The result looks for libtorch in the folder `lib` beside itself, and for a library that has
 *  another name there beside itself (src/setup/place.ts). */
function compile({ build, libtorch, compiler, arch, flags }) {
  const headers = createRequire(import.meta.url).resolve('node-api-headers/package.json')
  // Messages of failed assertions name the file: not where it lay on this machine.
  const nameless = [
    [libtorch.folder, 'libtorch'],
    [root.replace(/\/$/, ''), 'anneal'],
  ].map(([from, to]) => `-ffile-prefix-map=${from}=${to}`)
  const define = {
    CMAKE_BUILD_TYPE: '',
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: arch,
    CMAKE_CXX_COMPILER: compiler,
    CMAKE_CXX_FLAGS: [...flags.compile, ...nameless].join(' '),
    CMAKE_MODULE_LINKER_FLAGS: flags.link.join(' '),
    CMAKE_EXE_LINKER_FLAGS: flags.link.join(' '),
    ANNEAL_INCLUDE: libtorch.include.join(';'),
    ANNEAL_LIB: libtorch.lib.join(';'),
    ANNEAL_RPATH: '$ORIGIN/lib;$ORIGIN',
    ANNEAL_LIBRARIES: 'torch_cpu;c10',
    ANNEAL_CXX_STANDARD: libtorch.cxxStandard,
    ANNEAL_CXX11_ABI: libtorch.cxx11Abi ? 1 : 0,
    ANNEAL_NODE_API_INCLUDE: join(dirname(headers), 'include'),
  }
  const defines = Object.entries(define).map(([name, value]) => `-D${name}=${value}`)
  output('cmake', ['-S', join(root, 'native'), '-B', build, ...defines])
  output('cmake', ['--build', build, `-j${process.env.JOBS ?? 2}`])
}

/** Throws if a file needs a newer version of a system library than libtorch itself. Returns the highest ones. */
function checkVersions(objdump, folder) {
  const highest = {}
  for (const name of files)
    for (const [, library, version] of output(objdump, ['-T', join(folder, name)]).matchAll(
      /\b(GLIBC|GLIBCXX|CXXABI|GOMP)_(\d[\d.]*)/g,
    )) {
      if (newer(version, floor[library]))
        throw new Error(
          `${name} needs ${library}_${version}, but only ${library}_${floor[library]} may be taken for granted`,
        )
      if (!highest[library] || newer(version, highest[library])) highest[library] = version
    }
  return Object.entries(highest)
    .map(pair => pair.join(' '))
    .join(', ')
}

/** Whether version `a` is newer than `b`. */
function newer(a, b) {
  const [x, y] = [a, b].map(version => version.split('.').map(Number))
  for (let i = 0; i < Math.max(x.length, y.length); i++)
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0)
  return false
}

/** Loads the addon in a process of its own, from a folder that has libtorch beside it as an installed one has. */
function checkLoad(folder, libtorch) {
  const link = join(folder, 'lib')
  symlinkSync(libtorch.lib[0], link)
  try {
    for (const name of files) output(process.execPath, ['-e', 'require(process.argv[1])', join(folder, name)])
  } finally {
    rmSync(link)
  }
}

main().catch(error => {
  process.stderr.write(`prebuild stopped: ${error.message}\n`)
  process.exitCode = 1
})
