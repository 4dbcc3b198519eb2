// Runs tests with the addon for linux-arm64 on this machine: Node for Arm runs under qemu, with libtorch for Arm.
//
//   node tools/prebuild.mjs linux-arm64     first: builds build/prebuilt/linux-arm64
//   node tools/qemu.mjs                     door, gradients, layers, optimizers, JPEG: a few minutes
//   node tools/qemu.mjs kernels             our own kernels in NEON, against libtorch's
//   node tools/qemu.mjs bfloat16            the same in bfloat16, on an emulated processor that has its products
//   node tools/qemu.mjs small               without libtorch and without a build: our kernels beside plain loops, the reader of
//                                           rows beside the one in TypeScript, the decoder of JPEG files beside
//                                           sharp; CI runs it
//   node tools/qemu.mjs test/vision/decode.test.ts …     these files
//
// It needs qemu-aarch64 (Debian: qemu-user or qemu-user-static) and the libraries of an Arm system (Debian:
// g++-aarch64-linux-gnu brings them). Node and sharp for Arm come through npm, libtorch through pip, each by its digest.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildForArm } from './cross/arm-objects.mjs'
import { emulated, lacking, lackingTools, machineWith, program } from './cross/qemu.mjs'
import { output } from './cross/zig.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const usual = ['native', 'grad', 'nn', 'optim', 'blocks', 'schema'].map(name => `test/torch/${name}.test.ts`)
const kernels = ['conv', 'norm', 'mobile'].map(name => `test/torch/kernels.${name}.test.ts`)
/** `max` has everything that qemu knows; SVE and pointer authentication are slow. */
const everything = 'max,sve=off,pauth=off'
/** What is run, and on which processor. */
const suites = {
  usual: { cpu: 'neoverse-n1', files: [...usual, 'test/vision/jpeg.test.ts', 'test/vision/view-kernel.test.ts'] },
  kernels: { cpu: 'neoverse-n1', files: kernels },
  bfloat16: { cpu: everything, files: kernels },
}
/** The shorter ones of the tests of the reader of rows in which no DuckDB reads the same file. */
const ofRows = 'with the addon|one pass leaves|empty in the first rows|of bytes'

const compileDist = () => output(process.execPath, ['tools/setup.mjs', '--dist', '--quiet'], { cwd: root })

/** Runs a file of tests. Prints its totals, and the end of its output if a test failed. Returns whether all passed. */
function runFile(file, cpu, { command, args, env }, options = []) {
  const start = performance.now()
  const ran = spawnSync(command, [...args, '--test-reporter=spec', ...options, file], {
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

/** Our kernels beside plain loops. Returns whether all results agree. */
function runKernels(path) {
  const start = performance.now()
  const { command, args } = program(everything, path)
  const env = { ...process.env, OMP_WAIT_POLICY: 'passive' }
  const { status, stdout, stderr } = spawnSync(command, [...args, '2', 'alone'], { env, encoding: 'utf8' })
  const good = status === 0 && /^neon, beside plain/m.test(stdout) && /^neon_bf16, beside plain/m.test(stdout)
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  process.stdout.write(`${stdout}${stderr}${good ? '✔' : '✖'} kernels in NEON: ${seconds} s\n`)
  return good
}

/** How many parts `small` has: kernels, the reader of rows, the decoder of JPEG files. */
const parts = 3

/** What needs no libtorch. The last line counts as that of tools/test.mjs does. */
async function small() {
  const reason = lackingTools()
  if (reason) {
    process.stdout.write(`not run: ${reason}\n0 passed, 0 failed, ${parts} skipped\n`)
    return
  }
  compileDist()
  const folder = mkdtempSync(join(tmpdir(), 'anneal-arm-'))
  try {
    const start = performance.now()
    const { kernels, addon } = await buildForArm(folder)
    process.stdout.write(`compiled for Arm: ${((performance.now() - start) / 1000).toFixed(0)} s\n`)
    const good = [runKernels(kernels)]
    const { streamReport } = await import('../dist/base/progress.js')
    const machine = await machineWith(addon, everything, streamReport(process.stderr)).catch(error => {
      process.stdout.write(`what is in preload.node was not run: ${error.message}\n`)
    })
    if (machine) {
      good.push(runFile('test/tabular/one-pass.test.ts', everything, machine, [`--test-name-pattern=${ofRows}`]))
      good.push(runFile('test/serve/decode.test.ts', everything, machine))
    }
    const passed = good.filter(Boolean).length
    process.stdout.write(`${passed} passed, ${good.length - passed} failed, ${parts - good.length} skipped\n`)
    process.exitCode = passed === good.length ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function main() {
  const [name = 'usual', ...more] = process.argv.slice(2)
  const { cpu, files } = suites[name] ?? { cpu: 'neoverse-n1', files: [name, ...more] }
  if (name === 'small') return small()
  compileDist()
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
