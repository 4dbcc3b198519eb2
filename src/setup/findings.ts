import { existsSync, mkdtempSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheError, cacheFolder, setCache } from '../base/files.ts'
import { bytes, plural } from '../base/format.ts'
import { lastLines, run } from '../base/run-command.ts'
import { findAddon } from './addon.ts'
import { chooseCompiler } from './compiler.ts'
import { lookForLibtorch, machinePlaces, type Only } from './lookup.ts'
import { type Machine, machine } from './machine.ts'
import { here } from './platform/index.ts'
import { type Linked, linkedOf, readState, stateKey } from './state.ts'
import { findMake, findPython, which } from './which.ts'

/** The result of one check. */
export type Finding = {
  name: string
  /** `info` is neither good nor bad; `note` could be better; `missing` is needed before Anneal can run or be set up. */
  state: 'ok' | 'info' | 'note' | 'missing'
  text: string
  /** What to do. */
  todo?: string
}

/** What the addon reports when it is loaded in a separate process. `kernelSets`: the instruction sets of Anneal's own
 *  kernels that this processor can run. */
export type Loaded = {
  version: string
  cpuCapability: string
  threads: number
  cudaDevices: number
  /** Whether libtorch can compute on the GPU of this Mac. */
  mps?: boolean
  kernelSets?: string[]
}

/** One folder of the cache. */
export type Cache = { name: string; folder: string; bytes: number }

const ok = (name: string, text: string): Finding => ({ name, state: 'ok', text })
const info = (name: string, text: string): Finding => ({ name, state: 'info', text })
const note = (name: string, text: string, todo?: string): Finding => ({
  name,
  state: 'note',
  text,
  ...(todo && { todo }),
})
const missing = (name: string, text: string, todo: string): Finding => ({ name, state: 'missing', text, todo })

/** Checks whether this Node is new enough. */
export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 20 || (major === 20 && minor >= 12)
    ? ok('Node', version)
    : missing('Node', version, 'install Node 20.12 or newer')
}

/** Compiler, CMake, Python and pip. */
export async function lookAtTools(): Promise<Finding[]> {
  const install = here.install.buildTools
  const python = findPython()
  const say = async (command: string | undefined, ...args: string[]) =>
    command && (await run(command, args, { seconds: 20 })).stdout.split('\n')[0]?.trim()
  const compiler = await chooseCompiler().catch((error: Error) => error)
  const cmake = which('cmake')
  const make = findMake()
  const others = ['pip3', 'uv', 'pipx'].find(command => which(command) !== undefined)
  const [cmakeSays, pythonSays, pipSays] = await Promise.all([
    say(cmake, '--version'),
    say(python, '--version'),
    say(python, '-m', 'pip', '--version'),
  ])
  return [
    compiler instanceof Error
      ? missing('compiler', compiler.message, install)
      : compiler
        ? ok('compiler', `${compiler.version} (${compiler.path})`)
        : missing('compiler', 'none on the PATH', install),
    cmake && make
      ? ok('CMake', `${cmakeSays?.replace('cmake version ', '')} (${cmake}), ${make}`)
      : missing('CMake', cmake ? 'neither make nor ninja on the PATH' : 'not on the PATH', install),
    python
      ? ok('Python', `${pythonSays?.replace('Python ', '')} (${python})`)
      : others
        ? info('Python', `none on the PATH; packages are fetched through ${others}`)
        : note('Python', 'none on the PATH', `needed to fetch packages: ${here.install.python}`),
    ...(python && !pipSays && others ? [info('pip', `this Python has none; ${others} fetches packages`)] : []),
    ...(python && !pipSays && !others
      ? [note('pip', 'this Python has none', `needed to fetch packages: ${here.install.pip}`)]
      : []),
    ...(pipSays ? [ok('pip', pipSays.replace(/^pip (\S+).*/, '$1'))] : []),
  ]
}

