// Runs tests with the addon for linux-arm64 on this machine: Node for Arm runs under qemu, with libtorch for Arm.
//
//   node tools/prebuild.mjs linux-arm64     first: builds build/prebuilt/linux-arm64
//   node tools/qemu.mjs                     door, gradients, layers, optimizers, JPEG: a few minutes
//   node tools/qemu.mjs kernels             our own kernels in NEON, against libtorch's
//   node tools/qemu.mjs bfloat16            the same in bfloat16, on an emulated processor that has its products
//   node tools/qemu.mjs test/vision/decode.test.ts …     these files
//
// It needs qemu-aarch64 (Debian: qemu-user or qemu-user-static) and the libraries of an Arm system (Debian:
// g++-aarch64-linux-gnu brings them). Node and sharp for Arm come through npm, libtorch through pip, each by its digest.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { emulated, lacking } from './cross/qemu.mjs'
import { output } from './cross/zig.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const usual = ['native', 'grad', 'nn', 'optim', 'blocks', 'schema'].map(name => `test/torch/${name}.test.ts`)
const kernels = ['conv', 'norm', 'mobile'].map(name => `test/torch/kernels.${name}.test.ts`)
/** What is run, and on which processor. `max` has everything that qemu knows; SVE and pointer authentication are slow. */
const suites = {
  usual: { cpu: 'neoverse-n1', files: [...usual, 'test/vision/jpeg.test.ts', 'test/vision/view-kernel.test.ts'] },
  kernels: { cpu: 'neoverse-n1', files: kernels },
  bfloat16: { cpu: 'max,sve=off,pauth=off', files: kernels },
}

/** Runs a file of tests. Prints its totals, and the end of its output if a test failed. Returns whether all passed. */
function runFile(file, cpu, { command, args, env }) {
  const start = performance.now()
  const ran = spawnSync(command, [...args, '--test-reporter=spec', file], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const count = what => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(ran.stdout)?.[1] ?? 0)
  const good = ran.status === 0 && count('pass') > 0 && count('fail') === 0
  const totals = `${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  process.stdout.write(`${good ? '✔' : '✖'} ${file}: ${totals}, ${seconds} s (${cpu.split(',')[0]})\n`)
  if (good) return true
  const end = (text, lines) => text.split('\n').slice(-lines).join('\n')
  process.stdout.write(`${end(ran.stdout, 60)}\n${end(ran.stderr, 20)}\n`)
  return false
}

async function main() {
  const [name = 'usual', ...more] = process.argv.slice(2)
  const { cpu, files } = suites[name] ?? { cpu: 'neoverse-n1', files: [name, ...more] }
  output(process.execPath, ['tools/setup.mjs', '--dist', '--quiet'], { cwd: root })
  const { streamReport } = await import('../dist/base/progress.js')
  const { sourcesDigest } = await import('../dist/setup/state.js')
  const reason = lacking(sourcesDigest())
  if (reason) throw new Error(reason)
  const machine = await emulated(cpu, streamReport(process.stderr))
  const failed = files.filter(file => !runFile(file, cpu, machine))
  process.exitCode = failed.length ? 1 : 0
}

main().catch(error => {
  process.stderr.write(`qemu stopped: ${error.message}\n`)
  process.exitCode = 1
})
