/** Tables beside rivals, on the same columns and the same splits: California housing, titanic, birdstrikes.
 *
 *      node --import tsx bench/tables.ts PYTHON SHARED_TABULAR [--seeds 0,1,2,3,4] [--sets california,titanic] [--members 1]
 *        [--models both,mlp] [--name tables]
 *
 *  PYTHON has lightgbm, scikit-learn, fastai, pandas. SHARED_TABULAR has california_housing.csv and titanic_train.csv. Writes
 *  bench/results/NAME.json; results of other sets and models in it stay. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Both } from '../src/tabular/models/both.ts'
import { fitTableModel } from '../src/tabular/models/index.ts'
import type { LabelledRows, TableModel, TableModelName } from '../src/tabular/types.ts'
import { measuredOn } from './machine.ts'
import { rivalEnv } from './rival.ts'
import { encodeParts, type Parts, readRows, type TableSet, tableSets, writeFeatures } from './table-sets.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '0,1,2,3,4' },
    sets: { type: 'string', default: 'california,titanic,birdstrikes' },
    members: { type: 'string', default: '1' },
    models: { type: 'string', default: 'both,mlp' },
    rivals: { type: 'boolean', default: true },
    name: { type: 'string', default: 'tables' },
  },
  allowNegative: true,
})
const [python, shared] = positionals
if (!python || !shared) throw new Error('give a Python and the folder of the tables')
const seeds = flags.seeds.split(',').map(Number)
const members = Number(flags.members)

interface Result {
  set: string
  model: string
  fold: number
  seed: number
  seconds: number
  [metric: string]: string | number
}

const birds = 'node_modules/vega-datasets/data/birdstrikes.csv'
const sets = tableSets(shared, birds).filter(set => flags.sets.split(',').includes(set.name))
const folder = mkdtempSync(join(tmpdir(), 'anneal-tables-'))
const splits = splitsOf(python, shared)
const results: Result[] = []
for (const set of sets) {
  const rows = readRows(set)
  writeFeatures(set, rows, folder)
  for (const [fold, parts] of splits[set.name]!.entries()) {
    const encoded = encodeParts(set, rows, parts)
    for (const seed of splits[set.name]!.length === 1 ? seeds : [fold])
      results.push(...(await ours(set, encoded, fold, seed)))
  }
}
writeFileSync(join(folder, 'splits.json'), JSON.stringify(Object.fromEntries(sets.map(s => [s.name, splits[s.name]]))))
const rivals = flags.rivals ? runRivals(python) : { about: {}, results: [] }
rmSync(folder, { recursive: true })
write([...results, ...rivals.results], rivals.about)

/** `both` and its parts, and `mlp`. */
async function ours(
  set: TableSet,
  { train, valid, test }: Record<keyof Parts, LabelledRows>,
  fold: number,
  seed: number,
) {
  const found: Result[] = []
  const add = async (model: TableModel, seconds: number) => {
    const result = { set: set.name, model: model.name, fold, seed, seconds, ...(await scores(model, test)) }
    console.log(JSON.stringify(result))
    found.push(result)
  }
  for (const name of flags.models.split(',') as TableModelName[]) {
    const seconds: Record<string, number> = {}
    const began = performance.now()
    const model = await fitTableModel(name, {
      train,
      valid,
      seed,
      members,
      onStep: step => {
        seconds[step.model] = step.seconds
      },
      onChoice: (...choice) => splits[set.name]!.length === 1 && console.log(`  ${choice.join(': ')}`),
    })
    await add(model, (performance.now() - began) / 1000)
    if (model instanceof Both) for (const part of model.parts) await add(part.model, seconds[part.model.name]!)
  }
  return found
}

async function scores(model: TableModel, { x, y }: LabelledRows): Promise<Record<string, number>> {
  const predicted = await model.predict(x)
  if (y.task === 'regression')
    return { rmse: Math.sqrt(y.values.reduce((sum, v, i) => sum + (v - predicted[i]!) ** 2, 0) / x.rows) }
  const p = Array.from({ length: x.rows }, (_, i) => predicted[2 * i + 1]!)
  const right = p.filter((value, i) => Number(value > 0.5) === y.values[i]).length
  const logLoss = -y.values.reduce((sum, v, i) => sum + Math.log(Math.max(v ? p[i]! : 1 - p[i]!, 1e-15)), 0) / x.rows
  return { accuracy: right / x.rows, auc: areaUnder(p, y.values), logLoss }
}

/** The area under the ROC curve, by ranks; ties have their mean rank. */
function areaUnder(p: readonly number[], y: ArrayLike<number>): number {
  const order = [...p.keys()].sort((a, b) => p[a]! - p[b]!)
  let [sum, positives] = [0, 0]
  for (let i = 0; i < order.length; ) {
    let end = i
    while (end < order.length && p[order[end]!] === p[order[i]!]) end++
    for (let k = i; k < end; k++)
      if (y[order[k]!] === 1) {
        sum += (i + end + 1) / 2
        positives++
      }
    i = end
  }
  return (sum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives))
}

function splitsOf(python: string, shared: string): Record<string, Parts[]> {
  const files = [`${shared}/california_housing.csv`, `${shared}/titanic_train.csv`, birds]
  const { stdout, status } = spawnSync(python, ['bench/rivals/table_splits.py', ...files], {
    encoding: 'utf8',
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error('table_splits.py failed; its own message is above')
  return JSON.parse(stdout)
}

function runRivals(python: string) {
  const { threads } = measuredOn()
  const { stdout, status } = spawnSync(python, ['bench/rivals/tables.py', folder, seeds.join(','), String(threads)], {
    encoding: 'utf8',
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: rivalEnv(),
  })
  if (status !== 0) throw new Error('tables.py failed; its own message is above')
  // fastai prints lines of its own.
  const lines = stdout.split('\n').filter(line => line.startsWith('{'))
  const [about, ...found] = lines.map(line => JSON.parse(line))
  return { about, results: found as Result[] }
}

/** Means and deviations over folds and seeds, beside all results. */
function write(fresh: readonly Result[], rival: object): void {
  const file = `bench/results/${flags.name}.json`
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Result[] }).results : []
  const key = (r: Result) => `${r.set} ${r.model}`
  const again = new Set(fresh.map(key))
  const all = [...before.filter(r => !again.has(key(r))), ...fresh]
  const summary = [...new Set(all.map(key))].map(name => {
    const rows = all.filter(r => key(r) === name)
    const metrics = Object.keys(rows[0]!).filter(k => !['set', 'model', 'fold', 'seed'].includes(k))
    return [name, { n: rows.length, ...Object.fromEntries(metrics.map(m => [m, spread(rows.map(r => Number(r[m])))])) }]
  })
  const content = { ...measuredOn(), rival, members, summary: Object.fromEntries(summary), results: all }
  writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`)
  for (const [name, found] of summary) console.log(name, JSON.stringify(found))
}

function spread(values: readonly number[]): { mean: number; std: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, values.length - 1))
  return { mean: Number(mean.toPrecision(5)), std: Number(std.toPrecision(3)) }
}
