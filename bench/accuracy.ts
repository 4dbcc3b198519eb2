/** How good the classifiers are, on many sets at once, beside other programs:
 *  node --import tsx bench/accuracy.ts SET… [--seeds 1,2,3] [--with anneal,probe,fastai,fastai20,timm] [--python python3]
 *    [--variant NAME=FLAGS]… [--model tf_efficientnet_lite0] [--weights FILE] [--size 224] [--threads 2]
 *    [--chosen-on SETS] [--out runs/accuracy] [--redo NAMES] [--summary] [--name accuracy]
 *
 *  A SET is a folder with train (validation) test; a folder of class folders; `FOLDER:TABLE.csv`; or a folder with
 *  labels.csv (bench/sets.ts makes such sets). The parts that it lacks are drawn anew for each seed, by class: 30 % of an
 *  undivided set for test, then 20 % of the rest for validation. Every program gets exactly the same files in each part,
 *  and gives a prediction for each test picture, from which the same code computes accuracy (mAP, R2), log loss (mean
 *  squared error) and the expected calibration error in 15 bins. Seconds are those of the whole command, from its start
 *  to its end with the test part predicted.
 *
 *  - anneal: `anneal train` with its defaults, pictures decoded again
 *  - NAME=FLAGS: the same command with other flags: --variant 'frozen=--epochs 0'; with another checkout first:
 *    --variant 'before=@../old/bin/anneal.mjs'
 *  - probe: frozen features of the centre crop, standardised, logistic regression (ridge for regression), its L2 by
 *    five-fold cross-validation. It is fitted on the training part alone; validation pictures are not used
 *  - fastai, fastai20: fastai 2.8 by its defaults, 5 and 20 epochs of the whole net
 *  - timm: PyTorch with the settings of timm's documentation for fine-tuning, 30 epochs
 *
 *  The first program is compared with each other. Each finished run is a line of OUT/runs.jsonl: a bench that was stopped
 *  goes on where it stopped, and --summary only summarises what is there. A run is done again if its pictures, its flags
 *  or these options change, and with --redo; not if the code of Anneal changes: then the bench says so. Seeds are the
 *  outer loop. Writes bench/results/NAME.json and NAME.svg. `--chosen-on`: the sets by which the settings compared here
 *  were chosen, which are no test of them. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { model as modelOf } from '../src/models/index.ts'
import type { RunResult } from '../src/runs/index.ts'
import { scoreChart } from './accuracy/chart.ts'
import { counted, divided, type PictureSet, partsOf, readSet } from './accuracy/data.ts'
import { keyOf, type Program, programsOf, runProgram, type Setting } from './accuracy/programs.ts'
import { type Predicted, scoreOf, scores } from './accuracy/scores.ts'
import { asText, type Row, summarise } from './accuracy/summary.ts'
import { measuredOn } from './machine.ts'
import { writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    with: { type: 'string', default: 'anneal,probe' },
    variant: { type: 'string', multiple: true, default: [] },
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    weights: { type: 'string' },
    size: { type: 'string' },
    threads: { type: 'string' },
    'chosen-on': { type: 'string' },
    out: { type: 'string', default: 'runs/accuracy' },
    redo: { type: 'string', default: '' },
    summary: { type: 'boolean', default: false },
    name: { type: 'string', default: 'accuracy' },
  },
})
if (positionals.length === 0) throw new Error('accuracy: give sets, such as folders with train and test')
const seeds = values.seeds.split(',').map(Number)
if (!seeds.every(Number.isSafeInteger)) throw new Error(`accuracy: --seeds are whole numbers, got ${values.seeds}`)
const programs = programsOf(values.with.split(',').filter(Boolean), values.variant)
const { model, python, out } = values
const setting: Setting = {
  model,
  weights:
    values.weights ??
    (programs.some(({ kind }) => kind === 'rival') ? await modelOf(model).weights.fetch(() => {}, undefined) : ''),
  size: values.size ? Number(values.size) : undefined,
  threads: values.threads ? Number(values.threads) : undefined,
  python,
}
/** The last commit that changed what a program runs. */
function commitOf(program: Program): string {
  const [folder, paths] =
    program.kind === 'rival'
      ? ['.', [program.script, 'accuracy_set.py'].map(name => join('bench/rivals', name))]
      : [join(program.bin, '..', '..'), ['src', 'native']]
  const git = (...args: string[]) => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim()
  const [last, dirty] = [git('log', '-1', '--format=%h', '--', ...paths), git('status', '--porcelain', '--', ...paths)]
  return `${last}${dirty ? ' with changes' : ''}`
}

const [log, kept] = [join(out, 'runs.jsonl'), join(out, 'predictions')]
mkdirSync(kept, { recursive: true })
const predictionsOf = (key: string) => join(kept, `${key}.json`)
const finished = new Map<string, Row>()
const lines = existsSync(log) ? readFileSync(log, 'utf8') : ''
for (const row of lines.split('\n').flatMap(asRow)) if (existsSync(predictionsOf(row.key))) finished.set(row.key, row)
if (lines && !lines.endsWith('\n')) appendFileSync(log, '\n')

