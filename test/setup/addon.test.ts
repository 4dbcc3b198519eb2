import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { findAddon } from '../../src/setup/addon.ts'
import { ensureAddon } from '../../src/setup/build.ts'
import { cpuQuota, machine, parseCpuInfo } from '../../src/setup/machine.ts'
import { type Ready, readState, remember, sourcesDigest, stampOf, stateKey } from '../../src/setup/state.ts'

let root = ''
const names = ['ANNEAL_CACHE', 'ANNEAL_ADDON', 'ANNEAL_LIBTORCH', 'PATH', 'CXX']
const before = names.map(name => process.env[name])
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'anneal-addon-'))
  process.env.ANNEAL_CACHE = root
  delete process.env.ANNEAL_ADDON
  delete process.env.ANNEAL_LIBTORCH
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
  for (const [i, name] of names.entries()) {
    if (before[i] === undefined) delete process.env[name]
    else process.env[name] = before[i]
  }
})

/** A state as set-up writes it, with new files. */
function ready(name = 'anneal.node', at = 1): Ready {
  const path = join(root, name)
  const library = join(root, 'libtorch_cpu.so')
  for (const file of [path, library]) if (!existsSync(file)) writeFileSync(file, 'x')
  const libtorch = { source: 'system', version: '1.13.1', folder: '/usr', cuda: false } as const
  return { path, libtorch, stamp: stampOf(library)!, library, candidates: [], at }
}

test('nothing is found before set-up, and what set-up left after it', async () => {
  assert.equal(findAddon(), undefined)
  const state = ready()
  await remember(stateKey(), state)
  assert.deepEqual(findAddon(), { path: state.path, libtorch: state.libtorch, library: state.library })
})

test('finding costs less than 5 ms', async () => {
  await remember(stateKey(), ready())
  findAddon()
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now()
    findAddon()
    return performance.now() - start
  })
  assert.ok(Math.min(...times) < 5, `${Math.min(...times)} ms`)
})

test('what a layer of a container or an archive keeps is enough: times without fractions of a second', async () => {
  const state = ready()
  utimesSync(state.library, 1_700_000_000.75, 1_700_000_000.75)
  await remember(stateKey(), { ...state, stamp: stampOf(state.library)! })
  utimesSync(state.library, 1_700_000_000, 1_700_000_000)
  assert.ok(findAddon(), 'the same second')
  utimesSync(state.library, 1_700_000_001, 1_700_000_001)
  assert.equal(findAddon(), undefined, 'another second')
})

test('an addon that was deleted, or whose libtorch was replaced, is not found', async () => {
  const state = ready()
  await remember(stateKey(), state)
  writeFileSync(state.library, 'another libtorch')
  assert.equal(findAddon(), undefined)
  await remember(stateKey(), ready())
  assert.ok(findAddon(), 'findAddon()')
  rmSync(state.path)
  assert.equal(findAddon(), undefined)
})

test('each ANNEAL_LIBTORCH has its own addon', async () => {
  await remember(stateKey(), ready('one.node'))
  process.env.ANNEAL_LIBTORCH = 'wheel'
  assert.equal(findAddon(), undefined)
  await remember(stateKey(), ready('two.node'))
  assert.equal(findAddon()?.path, join(root, 'two.node'))
  delete process.env.ANNEAL_LIBTORCH
  assert.equal(findAddon()?.path, join(root, 'one.node'))
})

test('a broken state.json is as none, and the next set-up mends it', async () => {
  mkdirSync(join(root, 'addon'))
  const broken = [
    '',
    '{"cut',
    'null',
    '[]',
    '42',
    '{"key": 7}',
    `{"${stateKey()}": {"path": 5}}`,
    `{"${stateKey()}": null}`,
  ]
  for (const text of broken) {
    writeFileSync(join(root, 'addon/state.json'), text)
    assert.equal(findAddon(), undefined, text)
  }
  await remember(stateKey(), ready())
  assert.ok(findAddon(), 'findAddon()')
})

test('two that remember at once lose nothing; the oldest of many are forgotten', async () => {
  await Promise.all(Array.from({ length: 6 }, (_, i) => remember(`key ${i}`, ready('a.node', i))))
  assert.equal(Object.keys(readState()).length, 6)
  for (let i = 6; i < 53; i++) await remember(`key ${i}`, ready('a.node', i))
  assert.equal(Object.keys(readState()).length, 50)
  assert.equal(readState()['key 0'], undefined)
})

