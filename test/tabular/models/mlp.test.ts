import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fitTableModel, loadTableModel } from '../../../src/tabular/models/index.ts'
import { embeddingCodes, fitMlpInputs, mlpRows } from '../../../src/tabular/models/mlp/inputs.ts'
import { embeddingWidth, mlpNet } from '../../../src/tabular/models/mlp/net.ts'
import { tableLoss } from '../../../src/tabular/models/targets.ts'
import type { FitStep, FitTableOptions, LabelledRows, TargetInfo } from '../../../src/tabular/types.ts'
import { makeTable, plainLoss } from './tables.make.ts'

const encoding = { columns: [] }
const fit = (train: LabelledRows, valid: LabelledRows, more: Partial<FitTableOptions> = {}) =>
  fitTableModel('mlp', { train, valid, seed: 1, epochs: 6, lr: 1e-2, ...more })
const folder = () => mkdtempSync(join(tmpdir(), 'anneal-mlp-'))

test('embeddings have fastai’s widths', () => {
  const widths = [3, 8, 53, 1116, 100_000].map(embeddingWidth)
  assert.deepEqual(widths, [3, 5, 15, 81, 600])
})

test('the net has fastai’s layers and parameters', () => {
  const net = mlpNet({ numbers: 3, codes: [10, 3], hidden: [200, 100], outputs: 2, dropout: 0.1 })
  const shapes = Array.from(net.namedParameters(), ([name, t]) => `${name} ${t.shape}`)
  assert.deepEqual(shapes, [
    'embed0.weight 10,6',
    'embed1.weight 3,3',
    'norm.weight 3',
    'norm.bias 3',
    'layers.0.weight 200,12',
    'layers.2.weight 200',
    'layers.2.bias 200',
    'layers.4.weight 100,200',
    'layers.6.weight 100',
    'layers.6.bias 100',
    'layers.8.weight 2,100',
    'layers.8.bias 2',
  ])
  const drawn = [...(net.stateDict().get('embed0.weight')!.data() as Float32Array)]
  assert.ok(Math.max(...drawn.map(Math.abs)) <= 0.02, 'embeddings lie within two deviations of 0.01')
})

test('numbers are filled by the median, flagged and standardised; an unknown code is 1', () => {
  const x = {
    rows: 4,
    numbers: Float32Array.of(1, 7, Number.NaN, 7, 2, 7, 9, 7),
    numberNames: ['a', 'b'],
    categories: Int32Array.of(2, 3, 0, 99),
    categoryNames: ['c'],
    cardinalities: [4],
  }
  const inputs = fitMlpInputs(x)
  assert.deepEqual(embeddingCodes(inputs), [4, 3])
  const mean = (1 + 2 + 2 + 9) / 4
  const std = Math.sqrt([1, 2, 2, 9].reduce((sum, v) => sum + (v - mean) ** 2, 0) / 4)
  const a = [1, 2, 2, 9].map(v => Math.fround((v - mean) / std))
  assert.deepEqual([...mlpRows(inputs, x)], [a[0], 0, 2, 0, a[1], 0, 3, 1, a[2], 0, 0, 0, a[3], 0, 1, 0])
})

const cases: [string, TargetInfo['task'], number][] = [
  ['numbers', 'regression', 1],
  ['two classes', 'single', 2],
  ['four classes', 'single', 4],
]
for (const [what, task, outputs] of cases)
  test(`mlp learns ${what}, keeps the best epoch, and a saved model predicts the same`, async () => {
    const make = (seed: number, rows: number) => makeTable(rows, { task, outputs, seed, missing: 0.02 })
    const [train, valid, other] = [make(1, 1000), make(2, 200), make(3, 200)]
    const steps: FitStep[] = []
    const model = await fit(train, valid, { epochs: 12, onStep: step => steps.push(step) })
    const predicted = await model.predict(other.x)
    const loss = tableLoss(predicted, other.y, [1])
    assert.ok(loss < 0.85 * plainLoss(train, other), `loss ${loss}, of the mean ${plainLoss(train, other)}`)
    const lowest = Math.min(...steps.map(step => step.validLoss))
    const kept = tableLoss(await model.predict(valid.x), valid.y, [1])
    assert.ok(Math.abs(kept - lowest) < 2e-3 * lowest, `loss ${kept}, lowest ${lowest}`)
    const dir = folder()
    await model.save(dir)
    const loaded = await loadTableModel(dir, { target: train.y, encoding })
    assert.deepEqual(await loaded.predict(other.x), predicted)
    rmSync(dir, { recursive: true })
  })

test('the rate finder chooses the rate, and its curve is reported', async () => {
  const [train, valid] = [makeTable(500), makeTable(100, { seed: 2 })]
  const curves: { lrs: number[]; losses: number[]; chosen: number; how: string }[] = []
  const choices: string[] = []
  const { train: t, valid: v, ...more } = { train, valid, lr: undefined, epochs: 2 }
  await fit(t, v, { ...more, onFinder: curve => curves.push(curve), onChoice: what => choices.push(what) })
  assert.equal(curves.length, 1)
  const [{ lrs, losses, chosen, how }] = curves as [(typeof curves)[0]]
  assert.equal(lrs.length, losses.length)
  assert.ok(chosen > 1e-5 && chosen < 1 && how.length > 5, `${chosen}: ${how}`)
  assert.ok(choices.includes('rate of mlp'), `${choices}`)
})

test('a stopped fit goes on to the same bits, and its minutes end it', async () => {
  const [train, valid] = [makeTable(500, { missing: 0.1 }), makeTable(100, { seed: 2 })]
  const whole = await (await fit(train, valid)).predict(valid.x)
  const state = folder()
  const controller = new AbortController()
  const onStep = ({ epoch }: FitStep) => {
    if (epoch === 3) setImmediate(() => controller.abort())
  }
  await assert.rejects(fit(train, valid, { state, signal: controller.signal, onStep }), { name: 'AbortError' })
  const epochs: number[] = []
  const resumed = await fit(train, valid, { state, onStep: step => epochs.push(step.epoch) })
  assert.deepEqual(epochs, [4, 5, 6])
  assert.deepEqual(await resumed.predict(valid.x), whole)
  const again = await fit(train, valid, { state, onStep: () => assert.fail('the fit was done') })
  assert.deepEqual(await again.predict(valid.x), whole)
  await assert.rejects(fit(train, valid, { state, epochs: 9 }), /the state is of a fit with .*"epochs":6/)
  rmSync(state, { recursive: true })
  const seen: number[] = []
  await fit(train, valid, { minutes: 1e-9, onStep: step => seen.push(step.epoch) })
  assert.deepEqual(seen, [1])
})

test('tables of numbers alone and of categories alone are learned', async () => {
  for (const make of [
    { numbers: 3, words: [] },
    { numbers: 0, words: [4, 20] },
    { numbers: 1, words: [], missing: 1 },
  ]) {
    const [train, valid] = [makeTable(200, make), makeTable(60, { ...make, seed: 2 })]
    const model = await fit(train, valid, { epochs: 2 })
    for (const value of await model.predict(valid.x))
      assert.ok(Number.isFinite(value), `${value} of ${JSON.stringify(make)}`)
  }
})
