// The ways of convolutions are measured, kept, and used.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { findAddon } from '../../src/setup/index.ts'
import { noiseNet } from '../../src/speed/timing.ts'
import { autocast, kernelCalls, kernelSets, liveTensors, noGrad, randn } from '../../src/torch/index.ts'
import { layerKey, useConvPlan, withWays } from '../../src/torch/nn/conv-ways.ts'
import { computeBy, layersOf, plansOf, waysOf } from '../../src/train/measure-kernels.ts'
import { leastOf, measureLayers, planOf } from '../../src/train/measure-layers.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-layers-'))
const addon = findAddon()?.path // found before the tests change the cache folder
if (addon) process.env.ANNEAL_ADDON = addon
const before = process.env.ANNEAL_CACHE
process.env.ANNEAL_CACHE = folder
after(() => {
  if (before === undefined) delete process.env.ANNEAL_CACHE
  else process.env.ANNEAL_CACHE = before
  rmSync(folder, { recursive: true })
})

const shape = [3, 32, 32]
const types = (['float32', 'bfloat16'] as const).filter(type => kernelSets(type).length > 0)
describe('convolutions of a net', { skip: types.length === 0 && 'no own kernels here' }, () => {
  const net = () => noiseNet('resnet18', { size: 32, batchSize: 2, classes: 3 })

  for (const precision of types)
    test(`${precision}: each shape is measured once, in every way, and the fastest is taken`, async () => {
      const network = await net()
      const tensors = liveTensors()
      const layers = measureLayers(network, { shape, batch: 2, precision })
      assert.equal(liveTensors(), tensors, 'no tensor is left')
      assert.equal(new Set(layers.map(l => l.name)).size, layers.length, 'each shape once')
      assert.equal(
        layers.reduce((sum, l) => sum + l.count, 0),
        20,
        'all convolutions of ResNet18',
      )
      const stem = layers.find(l => l.cin === 3)!
      assert.deepEqual(stem.milliseconds.input, {}, 'no gradient of pictures')
      for (const { name, milliseconds, taken } of layers)
        for (const product of ['forward', 'weights', 'inference'] as const) {
          const ways = milliseconds[product]
          assert.ok(Object.keys(ways).includes('product'), `${name}: ${Object.keys(ways)}`)
          assert.ok(
            Object.values(ways).every(ms => ms > 0),
            `${name}: ${JSON.stringify(ways)}`,
          )
          assert.equal(ways[taken[product]], Math.min(...Object.values(ways)), `${name}, ${product}`)
        }
    })

  test('what was measured is kept, and ANNEAL_CONV overrules it', async () => {
    const network = await net()
    const made = layersOf('resnet18', network, { shape, batch: 2, precision: 'float32' })
    assert.deepEqual(
      layersOf('resnet18', () => assert.fail('measured again'), { shape, batch: 2, precision: 'float32' }),
      made,
    )
    const forced = withWays({ weights: 'product' }, () =>
      measureLayers(network, { shape, batch: 3, precision: 'float32' }),
    )
    assert.ok(
      forced.every(l => l.taken.weights === 'product'),
      'as asked',
    )
  })

  test('is part of a way to compute the net, and is used in it', async () => {
    const network = await net()
    const measured = measureLayers(network, { shape, batch: 2, precision: 'float32' })
    const plan = Object.fromEntries(measured.map(l => [l.name, { ...l.taken, inference: 'product' as const }]))
    const ways = waysOf('resnet18', network, shape, { plans: { float32: plan } })
    const own = ways.find(w => w.precision === 'float32' && w.kernels === 'own')!
    assert.deepEqual(own.plan, plan)
    assert.ok(
      ways.every(w => w.kernels === 'own' || w.plan === undefined),
      "libtorch's kernels have no plan",
    )
    const x = randn([2, 3, 32, 32]).contiguous('channels_last')
    network.body.eval()
    const run = () => noGrad(() => autocast('float32', () => network.body.features(x)))
    const count = () => kernelCalls('conv_by', 'none')
    const done = computeBy(own)
    const then = count()
    run()
    done()
    assert.equal(count() - then, 20, 'every convolution by a product')
    run()
    assert.ok(count() - then < 40, 'afterwards the usual ways are back')
    assert.deepEqual(useConvPlan({}), {}, 'no plan is left')
  })

  test('are measured in bfloat16 alone if the type is not asked for and the processor has it', async () => {
    const network = await net()
    const { layers, plans } = plansOf('resnet18', network, { inputs: [{ shape }], batch: 2, asked: 'auto' })
    const type = types.at(-1)!
    assert.deepEqual(Object.keys(plans), [type])
    assert.deepEqual(plans[type], planOf(layers))
    assert.ok(
      layers.every(l => l.dtype === type && l.name === layerKey(l)),
      'names are keys',
    )
    process.env.ANNEAL_KERNELS = 'aten'
    try {
      assert.deepEqual(plansOf('x', network, { inputs: [{ shape }], batch: 2, asked: 'auto' }), {
        layers: [],
        plans: {},
      })
    } finally {
      delete process.env.ANNEAL_KERNELS
    }
  })
})

test('the fastest way is taken; without measurements it is libtorch', () => {
  assert.equal(leastOf({ libtorch: 2, product: 1, own: 3 }), 'product')
  assert.equal(leastOf({}), 'libtorch')
})
