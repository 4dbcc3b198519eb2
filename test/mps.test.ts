// The same program on the GPU of a Mac. Each test is skipped, and counted as skipped, if libtorch has no such device.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TrainOptions } from '../src/api/options.ts'
import { models } from '../src/models/index.ts'
import { checkDevice, usualDevice } from '../src/recipes/prepare/device.ts'
import { autocast, generator, library, noGrad, randn } from '../src/torch/index.ts'
import { loadClassifier } from '../src/vision/inference/classifier.ts'
import { marked, runsFolder } from './helpers/recipe.ts'

const has = library().mps
const skip = !has && 'no GPU of a Mac here'
const work = runsFolder()
after(() => work.remove())

test('without one, mps is refused with what it needs, and is never the default', {
  skip: has && 'there is one',
}, () => {
  assert.throws(() => checkDevice('mps'), /device: "mps"|--device mps/)
  assert.throws(() => checkDevice('mps'), /sees no GPU of a Mac here; mps needs macOS 14/)
  assert.notEqual(usualDevice(), 'mps')
})
for (const name of ['mps:0', 'mps0', 'metal', 'MPS'])
  test(`${name} is no device`, () => {
    assert.throws(() => checkDevice(name), new RegExp(`expected cpu, cuda, cuda:1 or mps, got ${name}$`))
  })

describe('on the GPU of a Mac', { skip }, () => {
  const by: TrainOptions = {
    epochs: 6,
    headCycles: 1,
    device: 'mps',
    model: 'resnet18',
    size: 64,
    cycleLen: 6,
    batchSize: 8,
    augment: 'none',
  }
  before(async () => {
    for (let n = 0; n < 40; n++)
      for (const name of ['red', 'blue'] as const) work.put({ [`data/${name}/${n}.png`]: await marked(n, [name], 40) })
  })

  test('a run learns, and predicts on the CPU what it does on the GPU', async () => {
    const run = await work.train('data', 'float32', { ...by, precision: 'float32' })
    const losses = run.events.flatMap(e => (e.type === 'epoch' && e.phase.startsWith('whole') ? [e.trainLoss] : []))
    assert.equal(losses.length, by.epochs)
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `losses ${losses}`)
    const file = work.path('data', 'red', '3.png')
    const of = (device: string) =>
      loadClassifier(run.dir, { task: 'single', device, precision: 'float32' }).predict(file)
    const [here, there] = [await of('cpu'), await of('mps')]
    for (const [name, p] of Object.entries(here.probabilities))
      assert.ok(Math.abs(p - there.probabilities[name]!) < 1e-3, `${name}: ${p} and ${there.probabilities[name]}`)
  })

  test('every model gives on the GPU what it gives on the CPU', () => {
    for (const [name, { build, size }] of Object.entries(models)) {
      const body = build({ classes: 3, channels: 3, size: 224 }).eval()
      const x = randn([2, 3, size, size], { generator: generator(1) })
      const run = (device: string) => {
        body.to({ device })
        return noGrad(() => autocast('float32', () => body(x.to('float32', { device })), { device })).numbers()
      }
      const [here, there] = [run('cpu'), run('mps')]
      const most = Math.max(...here.map(Math.abs))
      here.forEach((v, i) => {
        assert.ok(Math.abs(v - there[i]!) <= 2e-2 * most + 1e-4, `${name}: ${v} and ${there[i]}`)
      })
    }
  })
})
