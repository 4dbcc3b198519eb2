import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { Finding } from '../../src/setup/findings.ts'
import { findAddon } from '../../src/setup/index.ts'
import { libc, unsupported } from '../../src/setup/libc.ts'
import type { Libtorch } from '../../src/setup/libtorch.ts'
import { lookForLibtorch, machinePlaces, needsPip } from '../../src/setup/lookup.ts'
import { mending, notNeeded, packageFinding, systemFinding } from '../../src/setup/mend.ts'
import type { LibtorchPins } from '../../src/setup/pins.ts'
import { placeBuild } from '../../src/setup/place.ts'
import { copyBuild, lookForPackage, onlyFor } from '../../src/setup/prebuilt.ts'

let root = ''
const { ANNEAL_CACHE } = process.env
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'anneal-prebuilt-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
  if (ANNEAL_CACHE === undefined) delete process.env.ANNEAL_CACHE
  else process.env.ANNEAL_CACHE = ANNEAL_CACHE
})

const target = 'linux-x64'
const about = { target, version: '1.2.3', sources: 'abc', libc: { glibc: '2.36' } } as const
const digest = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')

/** A platform package with a build for each version of libtorch. */
function made(
  versions = ['2.15.0'],
  { version = '1.2.3', sources = 'abc', glibc = '2.28', its = target, addon = 'addon' as string | Buffer } = {},
): string {
  const folder = join(root, 'package')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: `@anneal/${target}`, version }))
  for (const libtorch of versions) {
    const place = join(folder, `libtorch-${libtorch}`)
    mkdirSync(place)
    writeFileSync(join(place, 'anneal.node'), addon)
    const files = { 'anneal.node': { bytes: addon.length, sha256: digest(addon) } }
    writeFileSync(join(place, 'manifest.json'), JSON.stringify({ target: its, libtorch, sources, glibc, files }))
  }
  return folder
}

test('the package of this machine offers an addon for each version of libtorch that it has, the newest first', () => {
  const found = lookForPackage({ ...about, folder: made(['2.9.1', '2.15.0', '2.14.1']) })
  assert.equal(found.problem, undefined)
  assert.deepEqual(onlyFor(found), { versions: ['2.15.0', '2.14.1', '2.9.1'], from: '@anneal/linux-x64 1.2.3' })
  assert.deepEqual(packageFinding(found, false), {
    name: 'package',
    state: 'ok',
    text: '@anneal/linux-x64 1.2.3: the compiled addon for libtorch 2.15.0 and 2.14.1 and 2.9.1',
  })
})

test('without the package: a clone builds its own addon, an installed anneal says how to install it', () => {
  const found = lookForPackage({ ...about, folder: undefined })
  assert.deepEqual(found, { name: '@anneal/linux-x64', version: undefined, builds: [] })
  assert.equal(onlyFor(found), undefined)
  assert.equal(packageFinding(found, true).state, 'info')
  assert.match(packageFinding(found, false).todo!, /npm install --include=optional/)
})

test('a mismatch of package, anneal and system is one line that says what to do', () => {
  const again = /: npm install anneal@1\.2\.3 @anneal\/linux-x64@1\.2\.3/
  const newer = /use a newer system/
  const cases: [options: Parameters<typeof made>, given: object, what: RegExp, todo: RegExp][] = [
    [[undefined, { version: '1.2.2' }], {}, /is version 1\.2\.2, but anneal is version 1\.2\.3/, again],
    [[undefined, { version: '1.2.3-beta.1' }], {}, /is version 1\.2\.3-beta\.1, but/, again],
    [[undefined, { sources: 'abd' }], {}, /from other sources \(linux-x64, abd\) than anneal 1\.2\.3 has/, again],
    [[undefined, { its: 'linux-arm64' }], {}, /built from other sources \(linux-arm64, abc\)/, again],
    [[[]], {}, /holds no addon/, again],
    [[], { libc: { glibc: '2.17' } }, /needs glibc 2\.28, but this system has 2\.17/, newer],
    [[], { libc: { glibc: '2.9' } }, /needs glibc 2\.28, but this system has 2\.9/, newer],
  ]
  for (const [options, given, what, todo] of cases) {
    const found = lookForPackage({ ...about, folder: made(...options), ...given })
    assert.match(found.problem!, what)
    assert.match(found.problem!, todo)
    assert.equal(found.problem!.split('\n').length, 1)
    assert.deepEqual(found.builds, [], 'nothing of it is used')
    assert.equal(packageFinding(found, false).state, 'note')
    assert.ok(packageFinding(found, false).todo, 'doctor says what to do')
  }
  for (const glibc of ['2.28', '2.31', '2.100'])
    assert.equal(lookForPackage({ ...about, folder: made(), libc: { glibc } }).problem, undefined, glibc)
})

