// Zig holds what a build for another system needs: the headers and the link-time symbols of each version of glibc, and
// those of macOS. It is a wheel on PyPI, fetched through pip and checked by its digest.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const version = '0.17.1'
const wheels = {
  'linux-x64': {
    file: `ziglang-${version}-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl`,
    platform: 'manylinux_2_12_x86_64',
    sha256: 'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54',
    bytes: 101_083_562,
  },
  'linux-arm64': {
    file: `ziglang-${version}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl`,
    platform: 'manylinux_2_17_aarch64',
    sha256: 'b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e',
    bytes: 98_063_064,
  },
  'darwin-arm64': {
    file: `ziglang-${version}-py3-none-macosx_13_0_arm64.whl`,
    platform: 'macosx_13_0_arm64',
    sha256: '09953b6af7f64168b915180a42774f520f92d86ef6331b28e33915c7e1f0bb23',
    bytes: 100_390_379,
  },
}

/** Runs a command and returns its output. Throws with the end of what it printed if it fails. */
export function output(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  })
  if (status === 0) return stdout
  const said = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-30).join('\n')
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? said}`)
}

/** The folder of Zig for this machine, below `folder`; fetched if it is not there. */
export async function zigFolder(folder, report) {
  const place = join(folder, `zig-${version}`)
  if (existsSync(place)) return place
  const host = `${process.platform}-${process.arch}`
  const wheel = wheels[host]
  if (!wheel) throw new Error(`no Zig is pinned for ${host}; expected one of ${Object.keys(wheels).join(', ')}`)
  const { pipDownload } = await import('../../dist/base/packages.js')
  const { unzip } = await import('../../dist/base/zip.js')
  const what = { package: 'ziglang', version, what: `Zig ${version}`, licence: 'MIT', pythonVersion: '3.11' }
  const file = await pipDownload({ ...what, ...wheel }, report)
  const temp = `${place}.${process.pid}`
  mkdirSync(temp, { recursive: true })
  await unzip(file, temp, name => (/^ziglang\/(zig|lib\/.*)$/.test(name) ? name : undefined))
  chmodSync(join(temp, 'ziglang', 'zig'), 0o755)
  renameSync(join(temp, 'ziglang'), place)
  rmSync(temp, { recursive: true })
  return place
}

/** Runs Zig's compiler once, with a cache of its own in `cache`. */
export const zig = (folder, cache, args) =>
  output(join(folder, 'zig'), args, {
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  })

/** Makes `place`: headers and libraries to link of one version of glibc for an architecture (`x86_64`, `aarch64`).
 *  Returns the options of g++ that use them in place of those of this machine. */
export function glibcFlags(zigAt, place, { arch, glibc, compiler }) {
  const [include, lib] = [join(place, 'include'), join(place, 'lib')]
  const headers = join(zigAt, 'lib', 'libc', 'include')
  if (!existsSync(place)) {
    const temp = `${place}.${process.pid}`
    const cache = join(temp, 'cache')
    mkdirSync(join(temp, 'lib'), { recursive: true })
    cpSync(join(headers, 'generic-glibc'), join(temp, 'include'), { recursive: true })
    // glibc has it since 2.32, and libstdc++ uses it where it is.
    rmSync(join(temp, 'include', 'sys', 'single_threaded.h'))
    writeFileSync(join(temp, 'empty.c'), 'int main(void) { return 0; }\n')
    zig(zigAt, cache, ['cc', '-target', `${arch}-linux-gnu.${glibc}`, join(temp, 'empty.c'), '-o', join(temp, 'empty')])
    const made = readdirSync(join(cache, 'o'), { recursive: true }).map(name => join(cache, 'o', name))
    const found = name => {
      const path = made.find(one => one.endsWith(`/${name}`))
      if (!path) throw new Error(`Zig made no ${name} for ${arch}-linux-gnu.${glibc}`)
      return path
    }
    const shared = dirname(found('libc.so.6'))
    for (const name of readdirSync(shared).filter(name => /\.so\.\d+$/.test(name))) {
      cpSync(join(shared, name), join(temp, 'lib', name))
      if (name !== 'libc.so.6') symlinkSync(name, join(temp, 'lib', name.replace(/\.\d+$/, '')))
    }
    // fstat and its like are functions of this archive before glibc 2.33; without it they would be undefined.
    cpSync(found('libc_nonshared.a'), join(temp, 'lib', 'libc_nonshared.a'))
    writeFileSync(
      join(temp, 'lib', 'libc.so'),
      `GROUP ( ${join(lib, 'libc.so.6')} ${join(lib, 'libc_nonshared.a')} )\n`,
    )
    rmSync(cache, { recursive: true })
    renameSync(temp, place)
  }
  const family = arch === 'x86_64' ? 'x86' : arch
  const system = [
    join(headers, `${family}-linux-gnu`),
    include,
    join(headers, `${family}-linux-any`),
    join(headers, 'any-linux-any'),
  ]
  const folders = [...compilerFolders(compiler), ...system]
  return {
    compile: [
      '-nostdinc',
      '-nostdinc++',
      ...folders.flatMap(name => ['-isystem', name]),
      `-D__GLIBC_MINOR__=${glibc.split('.')[1]}`,
    ],
    link: [`-B${lib}`, `-L${lib}`],
  }
}

/** The folders in which a compiler looks for headers of its own: those of libstdc++ and of GCC itself. */
function compilerFolders(compiler) {
  const { stderr } = spawnSync(compiler, ['-E', '-x', 'c++', '-v', '/dev/null'], { encoding: 'utf8' })
  const listed = /search starts here:\n((?: .*\n)+)End of search list/.exec(
    stderr.replace(/^#include "\.\.\.".*\n/m, ''),
  )
  if (!listed) throw new Error(`${compiler} -v does not list its folders of headers`)
  return listed[1]
    .split('\n')
    .map(line => line.trim())
    .filter(
      name => /\/c\+\+\/|\/lib\/gcc/.test(name) && !/\/include$/.test(name.replace(/\/lib\/gcc.*\/\d+\/include$/, '')),
    )
}
