/** Multi-label training, and training through several sizes, compared with fastai on the same pictures and machine, one
 *  after the other:
 *  node --import tsx bench/tasks.ts sizes DATA [--sizes 128,224] [--seeds 1] [--python python3]
 *  node --import tsx bench/tasks.ts labels PICTURES --table labels.csv [--sizes 224] [--seeds 1] [--python python3]
 *
 *  `sizes`: DATA holds train, validation and test. `labels`: both sides get the same split, which is drawn here. Anneal
 *  runs with its defaults, from the command to the saved model, and decodes the pictures again.
 *  bench/rivals/fastai_tasks.py runs with fastai's defaults. Without `--python` only Anneal runs. Writes
 *  bench/results/tasks-KIND.json. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheFolder } from '../src/base/files.ts'
import type { RunResult } from '../src/runs/index.ts'
import { indexPictures } from '../src/vision/index.ts'
import { emptyCache, measuredOn } from './machine.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: 'string' },
    sizes: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    python: { type: 'string' },
  },
})
const [kind, data] = positionals
if ((kind !== 'sizes' && kind !== 'labels') || !data || (kind === 'labels' && !values.table))
  throw new Error('tasks: give `sizes DATA` or `labels PICTURES --table FILE`')
const sizes = values.sizes ?? (kind === 'sizes' ? '128,224' : '224')
const work = mkdtempSync(join(tmpdir(), 'anneal-tasks-'))

/** Writes a table that both sides read: the labels, and the split that Anneal draws. */
async function splitTable(seed: number): Promise<string> {
  const { items, classes } = await indexPictures(data!, { labels: values.table, seed })
  const rows = items.map(({ file, labels, split }) =>
    [relative(resolve(data!), file), labels.map(l => classes[l]).join(' '), split].join(','),
  )
  const path = join(work, `labels-${seed}.csv`)
  writeFileSync(path, `${['file,labels,split', ...rows].join('\n')}\n`)
  return path
}

function json(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  })
  if (status !== 0) throw new Error(stderr)
  const seconds = Math.round((performance.now() - start) / 100) / 10
  return { result: JSON.parse(stdout.trimEnd().split('\n').at(-1)!), seconds }
}

const runs: object[] = []
try {
  for (const seed of values.seeds.split(',').map(Number)) {
    const table = kind === 'labels' ? await splitTable(seed) : undefined
    const cache = emptyCache()
    const out = join(work, `run-${seed}`)
    const labels = table ? ['--labels', table] : []
    const train = ['train', data, ...labels, '--model', values.model, '--sizes', sizes, '--seed', String(seed)]
    const ours = json(process.execPath, ['bin/anneal.mjs', ...train, '--out', out, '--json'], { ANNEAL_CACHE: cache })
    rmSync(cache, { recursive: true, force: true })
    const { loss, metrics, test, epochs, seconds } = ours.result as RunResult
    const anneal = { loss, metrics, test, epochs, seconds, wallSeconds: ours.seconds }
    process.stdout.write(`seed ${seed}, anneal: ${JSON.stringify(anneal)}\n`)
    const given = ['--weights', cacheFolder('weights', 'efficientnet-lite0-57934424.pth'), '--arch', values.model]
    const rival =
      values.python &&
      json(values.python, [
        'bench/rivals/fastai_tasks.py',
        kind,
        data,
        ...(table ? ['--table', table] : []),
        ...given,
        '--sizes',
        sizes,
        '--seed',
        String(seed),
      ])
    const fastai = rival ? { ...rival.result, wallSeconds: rival.seconds } : undefined
    if (fastai) process.stdout.write(`seed ${seed}, fastai: ${JSON.stringify(fastai)}\n`)
    runs.push({ seed, anneal, ...(fastai ? { fastai } : {}) })
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
mkdirSync('bench/results', { recursive: true })
const summary = { ...measuredOn(), kind, model: values.model, sizes, runs }
writeFileSync(`bench/results/tasks-${kind}.json`, `${JSON.stringify(summary, null, 2)}\n`)
