import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { here, type Platform } from './platform/index.ts'

/** The source of a libtorch. `path`: the folder that `ANNEAL_LIBTORCH` names. */
export type Source = 'path' | 'python' | 'system' | 'archive' | 'wheel'

/** A libtorch that the addon can be built against, with everything that compiler and linker need. */
export type Libtorch = {
  source: Source
  /** The version in its headers, such as `2.15.0`. */
  version: string
  /** The folder of the installation. */
  folder: string
  include: string[]
  /** Folders of the shared libraries, for the linker and the loader. */
  lib: string[]
  /** Names for `-l`. */
  libraries: string[]
  cxxStandard: 17 | 20
  /** Whether it was built with CUDA. The machine may still have no GPU. */
  cuda: boolean
  /** Whether it was built with `_GLIBCXX_USE_CXX11_ABI=1`. */
  cxx11Abi: boolean
  /** What makes it slow, and what to do. */
  note?: string
}

/** The oldest version whose dispatcher and autocast the addon supports. */
const oldestVersion = '1.13.0'

/** Inspects a folder (`libtorch/`, `torch/` of a Python package, or a prefix such as `/usr`). Returns the libtorch in
 *  it, or the reason why it can't be used. Starts no process. Another `platform` or `arch` is for a build for another
 *  machine. */
export function inspectLibtorch(
  folder: string,
  source: Source,
  platform: Platform = here,
  arch: string = process.arch,
): Libtorch | string {
  const include = join(folder, 'include')
  const api = join(include, 'torch', 'csrc', 'api', 'include')
  if (!existsSync(join(api, 'torch'))) return `no C++ headers in ${include}`
  const [main, core] = [platform.library('torch_cpu'), platform.library('c10')]
  const folders = platform.libraryFolders(arch).map(name => join(folder, name))
  const lib = folders.find(place => existsSync(join(place, main)))
  if (lib === undefined) return `no ${main} in ${join(folder, 'lib')}`
  if (!existsSync(join(lib, core))) return `no ${core} in ${lib}`
  const version = headerVersion(include)
  if (version === undefined) return `its headers in ${include} do not give a version`
  if (compareVersions(version, oldestVersion) < 0) return `version ${version} is too old (at least ${oldestVersion})`
  const config = text(join(include, 'ATen', 'Config.h'))
  if (platform.needsOneDnn && /AT_MKLDNN_ENABLED\(\) 0/.test(config))
    return `version ${version} was built without oneDNN, so it trains many times slower`
  const cuda = existsSync(join(lib, platform.library('torch_cuda')))
  const note = slowBlas(lib, config)
  return {
    source,
    version,
    folder,
    include: [include, api],
    lib: [lib],
    libraries: ['torch_cpu', 'c10', ...(cuda ? ['torch_cuda', 'c10_cuda'] : [])],
    cxxStandard: compareVersions(version, '2.10.0') >= 0 ? 20 : 17,
    cuda,
    cxx11Abi: usesCxx11Abi(join(lib, core)),
    ...(note === undefined ? {} : { note }),
  }
}

/** Negative if `a` is older than `b`. Compares only the first three numbers. */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string) => version.split(/[.+]/).slice(0, 3).map(Number)
  const [x, y] = [numbers(a), numbers(b)]
  for (const i of [0, 1, 2]) if ((x[i] || 0) !== (y[i] || 0)) return (x[i] || 0) - (y[i] || 0)
  return 0
}

function headerVersion(include: string): string | undefined {
  for (const path of ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h']) {
    const header = text(join(include, path))
    const part = (name: string) => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(header)?.[1]
    const [major, minor, patch] = [part('MAJOR'), part('MINOR'), part('PATCH')]
    if (major !== undefined && minor !== undefined) return `${major}.${minor}.${patch ?? 0}`
  }
  return undefined
}

/** The mangled names of c10 functions with a string argument show the ABI. */
function usesCxx11Abi(libc10: string): boolean {
  return /_ZNK?3c10\w*NSt7__cxx11/.test(readFileSync(libc10, 'latin1'))
}

/** Debian's libtorch uses the system's `libblas.so.3`. The reference BLAS is many times slower than OpenBLAS. */
function slowBlas(lib: string, config: string): string | undefined {
  const blas = join(lib, 'libblas.so.3')
  if (/AT_MKL_ENABLED\(\) 1/.test(config) || !existsSync(blas)) return undefined
  return dirname(realpathSync(blas)).endsWith('/blas')
    ? 'its float32 matrix products use the reference BLAS, which is slow; apt install libopenblas0-pthread makes them fast'
    : undefined
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
