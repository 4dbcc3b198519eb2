// What set-up knows of each system, tested on any system: names of libraries, what a libtorch must have, pins, words.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { cpuFindings, gpuFindings, type Loaded } from '../../src/setup/findings.ts'
import { inspectLibtorch, type Libtorch } from '../../src/setup/libtorch.ts'
import { type Cpu, parseCpuInfo } from '../../src/setup/machine.ts'
import { libtorchPins } from '../../src/setup/pins.ts'
import { platformOf, platforms } from '../../src/setup/platform/index.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-platform-'))
after(() => rmSync(root, { recursive: true }))

/** A folder with headers of libtorch 2.15.0 and with these libraries. */
function fabricate(name: string, libraries: readonly string[], config = '#define AT_MKLDNN_ENABLED() 1\n'): string {
  const folder = join(root, name)
  const version = '#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 15\n#define TORCH_VERSION_PATCH 0\n'
  const files = {
    'include/torch/csrc/api/include/torch/version.h': version,
    'include/ATen/Config.h': config,
    ...Object.fromEntries(libraries.map(library => [library, '_ZN3c105ErrorC1ENSt7__cxx1112basic_stringE'])),
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}
const found = (folder: string, target: string): Libtorch | string => {
  const [system = '', arch] = target.split('-')
  return inspectLibtorch(folder, 'path', platformOf(system), arch)
}

describe('the libraries of a libtorch', () => {
  const cases = [
    ['linux-x64', 'lib/x86_64-linux-gnu', 'so'],
    ['linux-arm64', 'lib/aarch64-linux-gnu', 'so'],
    ['linux-arm64', 'lib64', 'so'],
    ['linux-x64', 'lib', 'so'],
    ['darwin-arm64', 'lib', 'dylib'],
  ] as const
  for (const [target, lib, ending] of cases)
    test(`${target}: ${lib}/libtorch_cpu.${ending}`, () => {
      const names = ['torch_cpu', 'c10'].map(name => `${lib}/lib${name}.${ending}`)
      const folder = fabricate(`${target}-${lib}`, names)
      const libtorch = found(folder, target) as Libtorch
      assert.deepEqual(libtorch.lib, [join(folder, lib)])
      assert.deepEqual(libtorch.libraries, ['torch_cpu', 'c10'])
      const other = target.startsWith('linux') ? 'darwin-arm64' : 'linux-arm64'
      assert.match(String(found(folder, other)), /^no libtorch_cpu\.(so|dylib) in /)
    })
})

test('a libtorch without oneDNN is refused on Linux and taken on macOS, whose libtorch has none', () => {
  const without = '#define AT_MKLDNN_ENABLED() 0\n'
  const linux = fabricate('plain-linux', ['lib/libtorch_cpu.so', 'lib/libc10.so'], without)
  assert.match(String(found(linux, 'linux-x64')), /without oneDNN/)
  assert.match(String(found(linux, 'linux-arm64')), /without oneDNN/)
  const mac = fabricate('plain-mac', ['lib/libtorch_cpu.dylib', 'lib/libc10.dylib'], without)
  assert.equal((found(mac, 'darwin-arm64') as Libtorch).version, '2.15.0')
})

describe('the pins', () => {
  test('there is one for each platform that Anneal is made for', () => {
    assert.deepEqual(Object.keys(libtorchPins).sort(), ['darwin-arm64', 'linux-arm64', 'linux-x64'])
  })
  for (const [target, { wheels }] of Object.entries(libtorchPins))
    test(`${target}: the wheels are of one version, and hold its libraries and headers`, () => {
      const [torch] = wheels.parts
      assert.equal(torch!.version, wheels.version)
      for (const part of wheels.parts) {
        assert.match(part.sha256, /^[0-9a-f]{64}$/)
        const architecture = { x64: 'x86_64', arm64: target.startsWith('linux') ? 'aarch64' : 'arm64' }
        assert.match(part.platform!, new RegExp(`${architecture[target.split('-')[1] as 'x64' | 'arm64']}$`))
        assert.ok(part.file.includes(part.version), `${part.file} is of ${part.version}`)
      }
      const library = platformOf(target.split('-')[0]!).library
      const taken = ['torch/include/ATen/ATen.h', `torch/lib/${library('torch_cpu')}`, `torch/lib/${library('c10')}`]
      const left = ['torch/__init__.py', `torch/lib/${library('torch_python')}`, `torch/lib/${library('torch_cuda')}`]
      for (const name of taken) assert.match(name, torch!.members)
      for (const name of left) assert.doesNotMatch(name, torch!.members)
    })
  test('each has the OpenMP that its libtorch was built with', () => {
    const openmp = { 'linux-x64': 'libgomp.so.1', 'linux-arm64': 'libgomp.so.1', 'darwin-arm64': 'libomp.dylib' }
    for (const [target, name] of Object.entries(openmp))
      assert.match(`torch/lib/${name}`, libtorchPins[target]!.wheels.parts[0]!.members)
    for (const name of ['libarm_compute.so', 'libnvpl_blas_core.so.0', 'libgfortran.so.5'])
      assert.match(`torch/lib/${name}`, libtorchPins['linux-arm64']!.wheels.parts[0]!.members)
  })
})

test('remedies are words of their system', () => {
  const { linux, darwin } = platforms
  for (const words of Object.values(linux!.install)) assert.doesNotMatch(words, /brew|xcode/i)
  for (const words of Object.values(darwin!.install)) assert.doesNotMatch(words, /apt|dnf|g\+\+/)
  assert.equal(linux!.spin.name, 'GOMP_SPINCOUNT')
  assert.equal(darwin!.spin.name, 'KMP_BLOCKTIME')
})

test('the instruction sets of an Arm processor are read from its features', () => {
  const graviton = 'processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd aes sha2 asimddp sve bf16 i8mm\n'
  const older = 'processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\n'
  assert.ok(parseCpuInfo(graviton).flags.has('bf16'), 'Graviton 3 has bfloat16')
  assert.ok(parseCpuInfo(older).flags.has('asimd'), 'Cortex-A72 has NEON')
  assert.ok(!parseCpuInfo(older).flags.has('bf16'), 'Cortex-A72 has no bfloat16')
  assert.equal(parseCpuInfo(graviton).model, undefined)
})

describe('what doctor says of processor and GPU', () => {
  const none = { avx2: false, avx512: false, avx512bf16: false, amx: false, neon: false, neonBf16: false }
  const says = (cpu: Partial<Cpu>) =>
    cpuFindings({ cpu: { model: 'One', cores: 4, ...none, ...cpu }, memory: { total: 8e9, free: 8e9 } }, undefined)[0]!
      .text
  test('an Arm processor lacks nothing of x86', () => {
    assert.equal(says({ neon: true, neonBf16: true }), 'One: NEON, NEON bfloat16')
    assert.equal(says({ neon: true }), 'One: NEON (no bfloat16)')
    assert.equal(says({ avx2: true }), 'One: AVX2 (no AVX-512, no AMX)')
    assert.equal(says({}), 'One: no vector instructions known here (no AVX-512, no AMX)')
  })
  test('the GPU of a Mac has to be asked for', () => {
    const loaded: Loaded = { version: '2.15.0', cpuCapability: 'DEFAULT', threads: 4, cudaDevices: 0 }
    const [mac] = gpuFindings([], undefined, undefined, { ...loaded, mps: true })
    assert.deepEqual(
      [mac!.state, mac!.text],
      ['ok', 'of this Mac; training uses the CPU, or the GPU with --device mps'],
    )
    assert.match(gpuFindings([], undefined, undefined, { ...loaded, mps: false })[0]!.text, /^none found/)
  })
})