/** The libtorch that set-up would use now, and the other candidates. */
export async function lookAtLibtorch(only?: Only | undefined) {
  const before = readState()[stateKey()]
  try {
    const { libtorch, candidates: now } = lookForLibtorch({
      ...machinePlaces(),
      only: process.env.ANNEAL_LIBTORCH ? undefined : only,
    })
    const candidates = now.map(
      one =>
        before?.candidates.find(old => one.reason === 'not fetched' && old.place === one.place && !old.taken) ?? one,
    )
    const linked: Linked | undefined = libtorch && linkedOf(libtorch)
    const passed = candidates.filter(({ taken }) => !taken)
    const findings = [
      ...(libtorch
        ? [
            (libtorch.note ? note : ok)(
              'libtorch',
              `${libtorch.version}${libtorch.cuda ? ' with CUDA' : ''}, ${libtorch.folder} (${libtorch.source})`,
              libtorch.note,
            ),
          ]
        : [missing('libtorch', 'none on this machine', 'to fetch one: npx anneal setup')]),
      ...passed.map(({ source, place, reason }) => {
        const text = `${source}: ${place}: ${reason}`
        return failed(reason) ? note('  not used', text) : info('  not used', text)
      }),
    ]
    return { linked, candidates, findings }
  } catch (error) {
    const findings = [
      missing(
        'libtorch',
        withoutTodo((error as Error).message),
        process.env.ANNEAL_LIBTORCH ? 'correct or unset ANNEAL_LIBTORCH' : setCache,
      ),
    ]
    return { linked: undefined, candidates: [], findings }
  }
}

/** Whether a libtorch was tried and failed, rather than not needed. */
const failed = (reason: string | undefined) => /could not|can ?not|can't|failed|refused/i.test(reason ?? '')

/** Whether the addon is built, and what it reports when it is loaded in a separate process. */
export async function lookAtAddon(): Promise<{ path?: string; linked?: Linked; loaded?: Loaded; findings: Finding[] }> {
  try {
    const { path, libtorch: linked, from } = findAddon() ?? {}
    if (path === undefined) return { findings: [missing('addon', 'not built', 'npx anneal setup')] }
    const script =
      'const a = require(process.argv[1]); console.log(JSON.stringify({ version: a.version(), cpuCapability: a.cpuCapability(), threads: a.threads(), cudaDevices: a.cudaDevices(), mps: a.mpsAvailable(), kernelSets: a.call(a.resolve("anneal::kernel_sets"), undefined) }))'
    const env: Record<string, string> =
      machine().cpu.avx512 && !process.env.ATEN_CPU_CAPABILITY ? { ATEN_CPU_CAPABILITY: 'avx512' } : {}
    const { code, stdout, stderr } = await run(process.execPath, ['-e', script, path], { seconds: 60, env })
    if (code === 0)
      return {
        path,
        ...(linked && { linked }),
        loaded: JSON.parse(stdout) as Loaded,
        findings: [ok('addon', from ? `${path} (from ${from})` : path)],
      }
    return {
      path,
      findings: [
        missing('addon', `${path} does not load: ${lastLines(stderr, 1)}`, 'delete its folder, then npx anneal setup'),
      ],
    }
  } catch (error) {
    return { findings: [missing('addon', (error as Error).message, 'npx anneal setup')] }
  }
}

/** A note if set-up would now use another libtorch than the one that the addon was built against. */
export const differs = (now: Linked | undefined, built: Linked | undefined): Finding[] =>
  now && built && now.folder !== built.folder
    ? [
        note(
          '  built against',
          `${built.version}, ${built.folder} (${built.source})`,
          'to build it against the one above: npx anneal setup',
        ),
      ]
    : []

/** The processor's model and instruction sets, the kernels in use (libtorch's and Anneal's own), and the threads. */
export function cpuFindings({ cpu }: Machine, loaded: Loaded | undefined): Finding[] {
  const has = [
    ...(cpu.avx2 ? ['AVX2'] : []),
    ...(cpu.avx512 ? ['AVX-512'] : []),
    ...(cpu.avx512bf16 ? ['AVX-512 bfloat16'] : []),
    ...(cpu.amx ? ['AMX'] : []),
    ...(cpu.neon ? ['NEON'] : []),
    ...(cpu.neonBf16 ? ['NEON bfloat16'] : []),
  ]
  const lacks = cpu.neon
    ? [...(cpu.neonBf16 ? [] : ['bfloat16'])]
    : [...(cpu.avx512 ? [] : ['AVX-512']), ...(cpu.amx ? [] : ['AMX'])]
  const text = `${cpu.model}: ${has.join(', ') || 'no vector instructions known here'}${lacks.length ? ` (no ${lacks.join(', no ')})` : ''}`
  const wanted = process.env.ANNEAL_THREADS ?? process.env.OMP_NUM_THREADS
  return [
    ok('CPU', text),
    ...(loaded
      ? [
          ok('  libtorch uses', loaded.cpuCapability),
          loaded.kernelSets?.length
            ? ok('  own kernels', loaded.kernelSets.join(', '))
            : info('  own kernels', 'none for this processor; libtorch computes everything'),
        ]
      : []),
    ok(
      'threads',
      wanted ? `${wanted} (ANNEAL_THREADS or OMP_NUM_THREADS) of ${plural(cpu.cores, 'core')}` : `${cpu.cores}`,
    ),
  ]
}

