/** Several processes of one thread each against one process with as many threads, and against PyTorch's
 *  DistributedDataParallel over Gloo, all in turn in the same run:
 *  node --import tsx bench/ranks.ts [--python python3] [--model resnet18] [--size 128] [--batch 16] [--ranks 1,2,4]
 *    [--steps 6] [--rounds 2] [--seconds 150] [--add] [--quick]
 *
 *  `--add` keeps the rows of bench/results/ranks.json that this run does not measure: pieces with other `--ranks`, each with its own
 *  process of one thread. So it takes two pieces of two minutes: `--batch 64 --ranks 1,2 --rounds 1`, then the same with
 *  `--ranks 1,4 --add`. A round that would not end within `--seconds` is left out; `rounds` says how many were run.
 *
 *  The batch is that of all processes together, so more processes share the same work. `anneal launch` starts every case. Both
 *  sides use float32, random weights, noise, the fused AdamW, cross-entropy with label smoothing 0.1 and the statistics of each
 *  process' batch. The first two steps are not timed. `efficiency` is the speed of n processes over n times that of one with one
 *  thread, or over as many times as there are cores, if there are fewer. `hidden` is the share of the time to send the gradients
 *  that no process waits for: 1 − waited / the time that the same bytes take with nothing beside. Writes
 *  bench/results/ranks.json, with the model on paper of docs/ranks.md (bench/ranks-paper.ts). */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine } from '../src/setup/index.ts'
import { median } from '../src/speed/timing.ts'
import { onPaper } from './ranks-paper.ts'
import { figures, ratio, rivalEnv, writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'resnet18' },
    size: { type: 'string', default: '128' },
    batch: { type: 'string', default: '16' },
    ranks: { type: 'string', default: '1,2,4' },
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '150' },
    add: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python, model } = values
const counts = quick ? [1, 2] : values.ranks.split(',').map(Number)
const [size, batch, steps, rounds] = quick
  ? [64, 8, 2, 1]
  : [values.size, values.batch, values.steps, values.rounds].map(Number)

interface Line {
  rank: number
  ms: number[]
  waitedMs?: number
  sentBytes?: number
  gradientBytes: number
  aloneMs?: number
  on?: object
  torch?: string
}
interface Case {
  name: string
  side: 'anneal' | 'pytorch'
  ranks: number
  threads: number
  gradients: 'float32' | 'bfloat16'
}

const cases = (['anneal', 'pytorch'] as const).flatMap(side =>
  counts.flatMap((n): Case[] => [
    { name: `${side}, ${n} × 1 thread`, side, ranks: n, threads: 1, gradients: 'float32' },
    ...(n === 1
      ? []
      : ([
          { name: `${side}, 1 × ${n} threads`, side, ranks: 1, threads: n, gradients: 'float32' },
          { name: `${side}, ${n} × 1 thread, bfloat16 gradients`, side, ranks: n, threads: 1, gradients: 'bfloat16' },
        ] as const)),
  ]),
)

function run({ side, ranks, threads, gradients }: Case): Line[] {
  const asked = JSON.stringify({ model, size, batch, steps, gradients })
  const worker =
    side === 'anneal'
      ? [process.execPath, '--import', 'tsx', 'bench/ranks-worker.ts', asked]
      : [python, 'bench/rivals/ranks_ddp.py', asked]
  const launch = [
    '--import',
    'tsx',
    'src/cli/main.ts',
    'launch',
    '--nproc',
    String(ranks),
    '--threads',
    String(threads),
    '--',
    ...worker,
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, launch, {
    encoding: 'utf8',
    env: rivalEnv({ OMP_WAIT_POLICY: 'PASSIVE' }),
  })
  if (status !== 0) throw new Error(`${side}, ${ranks} ranks: exit code ${status}\n${stderr}`)
  const lines = stdout
    .split('\n')
    .filter(line => line.includes('{'))
    .map(line => JSON.parse(line.slice(line.indexOf('{'))) as Line)
  if (lines.length !== ranks) throw new Error(`${side}: ${lines.length} of ${ranks} ranks answered\n${stdout}${stderr}`)
  return lines.sort((a, b) => a.rank - b.rank)
}