/** A line of the log; nothing for one that a killed bench did not finish. */
function asRow(line: string): Row[] {
  try {
    return [JSON.parse(line) as Row]
  } catch {
    return []
  }
}

const sets = await Promise.all(positionals.map(readSet))
const repeated = sets.find(({ name }, i) => sets.findIndex(other => other.name === name) !== i)
if (repeated) throw new Error(`accuracy: two sets are named ${repeated.name}`)
const wanted = seeds.flatMap(seed =>
  sets.flatMap(set => {
    const whole = divided(set, seed)
    return programs.map(program => ({ seed, set: whole, program, key: keyOf(program, whole, { seed, setting }) }))
  }),
)
for (const name of values.redo.split(',').filter(Boolean))
  for (const { program, key } of wanted) if (program.name === name) finished.delete(key)

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}; the finished runs are in ${log}`)))

const failed: string[] = []
async function once(set: PictureSet, { program, seed, key }: { program: Program; seed: number; key: string }) {
  const commit = commitOf(program)
  const { seconds, predicted, chosen } = await runProgram(program, set, { seed, setting, signal: stop.signal })
  const found = scores(predicted)
  const row: Row = {
    key,
    set: set.name,
    seed,
    program: program.name,
    task: set.task,
    pictures: partsOf(set),
    ...found,
    seconds: Number(seconds.toFixed(1)),
    chosen,
    date: new Date().toISOString(),
    commit,
  }
  writeFileSync(predictionsOf(key), JSON.stringify(predicted))
  appendFileSync(log, `${JSON.stringify(row)}\n`)
  finished.set(key, row)
  const own = (chosen.test as RunResult['test'])?.metrics[
    { single: 'accuracy', multi: 'mAP', regression: 'r2' }[set.task]
  ]
  if (own !== undefined && Math.abs(own - found.score) > 0.005)
    process.stdout.write(
      `note: the run itself says ${own.toFixed(4)} on test, its saved model ${found.score.toFixed(4)}\n`,
    )
  const score = `${scoreOf[set.task]} ${(100 * found.score).toFixed(1)}`
  return `${score}, loss ${found.loss.toFixed(3)}${found.ece === null ? '' : `, ECE ${(100 * found.ece).toFixed(1)}`}, ${seconds.toFixed(0)} s`
}

const open = values.summary ? [] : wanted.filter(({ key }) => !finished.has(key))
for (const [i, { seed, set, program, key }] of open.entries()) {
  const what = `${i + 1} of ${open.length}: ${set.name} (${counted(set)}), seed ${seed}, ${program.name}`
  try {
    process.stdout.write(`${what}: ${await once(set, { program, seed, key })}\n`)
  } catch (error) {
    if (stop.signal.aborted) {
      process.stderr.write(`${(stop.signal.reason as Error).message}\n`)
      process.exit(130)
    }
    process.stdout.write(`${what}: failed: ${(error as Error).message}\n`)
    failed.push(`${set.name}, seed ${seed}, ${program.name}`)
  }
}

const rows = wanted.flatMap(({ key, program }) => {
  const row = finished.get(key)
  return row ? [{ ...row, program: program.name }] : []
})
if (rows.length === 0) throw new Error(`accuracy: no run is finished in ${log}`)
for (const program of programs) {
  const { name } = program
  const now = commitOf(program)
  const others = new Set(rows.filter(row => row.program === name && row.commit !== now).map(({ commit }) => commit))
  if (others.size > 0)
    process.stdout.write(
      `${name}: runs of ${[...others].join(', ')}; the code is ${now}: --redo ${name} runs all again\n`,
    )
}
const load = (row: Row) => JSON.parse(readFileSync(predictionsOf(row.key), 'utf8')) as Predicted
const summary = summarise(
  rows,
  programs.map(({ name }) => name),
  load,
)
writeResult(values.name, {
  ...measuredOn(),
  ...(values.threads ? { threads: setting.threads } : {}),
  model,
  size: setting.size,
  chosenOn: values['chosen-on'] ?? 'not said',
  about: programs.map(p => ({
    ...{ name: p.name, commits: [...new Set(rows.filter(row => row.program === p.name).map(({ commit }) => commit))] },
    ...(p.kind === 'anneal' ? { flags: p.flags } : { script: p.script, args: p.args }),
    versions: rows.find(row => row.program === p.name)?.chosen.versions,
  })),
  failed,
  ...summary,
  runs: rows.map(({ key: _, ...row }) => row),
})
writeFileSync(`bench/results/${values.name}.svg`, await scoreChart(summary))
process.stdout.write(`\n${asText(summary)}\n`)
if (failed.length > 0) {
  process.stdout.write(`\nfailed: ${failed.join('; ')}\n`)
  process.exitCode = 1
}
