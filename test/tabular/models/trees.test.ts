import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodedPart } from '../../../src/tabular/encoded.ts'
import { fitTableModel, loadTableModel } from '../../../src/tabular/models/index.ts'
import { tableLoss } from '../../../src/tabular/models/targets.ts'
import type { FitStep, FitTableOptions, LabelledRows, TargetInfo } from '../../../src/tabular/types.ts'
import { randn } from '../../../src/torch/index.ts'
import { makeTable, plainLoss } from './tables.make.ts'

// The first fit fetches LightGBM's library with pip, as a user's does; later ones find it in the cache.

const encoding = { columns: [] }
const fit = (train: LabelledRows, valid: LabelledRows, more: Partial<FitTableOptions> = {}) =>
  fitTableModel('trees', { train, valid, seed: 1, threads: 1, epochs: 60, ...more })
const folder = () => mkdtempSync(join(tmpdir(), 'anneal-trees-'))

const cases: [string, TargetInfo['task'], number][] = [
  ['numbers', 'regression', 1],
  ['two classes', 'single', 2],
  ['four classes', 'single', 4],
]
for (const [what, task, outputs] of cases)
  test(`trees learn ${what}, and a saved model predicts the same`, async () => {
    const make = (seed: number, rows: number) => makeTable(rows, { task, outputs, seed, missing: 0.05 })
    const [train, valid, other] = [make(1, 1500), make(2, 400), make(3, 400)]
    const model = await fit(train, valid)
    const predicted = await model.predict(other.x)
    const loss = tableLoss(predicted, other.y, [1])
    assert.ok(loss < 0.75 * plainLoss(train, other), `loss ${loss}, of the mean ${plainLoss(train, other)}`)
    const dir = folder()
    await model.save(dir)
    const loaded = await loadTableModel(dir, { target: train.y, encoding })
    assert.deepEqual(await loaded.predict(other.x), predicted)
    rmSync(dir, { recursive: true })
  })

test('many rows are predicted by LightGBM itself, few by our reading of its trees; both give the same bits', async () => {
  const rows = 17_000
  for (const [task, outputs] of [
    ['regression', 2],
    ['single', 2],
    ['single', 3],
  ] as const) {
    const make = (seed: number, count: number) => makeTable(count, { task, outputs, seed, missing: 0.1 })
    const many = make(3, rows)
    const model = await fit(make(1, 900), make(2, 300), { epochs: 30 })
    const whole = await model.predict(many.x)
    const parts: number[] = []
    for (let from = 0; from < rows; from += 1000) {
      const part = Int32Array.from({ length: 1000 }, (_, i) => from + i)
      parts.push(...(await model.predict(encodedPart(many.x, part))))
    }
    assert.deepEqual([...whole], parts, `${task}, ${outputs}`)
    const stopped = new AbortController()
    stopped.abort()
    await assert.rejects(model.predict(many.x, { signal: stopped.signal }), /abort/i)
  }
})

test('the same seed gives the same trees, another seed gives others', async () => {
  const [train, valid] = [makeTable(800), makeTable(200, { seed: 2 })]
  const predict = async (seed: number) => (await fit(train, valid, { seed })).predict(valid.x)
  const first = await predict(5)
  assert.deepEqual(await predict(5), first)
  assert.notDeepEqual(await predict(6), first)
})

test('several targets have a forest each, in their own units, also on a log scale', async () => {
  const options = { outputs: 2, log: [true, false] }
  const [train, valid, other] = [1, 2, 3].map(seed => makeTable(1200, { ...options, seed })) as [
    LabelledRows,
    LabelledRows,
    LabelledRows,
  ]
  const steps: FitStep[] = []
  const model = await fit(train, valid, { onStep: step => steps.push(step) })
  const predicted = await model.predict(other.x)
  const column = (values: ArrayLike<number>, t: number) => Array.from(values).filter((_, i) => i % 2 === t)
  for (const t of [0, 1]) {
    const [y, p] = [other.y.values, predicted].map(values =>
      column(values, t).map(v => (t === 0 ? Math.log1p(v) : v)),
    ) as [number[], number[]]
    const mean = y.reduce((a, b) => a + b) / y.length
    const r2 = 1 - y.reduce((s, v, i) => s + (v - p[i]!) ** 2, 0) / y.reduce((s, v) => s + (v - mean) ** 2, 0)
    assert.ok(r2 > 0.4, `target ${t}: R2 ${r2}`)
  }
  assert.deepEqual(
    steps.map(step => step.epoch),
    steps.map((_, i) => i + 1),
  )
  assert.ok(steps.at(-1)!.validLoss < steps[0]!.validLoss, 'the validation loss falls')
})

