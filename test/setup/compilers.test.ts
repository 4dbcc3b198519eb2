// The build with compilers that support fewer instruction sets. native/CMakeLists.txt is configured with a compiler that
// refuses some flags, as older compilers and Arm compilers do, and the files that it then chooses are compiled.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { findMake, which } from '../../src/setup/which.ts'
import { root } from '../helpers/sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-compilers-'))
after(() => rmSync(folder, { recursive: true }))
const compiler = which('g++') ?? which('c++')
const lacks = !(compiler && which('cmake') && findMake()) && 'no g++ with CMake here'

interface Command {
  file: string
  directory: string
  command: string
}
/** The commands of CMake for the files of kernels and pictures, by file, with a compiler that refuses flags with this start. */
function commands(name: string, refused: readonly string[], cxx = compiler, more = {}): Map<string, Command> {
  const wrapper = join(folder, `${name}.sh`)
  const cases = refused.map(flag => `${flag}*`).join('|')
  const refuse = `echo "g++: error: unrecognized command-line option '$flag'" >&2; exit 1`
  const loop = cases ? `for flag in "$@"; do case "$flag" in ${cases}) ${refuse};; esac; done\n` : ''
  writeFileSync(wrapper, `#!/bin/sh\n${loop}exec ${cxx} "$@"\n`, { mode: 0o755 })
  const build = join(folder, name)
  const headers = createRequire(import.meta.url).resolve('node-api-headers/package.json')
  const defines = {
    CMAKE_CXX_COMPILER: wrapper,
    CMAKE_EXPORT_COMPILE_COMMANDS: 'ON',
    ANNEAL_NODE_API_INCLUDE: join(dirname(headers), 'include'),
    ...more,
  }
  const given = Object.entries(defines).map(([key, value]) => `-D${key}=${value}`)
  const made = spawnSync('cmake', ['-S', join(root, 'native'), '-B', build, '-G', findMake()!, ...given], {
    encoding: 'utf8',
  })
  assert.equal(made.status, 0, `${made.stdout}${made.stderr}`)
  const all = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8')) as Command[]
  const placed = all.filter(({ file }) => /native\/(kernels|pictures)\//.test(file))
  return new Map(placed.map(c => [`${basename(dirname(c.file))}/${basename(c.file)}`, c]))
}
const flagsOf = (c: Command | undefined) => c!.command.split(' ').filter(flag => flag.startsWith('-m'))
function compiles(file: string, { command, directory }: Command): void {
  const { status, stderr } = spawnSync('/bin/sh', ['-c', command], { cwd: directory, encoding: 'utf8' })
  assert.equal(status, 0, `${file}: ${stderr}`)
}

const kernels = ['avx2', 'avx512', 'avx512bf16', 'amx']
const compilersThatRefuse = {
  'AMX, as GCC 10': { refused: ['-mamx'], without: ['amx'] },
  'AVX-512 BF16, as GCC 9': { refused: ['-mamx', '-mavx512bf16'], without: ['avx512bf16', 'amx'] },
  'AVX-512': { refused: ['-mamx', '-mavx512'], without: ['avx512', 'avx512bf16', 'amx'] },
  'all of x86, as one for Arm': { refused: ['-mamx', '-mavx', '-mfma'], without: kernels },
}
describe('a compiler that refuses', { skip: lacks }, () => {
  for (const [name, { refused, without }] of Object.entries(compilersThatRefuse))
    test(`${name} is given none of these flags, and compiles what is for them`, () => {
      const all = commands(`without-${without.length}`, refused)
      for (const kernel of kernels) {
        const flags = flagsOf(all.get(`kernels/${kernel}.cpp`))
        const known = !without.includes(kernel)
        assert.equal(flags.length > 0, known, `${kernel}: ${flags.join(' ') || 'no flags'}`)
        if (!known) compiles(kernel, all.get(`kernels/${kernel}.cpp`)!)
      }
      const pictures = all.get('pictures/avx2.cpp')!
      assert.equal(flagsOf(pictures).includes('-mavx2'), !without.includes('avx2'), 'pictures')
    })

  test('nothing is given all flags that this one knows', () => {
    const all = commands('plain', [])
    const flags = (kernel: string) => flagsOf(all.get(`kernels/${kernel}.cpp`))
    const known = (flag: string) => spawnSync(compiler!, [flag, '-E', '-x', 'c++', '/dev/null']).status === 0
    for (const [kernel, flag] of [
      ['avx2', '-mavx2'],
      ['avx512', '-mavx512f'],
      ['avx512bf16', '-mavx512bf16'],
      ['amx', '-mamx-bf16'],
    ] as const)
      assert.equal(flags(kernel).includes(flag), known(flag), `${kernel}: ${flags(kernel).join(' ')}`)
  })
})

test('clang reads the kernels too, for systems whose OpenMP is its own', {
  skip: lacks || (!which('clang++') && 'no clang++ here'),
}, () => {
  const all = commands('for-clang', [])
  for (const kernel of kernels) {
    const { file } = all.get(`kernels/${kernel}.cpp`)!
    const given = [
      '-std=c++17',
      '-fsyntax-only',
      '-fopenmp',
      '-Wno-unknown-pragmas',
      ...flagsOf(all.get(`kernels/${kernel}.cpp`)),
    ]
    const { status, stderr } = spawnSync('clang++', [...given, file], { encoding: 'utf8' })
    assert.equal(status, 0, `${kernel}: ${stderr.slice(0, 2000)}`)
  }
})

const arm = which('aarch64-linux-gnu-g++')
describe('for Arm', () => {
  const system = { CMAKE_SYSTEM_NAME: 'Linux', CMAKE_SYSTEM_PROCESSOR: 'aarch64' }
  const noGcc = lacks || (!arm && 'no aarch64-linux-gnu-g++ here')
  test('g++ is given no flag of x86, and reads the kernels in NEON and in bfloat16', { skip: noGcc }, () => {
    const all = commands('for-arm', [], arm, system)
    for (const kernel of kernels) {
      assert.deepEqual(flagsOf(all.get(`kernels/${kernel}.cpp`)), [], kernel)
      compiles(kernel, all.get(`kernels/${kernel}.cpp`)!)
    }
    assert.deepEqual(flagsOf(all.get('pictures/avx2.cpp')), [], 'pictures')
    assert.deepEqual(flagsOf(all.get('kernels/neon.cpp')), [], 'NEON is in every processor')
    assert.deepEqual(flagsOf(all.get('kernels/neonbf16.cpp')), ['-march=armv8.2-a+bf16'])
    for (const file of ['kernels/neon.cpp', 'kernels/neonbf16.cpp', 'kernels/kernels.cpp', 'pictures/plain.cpp'])
      readBy(arm!, file, ['-std=c++17', ...flagsOf(all.get(file))])
  })

  // macOS is built with clang.
  const noClang = !which('clang++') && 'no clang++ here'
  test('clang reads them too', { skip: noClang || (!arm && 'no headers for Arm here') }, () => {
    for (const [file, flags] of [
      ['kernels/neon.cpp', []],
      ['kernels/neonbf16.cpp', ['-march=armv8.2-a+bf16']],
      ['pictures/plain.cpp', []],
    ] as const)
      readBy('clang++', file, ['--target=aarch64-linux-gnu', '-std=c++17', ...flags])
  })
})

/** A compiler reads a file of native/, without making code of it. */
function readBy(cxx: string, file: string, flags: readonly string[]): void {
  const given = [
    '-fsyntax-only',
    '-fopenmp',
    '-Wno-unknown-pragmas',
    '-Wno-psabi',
    ...flags,
    join(root, 'native', file),
  ]
  const { status, stderr } = spawnSync(cxx, given, { encoding: 'utf8' })
  assert.equal(status, 0, `${cxx} ${file}: ${stderr.slice(0, 2000)}`)
}
