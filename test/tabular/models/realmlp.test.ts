import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fitTableModel, loadTableModel } from '../../../src/tabular/models/index.ts'
import { fitInputs, inputRows, robustScale, widthsOf } from '../../../src/tabular/models/realmlp/inputs.ts'
import { initialNet, inputsOf, RealmlpNet, type RealmlpShape } from '../../../src/tabular/models/realmlp/net.ts'
import { tableLoss } from '../../../src/tabular/models/targets.ts'
import type { FitStep, FitTableOptions, LabelledRows, TargetInfo } from '../../../src/tabular/types.ts'
import { cat, F, fromArray, generator, liveTensors, type Tensor } from '../../../src/torch/index.ts'
import { coslog } from '../../../src/train/rates/schedule.ts'
import { hashed } from '../../golden/formula.ts'
import { golden, makeTable, near, plainLoss } from './tables.make.ts'

const encoding = { columns: [] }
const fit = (train: LabelledRows, valid: LabelledRows, more: Partial<FitTableOptions> = {}) =>
  fitTableModel('realmlp', { train, valid, seed: 1, epochs: 12, ...more })
const folder = () => mkdtempSync(join(tmpdir(), 'anneal-realmlp-'))

test('the robust scale is NumPy’s, and the clip keeps all within 3', () => {
  for (const { name, values, median, scale, clipped } of golden.scales) {
    const found = robustScale(Float32Array.from(values))
    near([found.median, found.scale], [median, scale], 1e-6, name)
    const x = {
      rows: values.length,
      numbers: Float32Array.from(values),
      numberNames: ['n'],
      categories: new Int32Array(),
      categoryNames: [],
      cardinalities: [],
    }
    near(inputRows(fitInputs(x), x).dense, clipped, 1e-5, `${name}, clipped`)
  }
})

test('categories are one-hot up to 8 words, one column of ±1 for two words, and embeddings above', () => {
  const x = {
    rows: 6,
    numbers: Float32Array.of(1, 2, Number.NaN, 4, 5, 6),
    numberNames: ['n'],
    // Two words, eight words, nine words; codes 0 (missing) and 1 (unknown) in the last rows.
    categories: Int32Array.of(2, 2, 2, 3, 5, 10, 2, 9, 3, 3, 6, 7, 0, 0, 0, 1, 1, 1),
    categoryNames: ['two', 'eight', 'nine'],
    cardinalities: [4, 10, 11],
  }
  const inputs = fitInputs(x)
  const widths = widthsOf(inputs)
  assert.deepEqual(widths, { numbers: 1, dense: 1 + 1 + 1 + 8, embeddings: 1, codes: 11 })
  const { dense, codes } = inputRows(inputs, x)
  assert.deepEqual([...codes], [2n, 10n, 3n, 7n, 0n, 1n])
  const column = (c: number) => Array.from({ length: 6 }, (_, row) => dense[row * widths.dense + c]!)
  assert.equal(column(0)[2], 0, 'a missing number is the median')
  assert.equal(new Set(column(1)).size, 2, 'the column of missing numbers has two values')
  assert.ok(column(1)[2]! > column(1)[0]!, 'and is higher where the number is missing')
  const two = column(2)
  assert.ok(two[0]! < two[4]! && two[4] === two[5] && two[5]! < two[1]!, `two words: ${two}`)
  for (const row of [4, 5])
    for (let c = 3; c < 11; c++)
      assert.equal(column(c)[row], column(c)[(row + 1) % 2 ? 1 : 0] === 0 ? 0 : column(c)[row])
  const late = structuredClone(x)
  late.categories.fill(500)
  assert.deepEqual([...inputRows(inputs, late).codes], Array(6).fill(1n), 'a code above the vocabulary is unknown')
})

