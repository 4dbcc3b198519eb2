import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../helpers/sources.ts'

/** The output and the exit code of a script that runs in the project's folder. */
function script(lines: string, env: NodeJS.ProcessEnv = {}) {
  const args = ['--import', 'tsx', '--input-type=module', '-e', lines]
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, signal, stdout: stdout.trim(), stderr }
}
const at = (path: string) => JSON.stringify(join(root, path))
const begin = `import { readFileSync } from 'node:fs'
const { preload } = await import(${at('src/setup/preload.ts')})
const isLoaded = () => readFileSync('/proc/self/maps', 'utf8').includes('libtorch_cpu')
preload()
`

test('libtorch is loaded on a thread while JavaScript goes on, and serves whoever asks then', () => {
  const { stdout, stderr } = script(`${begin}
const before = performance.now()
while (!isLoaded() && performance.now() - before < 20_000) await new Promise(done => setTimeout(done, 1))
const loaded = isLoaded()
const { ones } = await import(${at('src/torch/index.ts')})
console.log(loaded, ones([3]).sum().item())`)
  assert.equal(stdout, 'true 3', stderr)
})

test('without it nothing is loaded before something is asked of it', () => {
  const { stdout, stderr } = script(`${begin.replace('preload()\n', '')}
const { native } = await import(${at('src/torch/native.ts')})
await import(${at('src/torch/index.ts')})
const before = isLoaded()
console.log(before, native.threads() > 0, isLoaded())`)
  assert.equal(stdout, 'false true true', stderr)
})

test('a process that ends meanwhile ends as it wants to', () => {
  for (const wait of [0, 20, 60]) {
    const { status, signal, stderr } = script(`${begin}setTimeout(() => process.exit(7), ${wait})`)
    assert.deepEqual({ status, signal }, { status: 7, signal: null }, stderr)
  }
})

test('where set-up has not run, nothing happens, and who needs libtorch is told what to do', () => {
  const { stdout } = script(
    `${begin}
const { native } = await import(${at('src/torch/native.ts')})
try { native.threads() } catch (error) { console.log(isLoaded(), error.message) }`,
    { ANNEAL_CACHE: join(root, 'no such cache') },
  )
  assert.match(stdout, /^false .*not set up yet: run `npx anneal setup`/)
})
