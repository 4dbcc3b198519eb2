import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { compareVersions, inspectLibtorch } from '../../src/setup/libtorch.ts'
import { lookForLibtorch, type Places } from '../../src/setup/lookup.ts'
import { libtorchPins } from '../../src/setup/pins.ts'
import { ensureLibtorch } from '../../src/setup/provide.ts'
import { zipOf } from '../helpers/archive.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'anneal-lookup-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

/** The files that identify a libtorch. */
function fabricate(folder: string, version = '2.15.0', { cuda = false, onednn = true } = {}): string {
  const [major, minor, patch] = version.split('.')
  const lines = [`MAJOR ${major}`, `MINOR ${minor}`, `PATCH ${patch}`].map(line => `#define TORCH_VERSION_${line}`)
  put(join(folder, 'include/torch/csrc/api/include/torch/version.h'), lines.join('\n'))
  put(join(folder, 'include/ATen/Config.h'), `#define AT_MKLDNN_ENABLED() ${onednn ? 1 : 0}\n`)
  for (const name of ['libtorch_cpu.so', 'libc10.so', ...(cuda ? ['libtorch_cuda.so'] : [])])
    put(join(folder, 'lib', name), '_ZNK3c105ErrorNSt7__cxx11')
  return folder
}

/** A Python that prints the path of its torch, like the real one. */
function python(torch: string): string {
  const path = put(join(root, 'bin/python3'), `#!/bin/sh\necho ${torch ? join(torch, '__init__.py') : ''}\n`)
  chmodSync(path, 0o755)
  return path
}

const places = (given: Partial<Places> = {}): Places => ({
  wanted: undefined,
  python: undefined,
  prefixes: [],
  cache: join(root, 'cache'),
  pins: libtorchPins['linux-x64'],
  ...given,
})

test('reads what compiler and linker need', () => {
  const found = inspectLibtorch(fabricate(join(root, 'torch'), '2.15.0', { cuda: true }), 'path')
  assert.ok(typeof found === 'object', `typeof found === 'object'`)
  assert.equal(found.version, '2.15.0')
  assert.equal(found.cxxStandard, 20)
  assert.deepEqual(found.libraries, ['torch_cpu', 'c10', 'torch_cuda', 'c10_cuda'])
  assert.deepEqual(found.lib, [join(root, 'torch/lib')])
  assert.equal(found.cxx11Abi, true)
  const old = inspectLibtorch(fabricate(join(root, 'old'), '1.13.1'), 'path')
  assert.ok(
    typeof old === 'object' && old.cxxStandard === 17 && !old.cuda,
    `typeof old === 'object' && old.cxxStandard === 17 && !old.cuda`,
  )
})

test('says why a folder can not be used', () => {
  const reason = (folder: string) => inspectLibtorch(folder, 'path') as string
  assert.match(reason(join(root, 'nothing')), /no C\+\+ headers/)
  assert.match(reason(fabricate(join(root, 'old'), '1.12.1')), /1\.12\.1 is too old \(at least 1\.13\.0\)/)
  assert.match(reason(fabricate(join(root, 'slow'), '2.1.0', { onednn: false })), /without oneDNN/)
  const half = fabricate(join(root, 'half'))
  rmSync(join(half, 'lib/libc10.so'))
  assert.match(reason(half), /no libc10\.so/)
})

test('versions compare as numbers', () => {
  assert.ok(compareVersions('2.9.1', '2.10.0') < 0, `compareVersions('2.9.1', '2.10.0') < 0`)
  assert.equal(compareVersions('2.15.0+cpu', '2.15.0'), 0)
  assert.ok(compareVersions('2.0', '1.13.1') > 0, `compareVersions('2.0', '1.13.1') > 0`)
})

test('the order: a named folder, Python, the system, the archive, the wheel', () => {
  const pins = libtorchPins['linux-x64']!
  const named = fabricate(join(root, 'named/torch'))
  const ofPython = fabricate(join(root, 'site-packages/torch'))
  const system = fabricate(join(root, 'usr'), '1.13.1')
  const archive = fabricate(join(root, `cache/archive-${pins.archive!.version}/libtorch`))
  const wheel = fabricate(join(root, `cache/wheel-${pins.wheels.version}/torch`))
  const given = { python: python(ofPython), prefixes: [join(root, 'none'), system] }
  const folder = (changed: Partial<Places>) => lookForLibtorch(places({ ...given, ...changed })).libtorch?.folder
  assert.equal(folder({ wanted: join(root, 'named') }), named)
  assert.equal(folder({}), ofPython)
  assert.equal(folder({ python: undefined }), system)
  assert.equal(folder({ python: undefined, prefixes: [] }), archive)
  assert.equal(folder({ wanted: 'system' }), system)
  assert.equal(folder({ wanted: 'archive' }), archive)
  assert.equal(folder({ wanted: 'wheel' }), wheel)
  rmSync(archive, { recursive: true })
  assert.equal(folder({ python: python(''), prefixes: [] }), wheel)
})