test('the trees of the lowest validation loss are kept', async () => {
  const [train, valid] = [makeTable(300), makeTable(200, { seed: 2 })]
  const steps: FitStep[] = []
  const choices: string[] = []
  const model = await fit(train, valid, {
    epochs: 80,
    lr: 0.5,
    onStep: step => steps.push(step),
    onChoice: (what, value) => choices.push(`${what}: ${value}`),
  })
  const lowest = Math.min(...steps.map(step => step.validLoss))
  const loss = tableLoss(await model.predict(valid.x), valid.y, [1])
  assert.ok(Math.abs(loss - lowest) < 1e-5 * lowest, `loss ${loss}, lowest ${lowest}`)
  const best = steps.findIndex(step => step.validLoss === lowest) + 1
  assert.ok(choices.includes(`trees: ${best} kept of 80`), choices.join('; '))
  assert.ok(best < 80, `best ${best}: the case must overfit`)
})

test('the rows are not asked for again once they are in bins', async () => {
  const [train, valid] = [makeTable(400, { outputs: 2 }), makeTable(100, { seed: 2, outputs: 2 })]
  const whole = await (await fit(train, valid)).predict(valid.x)
  const calls: string[] = []
  const lost = (part: LabelledRows): LabelledRows => {
    const x = { ...part.x, numbers: part.x.numbers.slice(), categories: part.x.categories.slice() }
    return { x, y: part.y }
  }
  const [a, b] = [lost(train), lost(valid)]
  const model = await fit(a, b, {
    onBinned: () => {
      calls.push('binned')
      for (const { x } of [a, b]) {
        x.numbers.fill(7)
        x.categories.fill(0)
      }
    },
    onStep: ({ epoch }) => calls.push(`tree ${epoch}`),
  })
  assert.deepEqual([calls.indexOf('binned'), calls.filter(c => c === 'binned').length], [0, 1])
  assert.deepEqual(await model.predict(valid.x), whole, 'the same trees, though the rows are gone')
})

test('a fit ends by its signal between two trees, and by its minutes', async () => {
  const [train, valid] = [makeTable(500), makeTable(100, { seed: 2 })]
  const controller = new AbortController()
  const steps: number[] = []
  const stopped = fit(train, valid, {
    signal: controller.signal,
    onStep: ({ epoch }) => {
      steps.push(epoch)
      if (epoch === 5) controller.abort()
    },
  })
  await assert.rejects(stopped, { name: 'AbortError' })
  assert.deepEqual(steps, [1, 2, 3, 4, 5])
  const seen: number[] = []
  await fit(train, valid, { minutes: 1e-9, onStep: ({ epoch }) => seen.push(epoch) })
  assert.deepEqual(seen, [1])
})

test('codes that training did not have, and missing values, are predicted', async () => {
  const [train, valid] = [makeTable(500), makeTable(100, { seed: 2 })]
  const model = await fit(train, valid)
  const x = structuredClone(valid.x)
  x.numbers.fill(Number.NaN, 0, 40)
  x.categories.fill(0, 0, 10)
  x.categories.fill(1, 10, 20)
  x.categories.fill(9999, 20, 30)
  for (const value of await model.predict(x)) assert.ok(Number.isFinite(value), `${value}`)
})

test('a finished fit is read from its state, and not for other rows or options', async () => {
  const [train, valid] = [makeTable(300), makeTable(100, { seed: 2 })]
  const state = folder()
  const first = await (await fit(train, valid, { state })).predict(valid.x)
  const again = await fit(train, valid, { state, onStep: () => assert.fail('the fit was done') })
  assert.deepEqual(await again.predict(valid.x), first)
  await assert.rejects(fit(train, valid, { state, seed: 9 }), /the state is of a fit with .*"seed":1/)
  const other = structuredClone(train)
  other.x.numbers[5] = 4
  await assert.rejects(fit(other, valid, { state }), /give the same rows and options/)
  rmSync(state, { recursive: true })
})

test('LightGBM and libtorch share one libgomp, and both compute in one process', {
  skip: process.platform !== 'linux' && 'only Linux lists the libraries of a process',
}, async () => {
  const [train, valid] = [makeTable(300), makeTable(100, { seed: 2 })]
  const before = await (await fit(train, valid, { threads: 2 })).predict(valid.x)
  const [a, b] = [randn([300, 300]), randn([300, 300])]
  assert.ok(Number.isFinite(a.matmul(b).sum().item()), 'a product by libtorch')
  assert.deepEqual(await (await fit(train, valid, { threads: 2 })).predict(valid.x), before)
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const loaded = (name: RegExp) => [...new Set(maps.flatMap(line => name.exec(line)?.[0] ?? []))]
  assert.equal(loaded(/\/\S*lib_lightgbm\S*/).length, 1, 'LightGBM is loaded')
  assert.equal(loaded(/\/\S*libtorch_cpu\S*/).length, 1, 'libtorch is loaded')
  assert.equal(loaded(/\/\S*libgomp\.so\.1\S*/).length, 1, `${loaded(/\/\S*libgomp\.so\.1\S*/)}`)
})
