// Builds the addon for a machine that may be another than this one, into build/prebuilt/TARGET: anneal.node,
// preload.node and manifest.json. Node and npm know the targets by these names.
//
//   node tools/prebuild.mjs linux-x64      needs g++, CMake, make or ninja, Python with pip
//   node tools/prebuild.mjs linux-arm64    needs aarch64-linux-gnu-g++ as well, unless this machine is one
//   node tools/prebuild.mjs darwin-arm64   on a Mac; elsewhere it checks that the sources build, and makes no package
//
// The files for Linux need glibc 2.28 or newer, as libtorch and Node do: they are built with glibc's headers and
// symbols of that version, which Zig holds. The tool checks which versions they need. JOBS=1 compiles one file at a
// time.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportedFor, symbolsOf } from './cross/macho.mjs'
import { newer, versionsIn } from './cross/versions.mjs'
import { glibcFlags, output, zigFolder } from './cross/zig.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const host = `${process.platform}-${process.arch}`
const cross = join(root, 'build', 'cross')
const files = ['anneal.node', 'preload.node']
/** What libtorch 2.15.0 and Node 20 to 26 themselves need. */
const floor = { GLIBC: '2.28', GLIBCXX: '3.4.22', CXXABI: '1.3.11', GOMP: '5.0' }
const targets = {
  'linux-x64': { arch: 'x86_64', triplet: 'x86_64-linux-gnu' },
  'linux-arm64': { arch: 'aarch64', triplet: 'aarch64-linux-gnu' },
  'darwin-arm64': { arch: 'arm64' },
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
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(0)} s`
  const sources = sourcesDigest()
  const libtorch = await wheelsFor(target, report)
  if (target.startsWith('darwin') && target !== host) {
    const zigAt = await zigFolder(cross, report)
    report({ line: `${checkForMac({ zigAt, target, libtorch, report })}; ${seconds()}` })
    return
  }
  const { tool, compiler, flags, arch } = await compilerFor(target, report)
  const build = join(cross, target)
  report({ line: `building for ${target} with ${compiler}${flags.compile ? ` and glibc ${floor.GLIBC}` : ''}` })
  compile(build, libtorch, {
    ANNEAL_RPATH: target.startsWith('darwin') ? '@loader_path/lib;@loader_path' : '$ORIGIN/lib;$ORIGIN',
    ...cmakeFor(compiler, arch, flags),
  })
  if (sourcesDigest() !== sources) throw new Error('native/ changed during the build; run it again')
  const place = join(root, 'build', 'prebuilt', target)
  const temp = `${place}.${process.pid}`
  mkdirSync(temp, { recursive: true })
  for (const name of files) {
    if (flags.compile) output(tool('strip'), ['--strip-unneeded', '-o', join(temp, name), join(build, name)])
    else copyFileSync(join(build, name), join(temp, name)) // a Mac signs what it links
  }
  const needs = flags.compile ? checkVersions(tool('objdump'), temp) : 'macOS 14'
  if (target === host) checkLoad(temp, libtorch)
  const manifest = {
    target,
    anneal: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    libtorch: libtorch.version,
    sources,
    nodeApi: Number(/NAPI_VERSION=(\d+)/.exec(readFileSync(join(root, 'native', 'CMakeLists.txt'), 'utf8'))[1]),
    ...(flags.compile && { glibc: floor.GLIBC }),
    files: Object.fromEntries(
      files.map(name => [name, { bytes: statSync(join(temp, name)).size, sha256: digest(join(temp, name)) }]),
    ),
    builtWith: output(compiler, ['--version']).split('\n')[0],
  }
  writeFileSync(join(temp, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  rmSync(place, { recursive: true, force: true })
  renameSync(temp, place)
  const sizes = files.map(name => `${name} ${(manifest.files[name].bytes / 1e6).toFixed(2)} MB`).join(', ')
  report({ line: `${place}: ${sizes}; needs ${needs}; ${seconds()}` })
}

/** The compiler of a target and, for Linux, the options that give it the headers and libraries of the oldest glibc. */
async function compilerFor(target, report) {
  const { arch, triplet } = targets[target]
  if (!triplet) return { compiler: 'c++', arch, tool: name => name, flags: {} }
  const tool = name => (target === host ? name : `${triplet}-${name}`)
  const compiler = tool('g++')
  const zigAt = await zigFolder(cross, report)
  const place = join(cross, `glibc-${floor.GLIBC}-${arch}`)
  return { compiler, arch, tool, flags: glibcFlags(zigAt, place, { arch, glibc: floor.GLIBC, compiler }) }
}

const cmakeFor = (compiler, arch, { compile, link }) => ({
  CMAKE_CXX_COMPILER: compiler,
  ...(compile && {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: arch,
    CMAKE_CXX_FLAGS: compile.join(' '),
    CMAKE_MODULE_LINKER_FLAGS: link.join(' '),
    CMAKE_EXE_LINKER_FLAGS: link.join(' '),
  }),
})

const digest = path => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Runs CMake: configure, then build. The result looks for libtorch in the folder `lib` beside itself, and for a library that has
 *  another name there beside itself (src/setup/place.ts). */
function compile(build, libtorch, more) {
  const headers = createRequire(import.meta.url).resolve('node-api-headers/package.json')
  // Messages of failed assertions name the file: not where it lay on this machine.
  const nameless = [
    [libtorch.folder, 'libtorch'],
    [root.replace(/\/$/, ''), 'anneal'],
  ].map(([from, to]) => `-ffile-prefix-map=${from}=${to}`)
  const define = {
    CMAKE_BUILD_TYPE: '',
    ANNEAL_INCLUDE: libtorch.include.join(';'),
    ANNEAL_LIB: libtorch.lib.join(';'),
    ANNEAL_LIBRARIES: 'torch_cpu;c10',
    ANNEAL_CXX_STANDARD: libtorch.cxxStandard,
    ANNEAL_CXX11_ABI: libtorch.cxx11Abi ? 1 : 0,
    ANNEAL_NODE_API_INCLUDE: join(dirname(headers), 'include'),
    ...more,
    CMAKE_CXX_FLAGS: [more.CMAKE_CXX_FLAGS, ...nameless].filter(Boolean).join(' '),
  }
  const defines = Object.entries(define).map(([name, value]) => `-D${name}=${value}`)
  output('cmake', ['-S', join(root, 'native'), '-B', build, ...defines])
  output('cmake', ['--build', build, `-j${process.env.JOBS ?? 2}`])
}

/** Compiles and links the sources for macOS with Zig, and compares the symbols that they need with what there is: in
 *  libtorch's libraries, in Node, and in macOS. The files are not for use: they hold a C++ library of their own. */
function checkForMac({ zigAt, target, libtorch, report }) {
  const build = join(cross, target)
  const tools = join(cross, `${target}-tools`)
  mkdirSync(tools, { recursive: true })
  const zig = join(zigAt, 'zig')
  // CMake writes `-arch arm64`, and Zig names instruction sets by processors.
  const script = [
    '#!/bin/sh',
    'for argument do',
    '  shift',
    '  case "$argument" in',
    '    -arch|arm64) continue;;',
    '    -march=armv8.2-a+bf16) argument=-mcpu=apple_m1+bf16;;',
    '  esac',
    '  set -- "$@" "$argument"',
    'done',
    `exec '${zig}' c++ -target aarch64-macos.14.0 "$@"`,
  ]
  writeFileSync(join(tools, 'c++'), `${script.join('\n')}\n`, { mode: 0o755 })
  writeFileSync(join(tools, 'ar'), `#!/bin/sh\nexec '${zig}' ar "$@"\n`, { mode: 0o755 })
  report({ line: `checking the build for ${target} with Zig` })
  compile(build, libtorch, {
    CMAKE_SYSTEM_NAME: 'Darwin',
    CMAKE_SYSTEM_VERSION: '23.0.0',
    CMAKE_SYSTEM_PROCESSOR: 'arm64',
    CMAKE_OSX_ARCHITECTURES: 'arm64',
    CMAKE_OSX_SYSROOT: '',
    CMAKE_OSX_DEPLOYMENT_TARGET: '',
    CMAKE_CXX_COMPILER: join(tools, 'c++'),
    CMAKE_AR: join(tools, 'ar'),
    CMAKE_INSTALL_NAME_TOOL: 'true',
    CMAKE_SHARED_LIBRARY_RUNTIME_CXX_FLAG: '-Wl,-rpath,',
    ANNEAL_RPATH: '@loader_path/lib;@loader_path',
  })
  const system = readFileSync(join(zigAt, 'lib', 'libc', 'darwin', 'libSystem.tbd'), 'utf8')
  const ofSystem = exportedFor('arm64', system)
  const ofLibtorch = ['torch_cpu', 'c10', 'omp'].map(
    name => symbolsOf(join(libtorch.lib[0], `lib${name}.dylib`)).exported,
  )
  const found = { libtorch: 0, Node: 0, macOS: 0 }
  const missing = []
  for (const name of files) {
    const { needed } = symbolsOf(join(build, name))
    for (const symbol of needed) {
      if (ofLibtorch.some(exported => exported.has(symbol))) found.libtorch++
      else if (symbol.startsWith('_napi_')) found.Node++
      else if (ofSystem.has(symbol)) found.macOS++
      else missing.push(`${name}: ${symbol}`)
    }
  }
  if (missing.length)
    throw new Error(
      `${missing.length} symbols are neither in libtorch nor in Node nor in macOS: ${missing.slice(0, 20).join(', ')}`,
    )
  const kernels = symbolsOf(join(build, files[0])).libraries.join(', ')
  return `${target}: compiled and linked, loads ${kernels}; symbols found in libtorch ${found.libtorch}, in Node ${found.Node}, in macOS ${found.macOS}, nowhere 0`
}

/** Throws if a file needs a newer version of a system library than libtorch itself. Returns the highest ones. */
function checkVersions(objdump, folder) {
  const all = files.map(name => output(objdump, ['-p', join(folder, name)]))
  for (const [i, printed] of all.entries())
    for (const [library, version] of Object.entries(versionsIn(printed)))
      if (newer(version, floor[library]))
        throw new Error(
          `${files[i]} needs ${library}_${version}, but only ${library}_${floor[library]} may be taken for granted`,
        )
  return Object.entries(versionsIn(all.join('')))
    .map(pair => pair.join(' '))
    .join(', ')
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