/** The GPUs that nvidia-smi lists, or its error message. */
export async function lookAtGpus(): Promise<{ gpus: string[]; said: string | undefined }> {
  const smi = which('nvidia-smi')
  if (!smi) return { gpus: [], said: undefined }
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader']
  const { code, stdout, stderr } = await run(smi, query, { seconds: 20 })
  return code === 0
    ? {
        gpus: stdout
          .split('\n')
          .map(line => line.trim())
          .filter(Boolean),
        said: undefined,
      }
    : { gpus: [], said: lastLines(stdout || stderr, 1) || `exit code ${code}` }
}

/** The GPUs, and whether libtorch sees them. */
export function gpuFindings(
  gpus: string[],
  said: string | undefined,
  linked: Linked | undefined,
  loaded: Loaded | undefined,
): Finding[] {
  if (said !== undefined)
    return [note('GPU', `nvidia-smi failed: ${said}`, 'repair the NVIDIA driver, or train on the CPU')]
  if (loaded?.mps) return [ok('GPU', 'of this Mac; training uses the CPU, or the GPU with --device mps')]
  if (gpus.length === 0) return [info('GPU', 'none found (there is no nvidia-smi); training uses the CPU')]
  const text = gpus.join('; ')
  if (loaded && loaded.cudaDevices > 0) return [ok('GPU', text)]
  const todo = linked?.cuda
    ? 'libtorch finds no GPU: is the driver new enough for its CUDA version?'
    : 'this libtorch was built without CUDA: pip install torch, then ANNEAL_LIBTORCH=python npx anneal setup'
  return [note('GPU', `${text}, not used`, todo)]
}

/** Memory, and whether it is enough to train. */
export function memoryFinding({ memory: { total, free } }: Machine): Finding {
  const text = `${bytes(total)}, ${bytes(free)} free`
  return free < 2e9
    ? note('memory', text, 'training needs about 2 GB: close other programs, or use smaller batches')
    : ok('memory', text)
}

/** The folder of the cache, and why it can't be written to, found by making a folder there and removing it. */
export function lookAtCache(): { root?: string; problem?: string } {
  let root: string | undefined
  try {
    root = cacheFolder()
    let there = root
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there)
    rmdirSync(mkdtempSync(join(there, '.anneal-')))
    return { root }
  } catch (error) {
    const told = root === undefined ? error : cacheError(error, root)
    return { ...(root !== undefined && { root }), problem: (told as Error).message }
  }
}

/** A message without its instruction, which is shown on the next line. */
const withoutTodo = (message: string) => message.replace(` ${setCache}`, '')

/** The caches with their sizes, and the free space on the disk. */
export function cacheFindings(
  root: string | undefined,
  problem: string | undefined,
  caches: Cache[],
  free: number,
): Finding[] {
  const refused = problem === undefined ? [] : [missing('cache', withoutTodo(problem), setCache)]
  if (root === undefined) return refused
  const total = caches.reduce((sum, cache) => sum + cache.bytes, 0)
  return [
    ...refused,
    ok(refused.length > 0 ? '  its contents' : 'cache', `${root}: ${bytes(total)}`),
    ...caches.map(cache => ok(`  ${cache.name}`, bytes(cache.bytes))),
    free < 3e9
      ? note(
          'disk',
          `${bytes(free)} free there`,
          'set-up may need 3 GB: make room, or set ANNEAL_CACHE to another disk',
        )
      : ok('disk', `${bytes(free)} free there`),
  ]
}