const found = new Map<string, Line[]>()
const began = performance.now()
let ran = 0
for (let round = 0; round < rounds!; round++) {
  const elapsed = (performance.now() - began) / 1000
  if (round > 0 && (elapsed * (round + 1)) / round > Number(values.seconds)) break
  ran = round + 1
  for (const one of cases) {
    const lines = run(one)
    found.set(one.name, [...(found.get(one.name) ?? []), ...lines])
    process.stdout.write(
      `  round ${round + 1} of ${rounds}, ${one.name}: ${median(lines[0]!.ms).toFixed(1)} ms a step\n`,
    )
  }
}

const ms = Object.fromEntries(
  [...found].map(([name, lines]) => [name, lines.filter(({ rank }) => rank === 0).flatMap(line => line.ms)]),
)
const cores = machine().cpu.cores
const speed = (name: string) => (1000 * batch!) / median(ms[name]!)
const round = (v: number, digits = 4) => Number(v.toPrecision(digits))
const results = cases.map(one => {
  const lines = found.get(one.name)!
  const base = speed(`${one.side}, 1 × 1 thread`)
  const mean = (of: (line: Line) => number | undefined) =>
    lines.reduce((sum, line) => sum + (of(line) ?? 0), 0) / lines.length
  const [waited, alone] = [mean(l => l.waitedMs), mean(l => l.aloneMs)]
  return {
    ...one,
    imagesPerSecond: round(speed(one.name)),
    efficiency: round(speed(one.name) / (base * Math.min(cores, one.ranks * one.threads)), 3),
    ...(one.side === 'anneal' &&
      one.ranks > 1 && {
        sentBytesPerStep: Math.round(mean(l => l.sentBytes)),
        gradientBytes: lines[0]!.gradientBytes,
        sumAloneMs: round(alone, 3),
        waitedMs: round(waited, 3),
        hidden: round(Math.max(0, 1 - waited / alone), 2),
      }),
  }
})
const against = counts.map(n => ({
  ranks: n,
  ddpOverAnneal: ratio(ms[`anneal, ${n} × 1 thread`]!, ms[`pytorch, ${n} × 1 thread`]!),
  ...(n > 1 && { threadsOverRanks: ratio(ms[`anneal, ${n} × 1 thread`]!, ms[`anneal, 1 × ${n} threads`]!) }),
}))
for (const row of results) process.stdout.write(`${JSON.stringify(row)}\n`)
const first = [...found.values()]
const key = JSON.stringify({ model, size, batch, steps })
const before = values.add ? JSON.parse(readFileSync('bench/results/ranks.json', 'utf8')) : undefined
if (
  before &&
  key !== JSON.stringify({ model: before.model, size: before.size, batch: before.batch, steps: before.steps })
)
  throw new Error(`--add: bench/results/ranks.json was measured with other settings than ${key}`)
const kept = <T>(rows: readonly T[], own: readonly T[], name: (row: T) => string | number): T[] => [
  ...rows.filter(row => !own.some(o => name(o) === name(row))),
  ...own,
]
/** Ours first, by the number of processes and threads. */
const inOrder = <T extends Case>(rows: readonly T[]): T[] => {
  const place = ({ side, ranks, threads, gradients }: Case) => [side, ranks, threads, gradients === 'float32' ? 0 : 1]
  return [...rows].sort((a, b) => {
    const [of, other] = [place(a), place(b)]
    const at = of.findIndex((value, i) => value !== other[i])
    return at < 0 ? 0 : of[at]! < other[at]! ? -1 : 1
  })
}
writeResult(
  'ranks',
  {
    ...first.find(([line]) => line!.on)![0]!.on,
    torch: first.find(([line]) => line!.torch)?.[0]?.torch,
    model,
    size,
    batch,
    steps,
    rounds: ran,
    cores,
    results: inOrder(kept<(typeof results)[number]>(before?.results ?? [], results, row => row.name)),
    against: kept<(typeof against)[number]>(before?.against ?? [], against, row => row.ranks),
    milliseconds: { ...before?.milliseconds, ...figures(ms) },
    paper: onPaper(),
  },
  { quick },
)
