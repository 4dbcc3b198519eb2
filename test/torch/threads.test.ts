// Own kernels if OpenMP gives fewer threads than requested, in several workers at once, and if memory runs out.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findAddon } from '../../src/setup/index.ts'
import { kernelSets } from '../../src/torch/index.ts'
import { native } from '../../src/torch/native.ts'
import { apart, madeBy, read, type Task } from '../helpers/threads.ts'
import { helper } from '../helpers/typescript.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-threads-'))
after(() => rmSync(folder, { recursive: true }))
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const sets = kernelSets()
const isHalf = (set: string) => kernelSets('bfloat16').includes(set)
const skip = sets.length === 0 && 'no own kernels here'

/** test/helpers/threads.ts as a program, without what this process has of OpenMP's settings; what it printed. */
async function program(args: string[], env: Record<string, string>, from = process.env): Promise<string> {
  const own = Object.entries(from).filter(([name]) => !/^(OMP|GOMP|KMP)_/.test(name))
  const options = { env: { ...Object.fromEntries(own), ...env }, maxBuffer: 1 << 28, timeout: 200_000 }
  const script = helper('threads.ts', ...args)
  const { stdout } = await promisify(execFile)(process.execPath, script, options)
  return stdout
}

const settings: Record<string, Record<string, string>> = {
  'as it comes': {},
  'OMP_THREAD_LIMIT=1': { OMP_THREAD_LIMIT: '1' },
  'OMP_THREAD_LIMIT=3': { OMP_THREAD_LIMIT: '3' },
  'OMP_DYNAMIC=true': { OMP_DYNAMIC: 'true' },
  'OMP_NUM_THREADS=1': { OMP_NUM_THREADS: '1' },
  'OMP_MAX_ACTIVE_LEVELS=0': { OMP_MAX_ACTIVE_LEVELS: '0' },
  'nested regions': { OMP_NESTED: 'true', OMP_MAX_ACTIVE_LEVELS: '2' },
  'OMP_WAIT_POLICY=active': { OMP_WAIT_POLICY: 'active' },
  'OMP_WAIT_POLICY=passive': { OMP_WAIT_POLICY: 'passive' },
  'OMP_PROC_BIND=true': { OMP_PROC_BIND: 'true', OMP_PLACES: 'cores' },
  'OMP_SCHEDULE=dynamic': { OMP_SCHEDULE: 'dynamic' },
  'limit and dynamic': { OMP_THREAD_LIMIT: '2', OMP_DYNAMIC: 'true', OMP_NUM_THREADS: '8,4' },
}
describe('own kernels under settings of OpenMP', { skip, concurrency: 2 }, () => {
  const tasks: Task[] = sets.flatMap(set => [3, 8].map(threads => ({ set, threads })))
  // bfloat16 products are summed in float32, so another order of the sums can change the rounding.
  const threads = native.threads()
  const one = Object.fromEntries(sets.map(set => [set, madeBy(set, 1)]))
  native.setThreads(threads)
  for (const [name, env] of Object.entries(settings))
    test(name, async () => {
      const file = join(folder, name.replaceAll(/\W/g, '_'))
      await program(['made', JSON.stringify(tasks), file], { ...env, ANNEAL_THREADS: '4' })
      const all = read(tasks, file, one[sets[0]!]!)
      for (const [i, { set, threads }] of tasks.entries())
        for (const [what, values] of Object.entries(all[i]!)) {
          const off = apart(values, one[set]![what]!)
          // With 3 threads or fewer, some bfloat16 blocks are computed layer by layer; values at a corner of ReLU6 then differ.
          const most = !isHalf(set) ? 1e-4 : what.startsWith('block of odd') ? 0.2 : 2e-3
          assert.ok(off <= most, `${set}, ${threads} threads asked for, ${what}: off by ${off} of one thread's`)
        }
    })
})