for (const g of golden.realmlp)
  test(`the packed net computes what ${g.members} nets in PyTorch do, with the same gradients (${g.name})`, () => {
    const shape: RealmlpShape = {
      members: g.members,
      numbers: g.numbers,
      dense: g.numbers + g.others,
      embeddings: g.cards.length,
      codes: g.cards.reduce((a, b) => a + b, 0),
      outputs: g.outputs,
      hidden: g.hidden,
      activation: g.task === 'single' ? 'selu' : 'mish',
    }
    const net = new RealmlpNet(shape, parametersOf(shape, g.name, g.cards))
    const dense = fromArray(Float32Array.from(hashed(`${g.name} dense`, g.rows * 5)), [g.rows, 5])
    let offset = 0
    const columns = g.cards.map(n => {
      const start = offset
      offset += n
      return Array.from({ length: g.rows }, (_, i) => start + ((i * 5) % n))
    })
    const codes = fromArray(
      BigInt64Array.from(Array.from({ length: g.rows }, (_, i) => columns.map(c => c[i]!)).flat(), BigInt),
      [g.rows, g.cards.length],
    )
    const out = net.forward({ dense, codes })
    near(out.data() as Float32Array, g.out, 2e-5, 'output')
    const all = g.members * g.rows
    const loss =
      g.task === 'single'
        ? F.crossEntropy(
            out.reshape(all, g.outputs),
            fromArray(BigInt64Array.from([...g.targets, ...g.targets], BigInt), [all]),
          ).mul(g.members)
        : F.mse(out, fromArray(Float32Array.from([...g.targets, ...g.targets]), [g.members, g.rows, g.outputs])).mul(
            g.members,
          )
    near([loss.item()], [g.loss], 1e-5, 'loss')
    loss.backward()
    for (const [name, norms] of Object.entries(g.gradientNorms)) {
      const { grad } = net.parameters.get(name)!
      const perMember =
        name === 'embedding' ? grad!.reshape(shape.codes, g.members, 8).transpose(0, 1) : grad!.reshape(g.members, -1)
      const found = perMember.reshape(g.members, -1).pow(2).sum(1).sqrt()
      near(found.data() as Float32Array, norms, 1e-4, `gradient of ${name}`)
    }
    net.dispose()
  })

/** The golden file's parameters by formula, packed. */
function parametersOf(shape: RealmlpShape, name: string, cards: readonly number[]): Map<string, Tensor> {
  const { members, numbers, hidden, outputs } = shape
  const take = (part: string, size: readonly number[]): Tensor[] =>
    Array.from({ length: members }, (_, m) =>
      fromArray(
        Float32Array.from(
          hashed(
            `${name} ${m} ${part}`,
            size.reduce((a, b) => a * b),
          ),
        ),
        size,
      ),
    )
  const packed = (part: string, size: readonly number[], to: readonly number[]) =>
    cat(take(part, size), 0).reshape(...to)
  const parameters = new Map<string, Tensor>([
    ['wave.w1', packed('w1', [numbers, 16], [members * numbers, 1, 16])],
    ['wave.b1', packed('b1', [numbers, 16], [members * numbers, 1, 16])],
    ['wave.w2', packed('w2', [numbers, 16, 3], [members * numbers, 16, 3])],
    ['wave.b2', packed('b2', [numbers, 3], [members * numbers, 1, 3])],
    ['scale', packed('scale', [inputsOf(shape, 0)], [members, 1, inputsOf(shape, 0)])],
  ])
  const tables = cards.map((n, i) => cat(take(`table${i}`, [n, 8]), 1)) // [n, members · 8]
  parameters.set('embedding', cat(tables, 0))
  for (const [i, width] of [...hidden, outputs].entries()) {
    parameters.set(
      `weight.${i}`,
      packed(`weight${i}`, [inputsOf(shape, i), width], [members, inputsOf(shape, i), width]),
    )
    parameters.set(`bias.${i}`, packed(`bias${i}`, [width], [members, 1, width]))
    if (i < hidden.length) parameters.set(`activation.${i}`, packed(`act${i}`, [width], [members, 1, width]))
  }
  for (const t of parameters.values()) t.requiresGrad = true
  return parameters
}