test('a damaged file of the package is refused', () => {
  const { builds } = lookForPackage({ ...about, folder: made() })
  for (const wrong of ['', 'addo', 'addon.', 'ADDON']) {
    writeFileSync(join(builds[0]!.folder, 'anneal.node'), wrong)
    assert.throws(
      () => copyBuild(builds[0]!, root),
      /anneal\.node is damaged \(sha256 \w+, expected \w+\).*npm install/,
    )
  }
  rmSync(join(builds[0]!.folder, 'anneal.node'))
  assert.throws(() => copyBuild(builds[0]!, root), /anneal\.node is damaged \(sha256 no file/)
  assert.equal(existsSync(join(root, 'anneal.node')), false)
})

test('libtorch of another version than those with an addon is passed over, with what to do', () => {
  const torch = join(root, 'python/torch')
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(torch, name)), { recursive: true })
    writeFileSync(join(torch, name), text)
  }
  const version = (minor: number) =>
    put(
      'include/torch/csrc/api/include/torch/version.h',
      `#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH 0`,
    )
  for (const name of ['libtorch_cpu', 'libc10'])
    for (const end of ['so', 'dylib']) put(`lib/${name}.${end}`, '_ZNK3c105ErrorNSt7__cxx11')
  put('__init__.py', '')
  const python = join(root, 'python3')
  writeFileSync(python, `#!/bin/sh\necho ${join(torch, '__init__.py')}\n`, { mode: 0o755 })
  const only = { versions: ['2.15.0', '2.14.1'], from: '@anneal/linux-x64 1.2.3' }
  const places = { ...machinePlaces(), python, prefixes: [], cache: root, only, wanted: undefined }
  for (const minor of [13, 16]) {
    version(minor)
    const { libtorch, candidates } = lookForLibtorch(places)
    assert.equal(libtorch, undefined)
    assert.match(
      candidates[0]!.reason,
      new RegExp(
        `^version 2\\.${minor}\\.0, and @anneal/linux-x64 1\\.2\\.3 is built for 2\\.15\\.0 and 2\\.14\\.1\\. .*: ANNEAL_LIBTORCH=python npx anneal setup$`,
      ),
    )
  }
  version(15)
  assert.equal(lookForLibtorch(places).libtorch?.version, '2.15.0')
  version(13)
  assert.equal(lookForLibtorch({ ...places, only: undefined }).libtorch?.version, '2.13.0', 'a build here takes any')
})

test('pip is needed only where no archive of a version with an addon is pinned', () => {
  const wheels = { version: '2.15.0', parts: [] }
  const archive = { version: '2.14.1' } as never
  const only = (...versions: string[]) => ({ versions, from: 'a package' })
  const of = (pins: object) => ({ ...machinePlaces(), pins: pins as LibtorchPins })
  assert.equal(needsPip(only('2.15.0'), of({ wheels, archive })), true)
  assert.equal(needsPip(only('2.15.0', '2.14.1'), of({ wheels, archive })), false)
  assert.equal(needsPip(undefined, of({ wheels, archive })), false)
  assert.equal(needsPip(undefined, of({ wheels })), true)
})

test('a build is copied beside a link to the libraries of libtorch, and loads there', async () => {
  const real = findAddon()
  assert.ok(real?.library, 'set-up has run')
  process.env.ANNEAL_CACHE = join(root, 'cache')
  const folder = made(['2.15.0'], { addon: readFileSync(real.path) })
  const [build] = lookForPackage({ ...about, folder }).builds
  const libtorch = { version: '2.15.0', folder: root, lib: [dirname(real.library)], cuda: false } as unknown as Libtorch
  const placed = await placeBuild(build!, libtorch, () => {})
  assert.equal(placed.library, real.library)
  assert.equal(readlinkSync(join(dirname(placed.path), 'lib')), dirname(real.library))
  assert.equal((await placeBuild(build!, libtorch, () => {})).path, placed.path, 'once')
  // One that does not load is an error, and nothing stays.
  const [broken] = lookForPackage({ ...about, folder: made() }).builds
  await assert.rejects(
    placeBuild(broken!, libtorch, () => {}),
    /the addon in .* does not load with libtorch 2\.15\.0/,
  )
})

