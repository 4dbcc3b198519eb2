/** The five steps from the command to the saved model, over several seeds, and beside them the rival if given:
 *  node --import tsx bench/five-steps.ts DATA [--seeds 1,2,3] [--model tf_efficientnet_lite0] [--rival 'python steps.py DATA …']
 *
 *  DATA holds train, validation and test. The rival's command prints one JSON line last, with `test_acc`, `acc` and
 *  `total_s`. Pictures are decoded anew for each seed (an empty cache), weights and addon are ready. Writes
 *  bench/results/five-steps.json: accuracies, seconds of each phase, versions, machine. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { RunResult } from '../src/runs/index.ts'
import { emptyCache, measuredOn } from './machine.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    rival: { type: 'string' },
  },
})
const [data] = positionals
if (!data) throw new Error('five-steps: give a folder with train, validation and test')

const rows: (RunResult & { seed: number; wallSeconds: number })[] = []
for (const seed of values.seeds.split(',').map(Number)) {
  const out = mkdtempSync(join(tmpdir(), 'anneal-bench-'))
  const cache = emptyCache()
  const start = performance.now()
  const args = [
    'bin/anneal.mjs',
    'train',
    data,
    '--model',
    values.model,
    '--seed',
    String(seed),
    '--out',
    out,
    '--json',
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ANNEAL_CACHE: cache },
  })
  if (status !== 0) throw new Error(stderr)
  const wallSeconds = Math.round((performance.now() - start) / 100) / 10
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as RunResult
  rows.push({ ...result, seed, wallSeconds, run: '' })
  process.stdout.write(
    `seed ${seed}: valid ${result.accuracy.toFixed(4)}, test ${result.test?.accuracy.toFixed(4)}, ${wallSeconds} s\n`,
  )
  rmSync(out, { recursive: true, force: true })
  rmSync(cache, { recursive: true, force: true })
}

let rival: unknown
if (values.rival) {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', values.rival], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr)
  rival = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  process.stdout.write(`rival: ${JSON.stringify(rival)}\n`)
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
const summary = {
  ...measuredOn(),
  model: values.model,
  test: mean(rows.map(r => r.test?.accuracy ?? Number.NaN)),
  valid: mean(rows.map(r => r.accuracy)),
  wallSeconds: mean(rows.map(r => r.wallSeconds)),
  runs: rows.map(({ seed, accuracy, test, wallSeconds, epochs, seconds }) => ({
    seed,
    accuracy,
    test,
    wallSeconds,
    epochs,
    seconds,
  })),
  ...(rival ? { rival } : {}),
}
mkdirSync('bench/results', { recursive: true })
writeFileSync('bench/results/five-steps.json', `${JSON.stringify(summary, null, 2)}\n`)
process.stdout.write(
  `mean: valid ${summary.valid.toFixed(4)}, test ${summary.test.toFixed(4)}, ${summary.wallSeconds.toFixed(0)} s\n`,
)
