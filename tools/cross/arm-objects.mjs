// What of the build for Arm needs no libtorch, compiled for tools/qemu.mjs small: seconds in place of minutes.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const compiler = 'aarch64-linux-gnu-g++'

/** Runs the compiler. Throws with what it printed if it fails. */
function compile(args) {
  const child = spawn(compiler, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', data => (said += data))
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', code => (code === 0 ? done() : fail(new Error(`${compiler} ${args.join(' ')} failed: ${said}`))))
  })
}

/** Runs jobs, two at a time. */
async function twoAtATime(jobs) {
  const waiting = jobs.values()
  const work = async () => {
    for (const job of waiting) await job()
  }
  await Promise.all([work(), work()])
}

/** Builds the program that compares our kernels with plain loops (test/native/kernels.cpp), and `preload.node`. Returns their
 *  paths. */
export async function buildForArm(folder) {
  mkdirSync(folder, { recursive: true })
  const at = name => join(folder, name)
  const [kernels, addon] = [at('kernels'), at('preload.node')]
  const common = ['-std=c++17', '-O1', '-w', '-fopenmp']
  // The longest first
  const files = [
    ['native/kernels/neonbf16.cpp', '-march=armv8.2-a+bf16'],
    ['native/kernels/neon.cpp'],
    ['test/native/kernels.cpp', '-DANNEAL_PLAIN', '-ffp-contract=off'],
    ['test/native/plain.cpp', '-ffp-contract=off'],
    ...['avx2', 'avx512', 'avx512bf16', 'amx', 'kernels'].map(name => [`native/kernels/${name}.cpp`]),
  ]
  const objects = files.map((_, i) => at(`${i}.o`))
  const headers = join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include')
  const small = [
    'native/preload.cpp',
    'native/tables/rows.cpp',
    'native/pictures/pixels.cpp',
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-shared',
    '-DNAPI_VERSION=8',
  ]
  await twoAtATime([
    ...files.map(
      ([file, ...own], i) =>
        () =>
          compile([...common, ...own, '-c', file, '-o', objects[i]]),
    ),
    async () => {
      const pictures = ['plain', 'avx2'].map(name => [`native/pictures/${name}.cpp`, at(`${name}.o`)])
      for (const [file, object] of pictures)
        await compile(['-std=c++17', '-O3', '-fwrapv', '-ffp-contract=off', '-w', '-fPIC', '-c', file, '-o', object])
      await compile([...small, ...pictures.map(([, object]) => object), '-I', headers, '-o', addon, '-pthread', '-ldl'])
    },
  ])
  await compile(['-fopenmp', ...objects, '-o', kernels])
  return { kernels, addon }
}
