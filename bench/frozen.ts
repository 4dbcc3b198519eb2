/** The frozen body and epochs of the head, compared with PyTorch and fastai. All run in turn in the same run:
 *  node --import tsx bench/frozen.ts [DATA] [--python python3] [--models resnet34,tf_efficientnet_lite0] [--size 128]
 *    [--batch 32] [--rounds 5] [--steps 5] [--body] [--name frozen] [--quick]
 *
 *  Body: pictures a second when the recipe computes features (`computeFeatures`) with all that the processor has,
 *  against PyTorch in eval mode and float32. Head: epochs over DATA (class folders; 800 synthetic pictures by default).
 *  `anneal train --epochs 0` trains on features that it computes in that run (the pictures are decoded before).
 *  fastai's frozen epoch reads and decodes the pictures each time. Both validate. Random weights.
 *  `--body` leaves the head out. Writes bench/results/NAME.json. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { RunEvent } from '../src/runs/index.ts'
import { machine } from '../src/setup/index.ts'
import { chosenHere } from '../src/speed/chosen.ts'
import { noiseNet, timeFrozen } from '../src/speed/timing.ts'
import { emptyCache, measuredOn } from './machine.ts'
import { pictureFolder } from './pictures.ts'
import { figures, inTurn, Rival, ratio, runOnce, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    models: { type: 'string', default: 'resnet34,tf_efficientnet_lite0' },
    size: { type: 'string', default: '128' },
    batch: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '5' },
    body: { type: 'boolean', default: false },
    name: { type: 'string', default: 'frozen' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python } = values
const models = quick ? ['mobilenet_v2'] : values.models.split(',')
const numbers = quick ? [64, 8, 1, 2] : [values.size, values.batch, values.rounds, values.steps].map(Number)
const [size, batch, rounds, steps] = numbers as [number, number, number, number]
const { cpu } = machine()
const precisions = cpu.amx || cpu.avx512bf16 ? (['float32', 'bfloat16'] as const) : (['float32'] as const)
const work = mkdtempSync(join(tmpdir(), 'anneal-frozen-'))
const cache = emptyCache()

/** Milliseconds of the features and of each epoch of the head, from the events of a run. */
function headEpochs(data: string, model: string): { features: number; epochs: number[] } {
  rmSync(join(cache, 'features'), { recursive: true, force: true })
  const what = ['train', data, '--model', model, '--size', String(size), '--batch', String(batch), '--no-pretrained']
  const out = join(work, `run-${performance.now()}`)
  const args = [
    'bin/anneal.mjs',
    ...what,
    '--epochs',
    '0',
    '--head-cycles',
    '5',
    '--views',
    '0',
    '--out',
    out,
    '--json',
  ]
  const { stdout } = runOnce(process.execPath, args, { ANNEAL_CACHE: cache })
  const events = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as RunEvent)
  const at = (phase: string) => events.find(e => e.type === 'phase' && e.phase === phase)!.t
  const epochs = events.flatMap(e => (e.type === 'epoch' && e.phase === 'head' ? [1000 * e.seconds] : [])).slice(0, 5)
  return { features: 1000 * (at('find') - at('features')), epochs }
}

try {
  const data = resolve(
    positionals[0] ?? (await pictureFolder(join(work, 'pictures'), { pictures: quick ? 60 : 1000, classes: 10 })),
  )
  const pytorch = await Rival.start(python, 'step.py')
  const results: object[] = []
  let fastaiAbout = {}
  for (const model of models) {
    const net = await noiseNet(model, { size, batchSize: batch, classes: 10 })
    const by = { size, batchSize: batch, classes: 10, steps }
    const { frozen: wide } = chosenHere(model, net, { ...by, precision: 'float32' }) // as a run would compute
    const { frozen: half } = chosenHere(model, net, { ...by, precision: 'bfloat16' })
    const plain = { model, size, batch, steps, eval: true }
    const body = await inTurn(rounds, {
      ...Object.fromEntries(
        precisions.map(p => [
          `anneal ${p}`,
          () => timeFrozen(net, { ...by, ...(p === 'float32' ? wide : half), precision: p }),
        ]),
      ),
      'pytorch float32': async () => (await pytorch.ask(plain)).ms,
      'pytorch float32 channels_last': async () => (await pytorch.ask({ ...plain, channels_last: true })).ms,
      ...(precisions.length > 1 && {
        'pytorch bfloat16 channels_last': async () =>
          (await pytorch.ask({ ...plain, channels_last: true, bfloat16: true })).ms,
      }),
    })
    const against = (name: string) => ratio(body[name]!, body['pytorch float32']!)
    const bodies = Object.fromEntries(precisions.map(p => [p, against(`anneal ${p}`)]))
    if (values.body) {
      process.stdout.write(`${model}: ${JSON.stringify(bodies)}\n`)
      results.push({ model, ratios: { body: bodies }, milliseconds: { body: figures(body) } })
      continue
    }
    const fastai = await Rival.start(python, 'epochs.py', { args: [data, model, String(size), String(batch)] })
    fastaiAbout = fastai.about
    const features: number[] = []
    headEpochs(data, model) // decodes the pictures
    const head = await inTurn(rounds, {
      'anneal, an epoch of the head': () => {
        const run = headEpochs(data, model)
        features.push(run.features)
        return run.epochs
      },
      'fastai, a frozen epoch': async () => (await fastai.ask({ do: 'frozen' })).ms,
    })
    fastai.end()
    const ratios = {
      body: bodies,
      headEpoch: ratio(head['anneal, an epoch of the head']!, head['fastai, a frozen epoch']!),
      firstEpochWithFeatures: ratio(features, head['fastai, a frozen epoch']!),
    }
    process.stdout.write(`${model}: ${JSON.stringify(ratios)}\n`)
    const milliseconds = { body: figures(body), head: figures({ ...head, 'anneal, the features once': features }) }
    results.push({ model, ratios, milliseconds })
  }
  pytorch.end()
  const rival = { pytorch: pytorch.about, fastai: fastaiAbout }
  const settings = { size, batch, rounds, steps, data: positionals[0] ? 'given' : 'synthetic' }
  writeResult(values.name, { ...measuredOn(), rival, ...settings, results }, { quick })
} finally {
  for (const folder of [work, cache]) rmSync(folder, { recursive: true, force: true })
}