test('what is passed over is recorded with its reason, in order', () => {
  const torch = fabricate(join(root, 'site-packages/torch'), '1.8.0')
  const system = fabricate(join(root, 'usr'), '1.13.1')
  const { candidates } = lookForLibtorch(places({ python: python(torch), prefixes: [system] }))
  assert.deepEqual(
    candidates.map(({ source, place, taken }) => ({ source, place, taken })),
    [
      { source: 'python', place: torch, taken: false },
      { source: 'system', place: system, taken: true },
    ],
  )
  assert.match(candidates[0]!.reason, /1\.8\.0 is too old/)
})

test('a named folder without a libtorch is an error, not passed over', () => {
  fabricate(join(root, 'usr'))
  const look = (wanted: string) => () => lookForLibtorch(places({ wanted, prefixes: [join(root, 'usr')] }))
  assert.throws(
    look(join(root, 'nowhere')),
    /nowhere: there is no such folder; expected .* python, system, archive, wheel/,
  )
  mkdirSync(join(root, 'empty'))
  assert.throws(look(join(root, 'empty')), /empty: no C\+\+ headers/)
})

test('an archive host that can not be reached is passed over; nothing half stays', async () => {
  const pins = libtorchPins['linux-x64']!
  const archive = { ...pins.archive!, url: 'http://127.0.0.1:9/libtorch.zip' }
  process.env.ANNEAL_CACHE = root
  try {
    const given = places({ pins: { archive, wheels: { version: '0.0.0', parts: [] } } })
    const lines: string[] = []
    const report = (notice: object) => 'line' in notice && lines.push(String(notice.line))
    await assert.rejects(
      ensureLibtorch(report, given),
      /no libtorch was found, and none could be fetched.*archive: could not fetch.*wheel: /,
    )
    assert.ok(
      lines.some(line => /did not use the archive: could not fetch libtorch 2\.14\.1 for CPU/.test(line)),
      'lines.some(line => /did not use the archive: could not fetch libtor…',
    )
    assert.ok(
      !existsSync(join(root, 'downloads')) || readdirSync(join(root, 'downloads')).length === 0,
      `!existsSync(join(root, 'downloads')) || readdirSync(join(root, 'dow…`,
    )
  } finally {
    delete process.env.ANNEAL_CACHE
  }
})

test('the archive is fetched, checked, unpacked and cleared away', async () => {
  const source = fabricate(join(root, 'source/libtorch'), '2.14.1')
  const names = (readdirSync(source, { recursive: true }) as string[]).filter(name =>
    statSync(join(source, name)).isFile(),
  )
  const members = names.map(name => ({ name: `libtorch/${name}`, data: readFileSync(join(source, name)) }))
  const zip = zipOf([...members, { name: 'libtorch/bin/protoc' }])
  const server = createServer((_, response) => response.end(zip))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  process.env.ANNEAL_CACHE = root
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`
    const sha256 = createHash('sha256').update(zip).digest('hex')
    const archive = { ...libtorchPins['linux-x64']!.archive!, url, sha256, sha512: undefined, bytes: zip.length }
    const given = places({ pins: { archive, wheels: { version: '0.0.0', parts: [] } } })
    const both = await Promise.all([ensureLibtorch(() => {}, given), ensureLibtorch(() => {}, given)])
    for (const { libtorch, candidates } of both) {
      assert.equal(libtorch.folder, join(root, 'cache/archive-2.14.1/libtorch'))
      assert.equal(libtorch.source, 'archive')
      assert.ok(
        candidates.some(({ source, taken }) => source === 'archive' && taken),
        `candidates.some(({ source, taken }) => source === 'archive' && taken)`,
      )
    }
    assert.deepEqual(readdirSync(join(root, 'cache')), ['archive-2.14.1'])
    assert.deepEqual(readdirSync(join(root, 'downloads')), [])
    assert.equal(existsSync(join(root, 'cache/archive-2.14.1/libtorch/bin')), false)
  } finally {
    server.closeAllConnections()
    server.close()
    delete process.env.ANNEAL_CACHE
  }
})