// Otherwise some of libtorch's convolutions wait forever for threads that do not exist.
describe('no more threads are asked of OpenMP than it gives', { concurrency: 2 }, () => {
  for (const [env, expected] of [
    [{ ANNEAL_THREADS: '4', OMP_THREAD_LIMIT: '2' }, 2],
    [{ ANNEAL_THREADS: '4', OMP_MAX_ACTIVE_LEVELS: '0' }, 1],
    [{ ANNEAL_THREADS: '4', OMP_DYNAMIC: 'true' }, 4],
    [{ OMP_NUM_THREADS: '3,2' }, 3],
  ] as [Record<string, string>, number][])
    test(JSON.stringify(env), async () => {
      const { ANNEAL_THREADS: _, ...rest } = process.env
      assert.equal(await program(['threads', '[]'], env, rest), `${expected}\n`)
    })
})

test('four workers at once, of other numbers of threads and other kernels, make what each makes alone', {
  skip,
}, async t => {
  const tasks = [1, 2, 3, 4].map((threads, i) => ({ set: sets[i % sets.length]!, threads }))
  const done = JSON.parse(await program(['workers', JSON.stringify(tasks), '3'], {})) as {
    rounds: number
    wrong: string[]
  }[]
  t.diagnostic(`rounds: ${done.map(({ rounds }) => rounds).join(', ')}`)
  for (const [i, { rounds, wrong }] of done.entries()) {
    assert.ok(rounds > 0, `worker ${i} made nothing`)
    assert.deepEqual(wrong, [], `wrong in worker ${i}, ${tasks[i]!.set}, ${tasks[i]!.threads} threads`)
  }
})

const compiler = process.env.CC ?? 'cc'
const noCompiler = spawnSync(compiler, ['--version']).status !== 0 && `no ${compiler} here`
test('memory that runs out is an error that says so, and the next call is right', {
  skip: skip || noCompiler,
}, async t => {
  const library = join(folder, 'no-memory.so')
  const built = spawnSync(compiler, ['-shared', '-fPIC', '-O1', path('../native/no-memory.c'), '-o', library, '-ldl'])
  assert.equal(built.status, 0, String(built.stderr))
  const tasks = sets.map(set => ({ set, threads: 2 }))
  const done = await program(['failing', JSON.stringify(tasks)], { LD_PRELOAD: library })
  for (const { set, messages, wrong } of JSON.parse(done) as { set: string; messages: string[]; wrong: string[] }[]) {
    t.diagnostic(`${set}: ${messages.length} requests failed`)
    assert.ok(messages.length > 50, `${set}: only ${messages.length} requests failed`)
    for (const message of messages) assert.match(message, /out of memory: a kernel needs \d+ MiB/)
    assert.deepEqual(wrong, [], `${set}: other results after memory ran out`)
  }
})

const tools = ['objdump', 'awk'].find(name => spawnSync(name, ['--version']).error)
test('code for an instruction set is in functions of its name alone', {
  skip: skip || (tools && `no ${tools} here`),
}, () => {
  // Otherwise, of two equal functions, the linker could take the one that needs instructions the processor does not have.
  const script = `
    /^[0-9a-f]+ </ { name = $2 }
    /%tmm|\ttile/ { of["amx " name] }
    /%zmm|%k[1-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])/ { of["avx512 " name]; next }
    /%ymm|\tv[a-z]/ && !/\tver[rw]/ { of["avx2 " name] }
    END { for (line in of) print line }`
  const command = `objdump -d --no-show-raw-insn "$1" | awk "$2"`
  const { stdout, stderr } = spawnSync('sh', ['-c', command, 'sh', findAddon()!.path, script], { encoding: 'utf8' })
  const homes: Record<string, RegExp> = {
    avx2: /anneal(7kernels(4avx2|6avx512|10avx512bf16|3amx)|8pictures)/,
    avx512: /anneal7kernels(6avx512|10avx512bf16|3amx)/,
    amx: /anneal7kernels3amx/,
  }
  const found = stdout.trim().split('\n')
  assert.ok(found.length > 100, `${found.length} functions; ${stderr}`)
  for (const line of found) {
    const [set, name] = line.split(' ') as [string, string]
    assert.match(name, homes[set]!, `${name} has instructions of ${set}`)
  }
})
