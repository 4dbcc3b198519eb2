/** A million rows of 30 columns, from a CSV file to saved trees, beside LightGBM from Python with pandas, in one run:
 *  node --import tsx bench/table-million.ts --python python3 [--rows 1000000] [--trees 100] [--turns 3] [--threads CORES]
 *
 *  The table has 20 numbers (four with missing values), 6 categories (5 to 1,000 words, one with missing values), a date,
 *  a date with a time, a boolean, and the target. Both train the same number of trees with the same settings. Each turn
 *  runs one process of each, one after the other. `secondsToModel` is the time from the start of the process until the
 *  model is on the disk, with its encoding, temperature and metrics; `seconds` is that of the whole command, with the leak check, baselines, importance and the report.
 *  Memory is the peak of each process, by the operating system. Writes bench/results/table-million.json: all turns and
 *  their medians. CPU seconds are there too, since other work on the machine moves the times. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { median } from '../src/speed/timing.ts'
import { rivalEnv, writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rows: { type: 'string', default: '1000000' },
    trees: { type: 'string', default: '100' },
    turns: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
})
const [rows, trees, turns] = [Number(values.rows), Number(values.trees), Number(values.turns)]

interface Turn {
  /** From the start of the process until the model is saved; `seconds`: until it ends. */
  secondsToModel: number
  seconds: number
  cpuSeconds: number
  megabytes: number
  validLoss: number
  parts: Record<string, number>
}

/** Numbers of four forms: with three decimals, around 0, skewed, whole. */
const numbers = Array.from({ length: 20 }, (_, i) => {
  const forms = ['round(random() * 100, 3)', 'round((random() + random() + random() - 1.5) * 2, 5)']
  return `${[...forms, 'round(-ln(1 - random()) * 50, 2)', '(random() * 5000)::INT'][i % 4]} AS n${i}`
})
const categories = [5, 12, 40, 50, 200, 1000].map((words, i) => `(random() * ${words - 1})::INT AS g${i}`)

async function make(file: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  await connection.run('SELECT setseed(0.5)')
  await connection.run(`CREATE TABLE t AS SELECT ${[...numbers, ...categories].join(', ')}, random() < 0.3 AS b0, random() AS e,
    DATE '2019-01-01' + (random() * 1500)::INT AS d0, TIMESTAMP '2020-01-01' + to_seconds((random() * 5e7)::INT) AS d1 FROM range(${rows})`)
  const shown = Array.from({ length: 20 }, (_, i) =>
    i % 5 === 2 ? `CASE WHEN random() < 0.08 THEN NULL ELSE n${i} END AS n${i}` : `n${i}`,
  )
  const words = ['kind ', 'k', 'town ', 'word', 'street ', 'place '].map((word, i) =>
    i === 3
      ? `CASE WHEN random() < 0.05 THEN NULL ELSE '${word}' || g${i} END AS c${i}`
      : `'${word}' || g${i} AS c${i}`,
  )
  const score =
    'n0 / 100 + n1 * 0.3 + sin(n4 / 10) * 0.5 + (g2 % 7) * 0.1 + (g5 % 13) * 0.05 - n2 / 200 + e * 0.6 + month(d0) * 0.02 + b0::INT * 0.3'
  await connection.run(
    `COPY (SELECT ${[...shown, ...words].join(', ')}, d0, d1, b0, CASE WHEN ${score} > 1.75 THEN 'yes' ELSE 'no' END AS y FROM t) TO '${file}' (header)`,
  )
  connection.closeSync()
  instance.closeSync()
}

/** What a process of Node took, written as it ends. */
const probe = (file: string) =>
  `data:text/javascript,${encodeURIComponent(`import { isMainThread } from 'node:worker_threads'; import { writeFileSync } from 'node:fs'
if (isMainThread) process.on('exit', () => { const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage(); writeFileSync(${JSON.stringify(file)}, JSON.stringify({ megabytes: maxRSS / 1000, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6 })) })`)}`

function anneal(file: string, work: string): Turn {
  const [out, used] = [join(work, 'run'), join(work, 'used.json')]
  rmSync(out, { recursive: true, force: true })
  const began = Date.now()
  const asked = ['train', file, '--target', 'y', '--model', 'trees', '--epochs', String(trees), '--out', out]
  run(process.execPath, ['--import', probe(used), 'bin/anneal.mjs', ...asked], { ANNEAL_THREADS: values.threads })
  const seconds = (Date.now() - began) / 1000
  const result = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))
  const events = readFileSync(join(out, 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const losses = events.flatMap(event => (event.type === 'epoch' ? [event.validLoss ?? event.valid?.loss] : []))
  return {
    // The card is written last: with it the model can predict.
    secondsToModel: (statSync(join(out, 'best.json')).mtimeMs - began) / 1000,
    seconds,
    ...JSON.parse(readFileSync(used, 'utf8')),
    validLoss: Math.min(...losses.filter(Number.isFinite)),
    parts: result.seconds,
  }
}

function rival(file: string, work: string): Turn & { versions: object } {
  const began = Date.now()
  const out = run(values.python, [
    'bench/rivals/table_million.py',
    file,
    join(work, 'model.txt'),
    String(trees),
    values.threads,
  ])
  const own = JSON.parse(out.trim().split('\n').at(-1)!)
  return { ...own, secondsToModel: own.seconds, seconds: (Date.now() - began) / 1000 }
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1e8, env: rivalEnv(env) })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

const medians = (all: readonly Turn[]) => {
  const of = (name: 'secondsToModel' | 'seconds' | 'cpuSeconds' | 'megabytes' | 'validLoss') =>
    median(all.map(one => one[name]))
  return {
    secondsToModel: of('secondsToModel'),
    seconds: of('seconds'),
    cpuSeconds: of('cpuSeconds'),
    megabytes: of('megabytes'),
    validLoss: of('validLoss'),
  }
}

const work = mkdtempSync(join(tmpdir(), 'anneal-million-'))
try {
  const file = join(work, 'table.csv')
  await make(file)
  const own: Turn[] = []
  const others: ReturnType<typeof rival>[] = []
  for (let turn = 0; turn < turns; turn++) {
    own.push(anneal(file, work))
    others.push(rival(file, work))
    console.log(JSON.stringify({ anneal: own.at(-1), lightgbm: others.at(-1) }))
  }
  writeResult('table-million', {
    date: new Date().toISOString().slice(0, 10),
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem() },
    node: process.versions.node,
    python: others[0]!.versions,
    threads: Number(values.threads),
    rows,
    columns: 30,
    trees,
    fileMegabytes: statSync(file).size / 1e6,
    anneal: { ...medians(own), turns: own },
    lightgbm: { ...medians(others), turns: others },
  })
} finally {
  rmSync(work, { recursive: true, force: true })
}