test('the C library is read from what Node reports', () => {
  assert.deepEqual(
    libc('linux', () => ({ header: { glibcVersionRuntime: '2.36' } })),
    { glibc: '2.36' },
  )
  assert.equal(
    libc('linux', () => ({ header: {} })),
    'musl',
  )
  assert.equal(
    libc('linux', () => ({})),
    'musl',
  )
  assert.equal(
    libc('darwin', () => assert.fail('not asked')),
    undefined,
  )
})

test('what can not train says so, and what to use: Alpine, an old glibc, Windows, Macs with Intel processors', () => {
  const old = unsupported('linux', 'x64', { glibc: '2.17' })!
  assert.match(
    `${old.text}; ${old.todo}`,
    /has glibc 2\.17, and libtorch needs 2\.28 or later.*; use Debian 11.*@anneal\/run/,
  )
  assert.ok(unsupported('linux', 'arm64', { glibc: '2.4' }), '2.4 is older than 2.28')
  assert.match(unsupported('linux', 'x64', 'musl')!.todo, /^use node:22-slim; .*@anneal\/run/)
  assert.match(unsupported('linux', 'arm64', 'musl')!.text, /musl, such as Alpine/)
  assert.match(unsupported('win32', 'x64', undefined)!.todo, /WSL2/)
  assert.match(unsupported('darwin', 'x64', undefined)!.todo, /Apple processor/)
  for (const [platform, arch, found] of [
    ['linux', 'x64', { glibc: '2.28' }],
    ['linux', 'arm64', { glibc: '2.39' }],
    ['darwin', 'arm64', undefined],
  ] as const)
    assert.equal(unsupported(platform, arch, found), undefined, `${platform} ${arch}`)
  assert.deepEqual(systemFinding('linux', 'x64', { glibc: '2.36' }), {
    name: 'system',
    state: 'ok',
    text: 'Linux x64, glibc 2.36',
  })
  assert.equal(systemFinding('linux', 'x64', 'musl').state, 'missing')
})

test('doctor ends with the one thing that mends what is missing', () => {
  const finding = (name: string, state: Finding['state'], todo?: string): Finding => ({
    name,
    state,
    text: 'text',
    ...(todo && { todo }),
  })
  const addon = finding('addon', 'missing', 'npx anneal setup')
  assert.equal(mending([finding('compiler', 'info'), addon]), 'npx anneal setup')
  assert.equal(
    mending([finding('Node', 'missing', 'install Node 20.12 or newer'), addon]),
    'install Node 20.12 or newer',
  )
  assert.match(mending([systemFinding('linux', 'x64', 'musl'), addon]), /^use node:22-slim/)
  assert.match(mending([finding('cache', 'missing', 'Set ANNEAL_CACHE'), addon]), /^Set ANNEAL_CACHE/)
  const tools = [finding('compiler', 'missing'), finding('CMake', 'missing')]
  const brought = packageFinding(lookForPackage({ ...about, folder: undefined }), false)
  assert.equal(mending([brought, ...tools, addon]), 'npm install --include=optional && npx anneal setup')
  const older = packageFinding(lookForPackage({ ...about, folder: made(undefined, { version: '1.2.2' }) }), false)
  assert.equal(
    mending([older, ...tools, addon]),
    'npm install anneal@1.2.3 @anneal/linux-x64@1.2.3 && npx anneal setup',
  )
  const old = packageFinding(lookForPackage({ ...about, folder: made(), libc: { glibc: '2.17' } }), false)
  assert.match(mending([old, ...tools, addon]), /^use a newer system/)
  if (process.platform === 'linux') {
    assert.equal(mending([...tools, addon]), 'sudo apt-get install build-essential cmake && npx anneal setup')
    assert.equal(mending([finding('Python', 'missing'), addon]), 'sudo apt-get install python3-pip && npx anneal setup')
  }
  assert.equal(notNeeded(finding('compiler', 'missing')).state, 'info')
  assert.equal(notNeeded(finding('Python', 'missing')).state, 'missing', 'it fetches libtorch')
  assert.equal(notNeeded(finding('compiler', 'ok')).state, 'ok')
})
