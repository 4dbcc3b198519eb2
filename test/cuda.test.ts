// The same program on a GPU. Each test is skipped, and counted as skipped, if libtorch finds no GPU.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { evaluateFolder } from '../src/api/evaluate.ts'
import type { TrainOptions } from '../src/api/options.ts'
import { models } from '../src/models/index.ts'
import { aten, autocast, freeMemory, generator, library, noGrad, randn } from '../src/torch/index.ts'
import type { Precision } from '../src/train/network.ts'
import { loadClassifier } from '../src/vision/inference/classifier.ts'
import { marked, runsFolder, type Trained } from './helpers/recipe.ts'

const skip = library().cudaDevices === 0 && 'no GPU here'
const work = runsFolder()
after(() => work.remove())
const by: TrainOptions = {
  epochs: 6,
  headCycles: 1,
  device: 'cuda',
  model: 'resnet18',
  size: 64,
  cycleLen: 6,
  batchSize: 8,
  augment: 'none',
}
const runs = new Map<Precision, Trained>()

before(async () => {
  if (skip) return
  for (let n = 0; n < 40; n++)
    for (const name of ['red', 'blue'] as const) work.put({ [`data/${name}/${n}.png`]: await marked(n, [name], 40) })
})

for (const precision of ['float32', 'bfloat16', 'float16'] as const)
  test(`a run in ${precision} learns, and predicts on the CPU what it does on the GPU`, { skip }, async () => {
    const run = await work.train('data', precision, { ...by, precision })
    runs.set(precision, run)
    const epochs = run.events.flatMap(e => (e.type === 'epoch' ? [e] : []))
    const losses = epochs.filter(e => e.phase.startsWith('whole')).map(e => e.trainLoss)
    assert.equal(losses.length, by.epochs)
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `losses ${losses}`)
    const file = work.path('data', 'red', '3.png')
    const of = (device: string) =>
      loadClassifier(run.dir, { task: 'single', device, precision: 'float32' }).predict(file)
    const [here, there] = [await of('cpu'), await of('cuda')]
    for (const [name, p] of Object.entries(here.probabilities))
      assert.ok(Math.abs(p - there.probabilities[name]!) < 1e-3, `${name}: ${p} and ${there.probabilities[name]}`)
  })

test('the same run twice gives the same loss, within what a GPU sums in other orders', { skip }, async () => {
  const again = await work.train('data', 'again', { ...by, precision: 'float32' })
  const losses = ({ events }: Trained) => events.flatMap(e => (e.type === 'epoch' ? [e.trainLoss] : []))
  const [first, second] = [losses(runs.get('float32')!), losses(again)]
  assert.equal(first.length, second.length)
  first.forEach((loss, i) => {
    assert.ok(Math.abs(loss - second[i]!) < 0.02 * Math.max(1, loss), `${loss} and ${second[i]}`)
  })
})

test('a folder is evaluated on the GPU as on the CPU', { skip }, async () => {
  const { dir } = runs.get('float32')!
  const of = async (device: string) => (await evaluateFolder(dir, work.path('data'), { device })).metrics.accuracy!
  assert.ok(
    Math.abs((await of('cuda')) - (await of('cpu'))) < 0.05,
    `Math.abs((await of('cuda')) - (await of('cpu'))) < 0.05`,
  )
})

test('every model gives on the GPU what it gives on the CPU', { skip }, () => {
  for (const [name, { build, size }] of Object.entries(models)) {
    const body = build({ classes: 3, channels: 3, size: 224 }).eval()
    const x = randn([2, 3, size, size], { generator: generator(1) }).contiguous('channels_last')
    const run = (device: string) => {
      body.to({ device, memoryFormat: 'channels_last' })
      return noGrad(() => autocast('float32', () => body(x.to('float32', { device })), { device })).numbers()
    }
    const [here, there] = [run('cpu'), run('cuda')]
    const most = Math.max(...here.map(Math.abs))
    here.forEach((v, i) => {
      assert.ok(Math.abs(v - there[i]!) <= 2e-2 * most + 1e-4, `${name}: ${v} and ${there[i]}`)
    })
  }
})

test('what is free on the GPU is told, and shrinks with what it holds', { skip }, () => {
  const before = freeMemory('cuda')
  if (before === undefined) return // libtorch before 2.9 does not report it
  const held = aten.zeros([256 << 20], { dtype: 'uint8', device: 'cuda' })
  assert.ok(freeMemory('cuda')! < before, `freeMemory('cuda')! < before`)
  held.dispose()
})
