// The AMX kernels on machines without AMX: test/native/tiles.cpp with tiles in plain C++ in place of the instructions.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { kernelSets } from '../../src/torch/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-tiles-'))
after(() => rmSync(folder, { recursive: true }))
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

const run = (command: string, args: string[]) => spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
const lacks = !kernelSets().includes('avx512_bf16')
  ? 'no AVX-512 BF16 here'
  : run('g++', ['--version']).status !== 0 && 'no g++ here'

test('the AMX kernels, over software tiles, are those of AVX-512 BF16 and near float64', { skip: lacks }, () => {
  const program = join(folder, 'tiles')
  const sets = ['f', 'bw', 'vl', 'dq', 'bf16'].map(name => `-mavx512${name}`)
  const flags = ['-std=c++17', '-w', '-fopenmp', '-mfma', ...sets, '-DANNEAL_SOFTWARE_TILES']
  const build = (...args: string[]) => {
    const { status, stderr } = run('g++', [...flags, ...args])
    assert.equal(status, 0, stderr)
  }
  // Half of the time is spent in compiling. What is compared with is compiled in a fifth of the time without -O1.
  const twin = join(folder, 'avx512bf16.o')
  build('-O0', '-c', path('native/kernels/avx512bf16.cpp'), '-o', twin)
  const kernels = ['kernels', 'amx'].map(name => path(`native/kernels/${name}.cpp`))
  build('-O1', path('test/native/tiles.cpp'), ...kernels, twin, '-o', program)
  const { status, signal, stdout, stderr } = run(program, [])
  assert.deepEqual([status, signal, stdout.match(/^.*WRONG.*$/gm)], [0, null, null], stderr)
  assert.match(stdout, /^self check: agrees with the kernels, sees one bit that is wrong$/m)
  assert.ok(stdout.split('\n').length > 400, `${stdout.split('\n').length} comparisons`)
})