test('the first weights are fitted to the rows: each unit has the deviation 1, and its zero lies among its outputs', () => {
  const rows = 500
  const shape: RealmlpShape = {
    members: 2,
    numbers: 3,
    dense: 3,
    embeddings: 0,
    codes: 0,
    outputs: 2,
    hidden: [32, 32, 32],
    activation: 'mish',
  }
  const dense = fromArray(Float32Array.from(hashed('rows', rows * 3)), [rows, 3])
  const batch = { dense, codes: fromArray(new BigInt64Array(), [rows, 0]) }
  const net = initialNet(shape, batch, generator(3))
  let x = net.embed(batch)
  for (let layer = 0; layer <= 3; layer++) {
    const y = net.linear(x, layer)
    const members = y.reshape(2, rows, -1)
    const width = members.shape[2]!
    const values = members.data() as Float32Array
    for (let m = 0; m < 2; m++)
      for (let unit = 0; unit < width; unit++) {
        const of = Array.from({ length: rows }, (_, row) => values[(m * rows + row) * width + unit]!)
        const mean = of.reduce((a, b) => a + b) / rows
        const std = Math.sqrt(of.reduce((s, v) => s + (v - mean) ** 2, 0) / (rows - 1))
        assert.ok(Math.abs(std - 1) < 1e-3, `layer ${layer}, unit ${unit}: deviation ${std}`)
        assert.ok(
          Math.min(...of) < 1e-4 && Math.max(...of) > -1e-4,
          `layer ${layer}, unit ${unit}: 0 is outside its outputs`,
        )
      }
    if (layer < 3) x = net.activate(y, layer)
  }
  net.dispose()
})

test('coslog4 is 0.5 (1 − cos(2π log2(1 + 15 t)))', () => {
  for (const [t, value] of golden.coslog4) near([coslog(1)(t)], [value], 1e-12, `t ${t}`)
})

const cases: [string, TargetInfo['task'], number, number][] = [
  ['numbers', 'regression', 1, 1],
  ['several numbers with two nets', 'regression', 3, 2],
  ['two classes', 'single', 2, 1],
  ['four classes with three nets', 'single', 4, 3],
]
for (const [what, task, outputs, members] of cases)
  test(`realmlp learns ${what}, keeps the best epoch, and a saved model predicts the same`, async () => {
    const make = (seed: number, rows: number) => makeTable(rows, { task, outputs, seed, missing: 0.02 })
    const [train, valid, other] = [make(1, 600), make(2, 200), make(3, 200)]
    const steps: FitStep[] = []
    const model = await fit(train, valid, { members, onStep: step => steps.push(step) })
    const predicted = await model.predict(other.x)
    if (outputs === 1 || task === 'single') {
      const loss = tableLoss(predicted, other.y, [1])
      assert.ok(loss < 0.75 * plainLoss(train, other), `loss ${loss}, of the mean ${plainLoss(train, other)}`)
    }
    const lowest = Math.min(...steps.map(step => step.validLoss))
    if (outputs === 1 || task === 'single') {
      const kept = tableLoss(await model.predict(valid.x), valid.y, [1])
      assert.ok(Math.abs(kept - lowest) < 1e-6 * lowest, `loss ${kept}, lowest ${lowest}`)
    }
    const dir = folder()
    await model.save(dir)
    const loaded = await loadTableModel(dir, { target: train.y, encoding })
    assert.deepEqual(await loaded.predict(other.x), predicted)
    rmSync(dir, { recursive: true })
    if (task === 'regression')
      for (const [i, value] of predicted.entries()) {
        const of = train.y.values.filter((_, j) => j % outputs === i % outputs)
        assert.ok(
          value >= Math.min(...of) - 1e-9 && value <= Math.max(...of) + 1e-9,
          `${value} is outside the training range`,
        )
      }
  })

