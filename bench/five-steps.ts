/** The five steps from the command to the saved model, over several seeds, compared with fastai:
 *  node --import tsx bench/five-steps.ts DATA [--model tf_efficientnet_lite0] [--weights FILE] [--random 10]
 *    [--sizes 96,128,224] [--seeds 1,2,3] [--python python3] [--rival-epochs 5] [--precision auto]
 *
 *  DATA holds train, validation and test. Each seed decodes the pictures again (empty cache). The weights and the addon
 *  are already on the machine. `--weights` is for both sides; without it only Anneal has pretrained weights. `--random
 *  N` trains N epochs from random weights; with `--sizes` it also trains the same number of epochs through these sizes.
 *  fastai (bench/rivals/fastai_steps.py, if `--python` has it) runs once with its defaults: 2 epochs of the head, 5 of
 *  the whole net. Writes bench/results/five-steps-MODEL.json (five-steps-MODEL-PRECISION.json if a precision is given)
 *  with accuracies, seconds of each phase, versions and machine, and a plot of accuracy over time (.svg). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { axis } from '../src/report/charts/axes.ts'
import { hues, loadPlot } from '../src/report/charts/plot.ts'
import type { RunEvent, RunResult } from '../src/runs/index.ts'
import { emptyCache, measuredOn } from './machine.ts'
import { runOnce, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    weights: { type: 'string' },
    random: { type: 'string' },
    sizes: { type: 'string' },
    precision: { type: 'string', default: 'auto' },
    python: { type: 'string' },
    'rival-epochs': { type: 'string', default: '5' },
  },
})
const [data] = positionals
if (!data) throw new Error('five-steps: give a folder with train, validation and test')
const { model, weights, random, sizes, python, precision } = values
if (sizes && (!random || Number(random) % sizes.split(',').length !== 0))
  throw new Error('five-steps: --sizes needs --random, epochs that can be shared out among them')

/** Validation accuracy, and the seconds since the command when it was measured. */
type Curve = { seconds: number; accuracy: number }[]
interface Ours extends Pick<RunResult, 'test' | 'epochs' | 'seconds'> {
  accuracy: number
  seed: number
  wallSeconds: number
  curve: Curve
}

function train(seed: number, sizes?: string): Ours {
  const out = mkdtempSync(join(tmpdir(), 'anneal-bench-'))
  const cache = emptyCache()
  try {
    // biome-ignore format: one option a line
    const args = [
      'bin/anneal.mjs', 'train', data!,
      '--model', model,
      ...(weights ? ['--weights', weights] : []),
      ...(random ? ['--no-pretrained', '--epochs', String(Number(random) / (sizes?.split(',').length ?? 1))] : []),
      ...(sizes ? ['--sizes', sizes] : []),
      '--precision', precision,
      '--seed', String(seed),
      '--out', out,
      '--json',
    ]
    const { seconds, stdout } = runOnce(process.execPath, args, { ANNEAL_CACHE: cache })
    const lines = stdout.trimEnd().split('\n')
    const { metrics, test, epochs, seconds: phases } = JSON.parse(lines.at(-1)!) as RunResult
    const accuracy = metrics.accuracy!
    const events = lines.slice(0, -1).map(line => JSON.parse(line) as RunEvent)
    const before = seconds - phases.total!
    const curve = events.flatMap(e =>
      e.type === 'epoch' && e.metrics.accuracy !== undefined
        ? [{ seconds: e.t + before, accuracy: e.metrics.accuracy }]
        : [],
    )
    return {
      seed,
      accuracy,
      test,
      wallSeconds: seconds,
      epochs,
      seconds: phases,
      curve: [...curve, { seconds, accuracy }],
    }
  } finally {
    for (const folder of [out, cache]) rmSync(folder, { recursive: true, force: true })
  }
}

