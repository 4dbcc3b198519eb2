/** Runs Anneal's kernels, and its reader of rows, under AddressSanitizer and UndefinedBehaviorSanitizer:
 *  node --import tsx tools/sanitize.ts [--sets avx2,avx512bf16] [--keep FOLDER]     (in CI: two sets, two cores, about 3 minutes)
 *  node --import tsx tools/sanitize.ts --addon [--tests torch/threads,vision/view-kernel]   (the whole addon; 10 minutes or more)
 *
 *  The first command builds test/native/rows.cpp, and test/native/kernels.cpp with only the kernels, without libtorch and Node,
 *  and runs them, the kernels with several settings of OpenMP. The second builds the addon outside the cache and runs tests with it. The exit code is 1
 *  if something is found. It does not look for leaks, because each thread keeps its memory. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ensureLibtorch } from '../src/setup/provide.ts'

const { values } = parseArgs({
  options: {
    sets: { type: 'string', default: 'avx2,avx512bf16' },
    keep: { type: 'string' },
    addon: { type: 'boolean', default: false },
    tests: {
      type: 'string',
      default: 'torch/threads,torch/kernels.conv,torch/kernels.mobile,torch/kernels.norm,vision/view-kernel',
    },
  },
})
const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = process.env.CXX ?? 'g++'
const sanitizers = 'address,undefined'
const options = {
  ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
}

/** Runs a command, shows its output and returns its exit code. */
const run = (command: string, args: string[], env: Record<string, string> = {}): Promise<number> =>
  new Promise(done => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
    child.on('error', error => {
      console.error(error.message)
      done(1)
    })
    child.on('close', code => done(code ?? 1))
  })

const avx512 = ['f', 'bw', 'vl', 'dq'].map(name => `-mavx512${name}`)
const flags: Record<string, string[]> = {
  avx2: ['-mavx2', '-mfma'],
  avx512: [...avx512, '-mfma'],
  avx512bf16: [...avx512, '-mfma', '-mavx512bf16'],
  amx: [...avx512, '-mfma', '-mavx512bf16', '-mamx-tile', '-mamx-bf16'],
}

const sanitized = [`-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all']

async function rows(folder: string): Promise<number> {
  const path = join(folder, 'rows')
  console.log('rows of text files')
  const flags = ['-std=c++17', '-O1', '-fno-omit-frame-pointer', ...sanitized]
  const failed = await run(compiler, [...flags, 'test/native/rows.cpp', '-o', path])
  return failed || (await run(path, [], options))
}

/** Compiles two files at a time and links them. Returns the path of the program. */
async function program(folder: string, sets: string[]): Promise<string> {
  const common = ['-std=c++17', '-O1', '-w', '-fopenmp', '-fno-omit-frame-pointer']
  const files = [
    ...Object.entries(flags).map(([set, own]) => ({
      file: `native/kernels/${set}.cpp`,
      own: sets.includes(set) ? own : [],
    })),
    { file: 'native/kernels/kernels.cpp', own: [] },
    { file: 'test/native/kernels.cpp', own: [] },
  ].sort((a, b) => b.own.length - a.own.length)
  const objects = files.map((_, i) => join(folder, `${i}.o`))
  const waiting = files.entries()
  const work = async () => {
    for (const [i, { file, own }] of waiting)
      if ((await run(compiler, [...common, ...sanitized, ...own, '-c', file, '-o', objects[i]!])) !== 0)
        throw new Error(`${file} does not compile`)
  }
  await Promise.all([work(), work()])
  const out = join(folder, 'kernels')
  if ((await run(compiler, ['-fopenmp', ...sanitized, ...objects, '-o', out])) !== 0)
    throw new Error('it does not link')
  return out
}

async function kernels(folder: string): Promise<number> {
  const path = await program(folder, values.sets.split(','))
  let failed = 0
  for (const [args, env] of [
    [['2,3'], {}],
    [['4', 'alone'], { OMP_THREAD_LIMIT: '3' }],
    [['8', 'alone'], { OMP_DYNAMIC: 'true' }],
    [['2', 'alone'], { OMP_THREAD_LIMIT: '1' }],
  ] as [string[], Record<string, string>][]) {
    console.log(`kernels ${args.join(' ')} ${JSON.stringify(env)}`)
    failed |= await run(path, args, { ...options, ...env })
  }
  return failed
}

async function addon(folder: string): Promise<number> {
  const { libtorch } = await ensureLibtorch()
  const define = {
    ANNEAL_INCLUDE: libtorch.include.join(';'),
    ANNEAL_LIB: libtorch.lib.join(';'),
    ANNEAL_LIBRARIES: libtorch.libraries.join(';'),
    ANNEAL_CXX_STANDARD: libtorch.cxxStandard,
    ANNEAL_CXX11_ABI: libtorch.cxx11Abi ? 1 : 0,
    ANNEAL_NODE_API_INCLUDE: join(root, 'node_modules/node-api-headers/include'),
    ANNEAL_SANITIZE: sanitizers,
    CMAKE_CXX_COMPILER: compiler,
  }
  const defines = Object.entries(define).map(([name, value]) => `-D${name}=${value}`)
  if ((await run('cmake', ['-S', 'native', '-B', folder, ...defines])) !== 0) return 1
  if ((await run('cmake', ['--build', folder, '-j2', '--target', 'anneal'])) !== 0) return 1
  const library = (name: string) =>
    spawnSync(compiler, [`-print-file-name=lib${name}.so`], { encoding: 'utf8' }).stdout.trim()
  const env = {
    ...options,
    ANNEAL_ADDON: join(folder, 'anneal.node'),
    LD_PRELOAD: `${library('asan')}:${library('ubsan')}`,
  }
  let failed = 0
  for (const name of values.tests.split(','))
    failed |= await run(process.execPath, ['--import', 'tsx', '--test', `test/${name}.test.ts`], env)
  return failed
}

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'anneal-sanitize-'))
mkdirSync(folder, { recursive: true })
try {
  process.exitCode = await (values.addon ? addon(folder) : (await rows(folder)) | (await kernels(folder)))
} finally {
  if (!values.keep) rmSync(folder, { recursive: true })
}
console.log(process.exitCode ? 'the sanitizers found something, or a result is wrong' : 'nothing found')