test('a stopped fit goes on to the same bits, from the middle of an epoch', async () => {
  const [train, valid] = [makeTable(300), makeTable(100, { seed: 2 })]
  const whole = await (await fit(train, valid, { epochs: 4, members: 2 })).predict(valid.x)
  for (const stopAt of [1, 3]) {
    const state = folder()
    const controller = new AbortController()
    const onStep = ({ epoch }: FitStep) => {
      if (epoch === stopAt) setImmediate(() => controller.abort())
    }
    await assert.rejects(fit(train, valid, { epochs: 4, members: 2, state, signal: controller.signal, onStep }), {
      name: 'AbortError',
    })
    assert.deepEqual(readdirSync(state), ['realmlp.state.safetensors'])
    const epochs: number[] = []
    const resumed = await fit(train, valid, { epochs: 4, members: 2, state, onStep: s => epochs.push(s.epoch) })
    assert.deepEqual(await resumed.predict(valid.x), whole)
    assert.ok(epochs[0]! > stopAt && epochs.at(-1) === 4, `resumed epochs ${epochs}`)
    await assert.rejects(fit(train, valid, { epochs: 5, members: 2, state }), /the state is of a fit with .*"epochs":4/)
    rmSync(state, { recursive: true })
  }
})

test('the same seed gives the same bits, another seed gives others; no tensor is left', async () => {
  const [train, valid] = [makeTable(400, { task: 'single' }), makeTable(100, { task: 'single', seed: 2 })]
  const predict = async (seed: number) => (await fit(train, valid, { seed, epochs: 3 })).predict(valid.x)
  const first = await predict(5)
  const before = liveTensors()
  const model = await fit(train, valid, { seed: 5, epochs: 3 })
  const kept = liveTensors() - before
  assert.deepEqual(await model.predict(valid.x), first)
  assert.notDeepEqual(await predict(6), first)
  // 4 of waves, 1 of embeddings, the scale, 4 weights, 4 biases, 3 activations; and the generators of the first weights and two for each of 3 epochs, until they are collected.
  assert.ok(kept <= 24, `${kept} handles are left after a fit`)
})

test('a fit ends by its minutes with the best weights so far', async () => {
  const [train, valid] = [makeTable(400), makeTable(100, { seed: 2 })]
  const choices: string[] = []
  const epochs: number[] = []
  await fit(train, valid, {
    epochs: 1000,
    minutes: 1e-9,
    onStep: step => epochs.push(step.epoch),
    onChoice: (...choice) => choices.push(choice.join(' ')),
  })
  assert.deepEqual(epochs, [1])
  assert.match(choices.join('; '), /ended after epoch 1 the time of 1e-9 minutes is over/)
})

test('tables of numbers alone, of categories alone, of one number, and of missing values alone are learned', async () => {
  for (const make of [
    { numbers: 3, words: [] },
    { numbers: 0, words: [4, 20] },
    { numbers: 1, words: [] },
    { numbers: 0, words: [9] },
    { numbers: 2, words: [3], missing: 1 },
  ]) {
    const [train, valid] = [makeTable(200, make), makeTable(60, { ...make, seed: 2 })]
    const model = await fit(train, valid, { epochs: 3 })
    for (const value of await model.predict(valid.x))
      assert.ok(Number.isFinite(value), `${value} of ${JSON.stringify(make)}`)
  }
})

test('rows with other columns, infinite numbers, no validation rows and unknown models are refused', async () => {
  const [train, valid] = [makeTable(50), makeTable(20, { seed: 2 })]
  const model = await fit(train, valid, { epochs: 1 })
  const renamed = { ...valid.x, numberNames: ['n0', 'n1', 'n2', 'other'] }
  await assert.rejects(
    model.predict(renamed),
    /the rows have the columns n0, n1, n2, other, c0, c1, the model was trained on/,
  )
  const infinite = structuredClone(train)
  infinite.x.numbers[4 * 7 + 2] = Number.POSITIVE_INFINITY
  await assert.rejects(fit(infinite, valid), /row 7 has Infinity in n2/)
  const none = makeTable(0)
  await assert.rejects(fit(train, none), /no validation rows/)
  const log = { ...train, y: { ...train.y, log: [true], values: train.y.values.map(() => -2) } }
  await assert.rejects(fit(log, valid), /t0 of row 0 is -2, which has no logarithm/)
  await assert.rejects(fitTableModel('realmpl' as 'realmlp', { train, valid, seed: 1 }), /Did you mean "realmlp"/)
})