const percent = (v: number | undefined) => (v === undefined ? '–' : `${(100 * v).toFixed(1)} %`)
const everySeed = (sizes?: string) =>
  values.seeds.split(',').map(seed => {
    const run = train(Number(seed), sizes)
    const { accuracy, test, wallSeconds } = run
    process.stdout.write(
      `${sizes ? `through ${sizes} px, ` : ''}seed ${seed}: valid ${percent(accuracy)}, test ${percent(test?.metrics.accuracy)}, ${wallSeconds.toFixed(1)} s\n`,
    )
    return run
  })

const runs = everySeed()
const grown = sizes ? everySeed(sizes) : undefined

interface Theirs {
  acc: number
  test_acc?: number
  total_s: number
  curve: Curve
}
function fastai(): (Theirs & { wallSeconds: number }) | undefined {
  if (!python) return undefined
  const epochs = random ?? values['rival-epochs']
  const args = ['bench/rivals/fastai_steps.py', data!, '--arch', model, '--epochs', epochs]
  if (!random && !weights) throw new Error('five-steps: give fastai its --weights, or --random')
  const { seconds, stdout } = runOnce(python, [...args, ...(random ? [] : ['--weights', weights!])])
  const found = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Theirs
  process.stdout.write(
    `fastai: valid ${percent(found.acc)}, test ${percent(found.test_acc)}, ${seconds.toFixed(1)} s\n`,
  )
  return { ...found, wallSeconds: seconds }
}
const rival = fastai()

function summarised(runs: readonly Ours[]) {
  const mean = (of: (run: Ours) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  const wallSeconds = mean(r => r.wallSeconds)
  return {
    test: mean(r => r.test?.metrics.accuracy ?? Number.NaN),
    valid: mean(r => r.accuracy),
    wallSeconds,
    ...(rival ? { ratio: Number((rival.wallSeconds / wallSeconds).toFixed(2)) } : {}),
  }
}
const summary = summarised(runs)
const bySizes = grown && { sizes, ...summarised(grown), runs: grown }
const name = ['five-steps', model, ...(precision === 'auto' ? [] : [precision])].join('-')
writeResult(name, { ...measuredOn(), model, precision, random, ...summary, runs, bySizes, rival })

const { Plot, draw } = await loadPlot()
const lines = [
  ...runs.map(({ seed, curve }) => ({ label: `Anneal, seed ${seed}`, color: hues[0]!, curve })),
  ...(grown ?? []).map(({ seed, curve }) => ({ label: `Anneal, sizes, seed ${seed}`, color: hues[2]!, curve })),
  ...(rival ? [{ label: 'fastai', color: hues[1]!, curve: rival.curve }] : []),
]
const { file } = draw({
  name,
  title: `${model}: accuracy over time`,
  alt: `Validation accuracy over seconds since the command: ${lines.map(l => `${l.label} ${percent(l.curve.at(-1)!.accuracy)} after ${l.curve.at(-1)!.seconds.toFixed(0)} s`).join(', ')}.`,
  keys: [
    { label: runs.length === 1 ? 'Anneal' : `Anneal, ${runs.length} seeds`, color: hues[0]!, sign: 'line' as const },
    ...(grown ? [{ label: `Anneal through ${sizes} px`, color: hues[2]!, sign: 'line' as const }] : []),
    ...(rival ? [{ label: 'fastai', color: hues[1]!, sign: 'line' as const }] : []),
  ],
  width: 720,
  height: 380,
  marginLeft: 64,
  x: { ...axis, label: 'seconds since the command', zero: true },
  y: { ...axis, label: 'accuracy, validation', grid: true },
  marks: lines.flatMap(({ curve, color }) => [
    Plot.line(curve, { x: 'seconds', y: 'accuracy', stroke: color, strokeWidth: 1.6 }),
    Plot.dot(curve, { x: 'seconds', y: 'accuracy', r: 2.5, fill: color }),
  ]),
})
writeFileSync(`bench/results/${name}.svg`, file)
for (const { valid, test, wallSeconds, ratio } of [summary, ...(bySizes ? [bySizes] : [])])
  process.stdout.write(
    `mean: valid ${percent(valid)}, test ${percent(test)}, ${wallSeconds.toFixed(1)} s${ratio ? `; fastai takes ${ratio} times as long` : ''}\n`,
  )