test('ANNEAL_ADDON gives the file directly, and must exist', async () => {
  process.env.ANNEAL_ADDON = join(root, 'mine.node')
  assert.throws(() => findAddon(), /ANNEAL_ADDON=.*mine\.node: there is no such file/)
  writeFileSync(join(root, 'mine.node'), 'x')
  assert.deepEqual(findAddon(), { path: join(root, 'mine.node') })
  assert.deepEqual(await ensureAddon(), { path: join(root, 'mine.node'), built: false })
})

test('without a compiler, CMake or make, one line names them and what to install', async () => {
  process.env.PATH = root
  delete process.env.CXX
  await assert.rejects(
    ensureAddon(),
    /needs a C\+\+ compiler .* and CMake .* and make, not found .* apt install build-essential cmake/,
  )
})

/** A program that only prints this version. */
function compiler(name: string, version: string): string {
  const path = join(root, name)
  writeFileSync(path, `#!/bin/sh\necho "${version}"\n`, { mode: 0o755 })
  return path
}
const clang = ['Debian clang version 14.0.6', 'Ubuntu clang version 18.1.3 (1ubuntu1)', 'Apple clang version 16.0.0']

test('clang on Linux is refused in a line that says why and what to do', {
  skip: process.platform !== 'linux',
}, async () => {
  process.env.PATH = `${root}:/usr/bin:/bin`
  for (const version of clang) {
    process.env.CXX = compiler('clang++', version)
    const { message } = (await ensureAddon().catch(error => error)) as Error
    assert.match(message, new RegExp(`^CXX=.*clang\\+\\+ is ${version.replace(/[()]/g, '\\$&')}: on Linux`), message)
    assert.match(message, /libomp.*libgomp.*apt install g\+\+.* set CXX=g\+\+, or leave CXX out$/, message)
    assert.equal(message.split('\n').length, 1, 'one line')
  }
  // The name of the compiler does not show that it is clang.
  process.env.CXX = compiler('my-compiler', clang[0]!)
  await assert.rejects(ensureAddon(), /my-compiler is Debian clang/)
  delete process.env.CXX
  process.env.PATH = root
  compiler('c++', clang[0]!)
  await assert.rejects(ensureAddon(), /c\+\+ is Debian clang .* dnf install gcc-c\+\+\)$/)
})

test('a c++ that is clang is passed over where g++ is there too', { skip: process.platform !== 'linux' }, async () => {
  delete process.env.CXX
  process.env.PATH = root
  compiler('c++', clang[0]!)
  compiler('g++', 'g++ (Debian 12.2.0-14) 12.2.0')
  // The compiler is found; the other tools are missing.
  await assert.rejects(ensureAddon(), /^[^+]*needs CMake \(3.16 or newer\) and make, not found/)
})

test('the digest of the sources changes with any of them, and with nothing else', () => {
  for (const name of ['a.cpp', 'b.h', 'CMakeLists.txt', 'README.md']) writeFileSync(join(root, name), name)
  const first = sourcesDigest(root)
  writeFileSync(join(root, 'README.md'), 'changed')
  assert.equal(sourcesDigest(root), first)
  const digests = ['a.cpp', 'b.h', 'CMakeLists.txt'].map(name => {
    writeFileSync(join(root, name), 'changed')
    return sourcesDigest(root)
  })
  assert.equal(new Set([first, ...digests]).size, 4)
})

test('describes the processor as the kernel does', () => {
  const info = 'processor\t: 0\nmodel name\t: A Fast One\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\n'
  const { model, flags } = parseCpuInfo(info)
  assert.equal(model, 'A Fast One')
  assert.deepEqual([...flags], ['fpu', 'avx2', 'avx512f', 'avx512_bf16'])
  const here = machine()
  assert.equal(here.cpu.cores <= Number(execFileSync('nproc', { encoding: 'utf8', env: {} })), true)
  assert.ok(
    here.cpu.cores >= 1 && here.memory.total > 1e8 && here.memory.free <= here.memory.total,
    'here.cpu.cores >= 1 && here.memory.total > 1e8 && here.memory.free …',
  )
})

test('a container limit counts as whole cores', () => {
  assert.equal(cpuQuota('150000 100000\n'), 2)
  assert.equal(cpuQuota('max 100000\n'), Number.POSITIVE_INFINITY)
  assert.equal(cpuQuota(''), Number.POSITIVE_INFINITY)
})

test('describing the machine costs less than 2 ms', () => {
  machine()
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now()
    machine()
    return performance.now() - start
  })
  assert.ok(Math.min(...times) < 2, `${Math.min(...times)} ms`)
})
