import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fitTableModel, loadTableModel } from '../../../src/tabular/models/index.ts'
import { memberByMember } from '../../../src/tabular/models/learned/members.ts'
import { fitTabmInputs, normalOf, placesOf, tabmRows } from '../../../src/tabular/models/tabm/inputs.ts'
import { tabmNet } from '../../../src/tabular/models/tabm/net.ts'
import { normalQuantile } from '../../../src/tabular/models/tabm/normal.ts'
import { tableLoss } from '../../../src/tabular/models/targets.ts'
import type { FitStep, FitTableOptions, LabelledRows } from '../../../src/tabular/types.ts'
import { fromArray, liveTensors, type nn, type Tensor } from '../../../src/torch/index.ts'
import { objective } from '../../../src/train/objective.ts'
import { hashed } from '../../golden/formula.ts'
import { makeTable, near, plainLoss } from './tables.make.ts'

interface Golden {
  edges: number[][]
  nets: {
    name: string
    task: 'single' | 'regression'
    cards: number[]
    hidden: number
    members: number
    rows: number
    outputs: number
    out: number[]
    loss: number
    targets: number[]
    gradientNorms: Record<string, number>
  }[]
  quantiles: { values: number[]; quantiles: number[]; at: number[]; normal: number[] }
}
/** Values of the authors' package in float64, and of scikit-learn, written by make_tabm.py. */
const golden: Golden = JSON.parse(readFileSync(new URL('../../golden/tabm.json', import.meta.url), 'utf8'))

const encoding = { columns: [] }

/** The names of the package's parameters, and whether ours is its transpose. */
const names: Record<string, { theirs: string; turned?: true }> = {
  'numbers.line': { theirs: 'num_module.linear0.weight' },
  'numbers.biases.weight': { theirs: 'num_module.linear0.bias' },
  'numbers.weight': { theirs: 'num_module.linear.weight' },
  ...Object.fromEntries(
    [0, 1].flatMap(i => [
      [`layer${i}.weight`, { theirs: `backbone.blocks.${i}.0.weight`, turned: true }],
      [`layer${i}.r`, { theirs: `backbone.blocks.${i}.0.r` }],
      [`layer${i}.s`, { theirs: `backbone.blocks.${i}.0.s` }],
      [`layer${i}.biases.weight`, { theirs: `backbone.blocks.${i}.0.bias` }],
    ]),
  ),
  'head.weight': { theirs: 'output.weight' },
  'head.biases.weight': { theirs: 'output.bias' },
}

/** Gives the net the golden file's parameters, which are made by formula. */
function load(net: nn.Module, name: string): void {
  const parameters = net.stateDict()
  const made = Object.entries(names).map(([key, { theirs, turned }]): [string, Tensor] => {
    const { shape, numel } = parameters.get(key)!
    const values = fromArray(Float32Array.from(hashed(`${name} ${theirs}`, numel)), shape)
    return [key, turned ? values.reshape(shape[1]!, shape[0]!).transpose(0, 1) : values]
  })
  const buffers = Array.from(parameters).filter(([key]) => /left|slope|low|high/.test(key))
  net.loadStateDict(new Map([...made, ...buffers]))
}

for (const g of golden.nets)
  test(`the net computes what the authors' package does, with the same loss and gradients (${g.name})`, () => {
    const { members, outputs, rows, cards } = g
    const hidden = [g.hidden, g.hidden]
    const net = tabmNet({ edges: golden.edges, flags: 0, codes: cards, members, hidden, outputs, dropout: 0 })
    load(net, g.name)
    const numbers = hashed(`${g.name} x`, rows * 3)
    const data = Array.from({ length: rows }, (_, row) => [
      ...Array.from(numbers.subarray(3 * row, 3 * row + 3), value => 2.5 * Math.fround(value)),
      ...cards.map(n => (row * 5) % n),
    ])
    const out = net(fromArray(Float32Array.from(data.flat()), [rows, 5]))
    assert.deepEqual(out.shape, [rows, members, outputs])
    near(out.contiguous().data() as Float32Array, g.out, 2e-6, 'output')
    const classes = Array.from({ length: outputs }, (_, i) => String(i))
    const scale = g.task === 'single' ? undefined : { mean: classes.map(() => 0), std: classes.map(() => 1) }
    const y =
      g.task === 'single'
        ? fromArray(BigInt64Array.from(g.targets, BigInt), [rows])
        : fromArray(Float64Array.from(g.targets), [rows, outputs])
    const { loss } = memberByMember(objective(g.task, classes, { scale }))
    near(
      loss(out, y, { reduction: 'none' }).mean().data() as Float32Array,
      [g.loss],
      1e-6,
      'mean of the losses of rows',
    )
    const mean = loss(out, y)
    near([mean.item()], [g.loss], 1e-6, 'loss')
    mean.backward()
    const parameters = net.stateDict()
    for (const [key, { theirs }] of Object.entries(names)) {
      const found = parameters.get(key)!.grad!.pow(2).sum().sqrt().item()
      const wanted = g.gradientNorms[theirs]!
      assert.ok(Math.abs(found - wanted) < 1e-4 * wanted, `gradient of ${key}: ${found}, expected ${wanted}`)
    }
  })

test('a number stands where scikit-learn’s quantile transformer puts it', () => {
  const { values, quantiles, at, normal } = golden.quantiles
  near(
    Float64Array.from(at, value => normalOf(value, quantiles)),
    normal,
    1e-7,
    'by its quantiles',
  )
  const { numbers } = fitTabmInputs(columnOf(values), 1)
  near(numbers[0]!.quantiles, quantiles, 2e-3, 'quantiles')
  near(Float64Array.from([1e-7, 0.001, 0.3, 0.5, 0.99, 1 - 1e-7], normalQuantile), [-5.199337582, -3.090232306, -0.524400513, 0, 2.326347874, 5.199337582], 1e-8, 'Φ⁻¹') // biome-ignore format: values
})

const columnOf = (values: readonly number[], categories: readonly number[] = []) => ({
  rows: values.length,
  numbers: Float32Array.from(values),
  numberNames: ['n'],
  categories: Int32Array.from(categories),
  categoryNames: categories.length > 0 ? ['c'] : [],
  cardinalities: categories.length > 0 ? [5] : [],
})

test('missing and constant numbers, and codes that training did not have', () => {
  const x = columnOf([1, Number.NaN, 3, 4, 5, 6, 7, 9], [0, 1, 2, 3, 4, 2, 3, 4])
  const inputs = fitTabmInputs(x, 1)
  assert.deepEqual(placesOf(inputs), { flags: 1, codes: 2, width: 3 })
  const rows = tabmRows(inputs, x)
  assert.equal(rows[3], Math.fround(inputs.numbers[0]!.mean), 'a missing number is the mean')
  assert.deepEqual([rows[1], rows[4]], [0, 1], 'and its flag is up')
  assert.ok(Math.abs(rows[0]! + 5.19934) < 0.01, `the least value lies at the end: ${rows[0]}`)
  const late = { ...x, categories: new Int32Array(8).fill(77) }
  assert.equal(tabmRows(inputs, late)[2], 1, 'a code above the vocabulary is unknown')

  const constant = columnOf([5, 5, Number.NaN, 5], [2, 2, 2, 2])
  const own = fitTabmInputs(constant, 1)
  assert.deepEqual(own.numbers[0]!.quantiles, [])
  assert.deepEqual([...tabmRows(own, constant)], [0, 2, 0, 2, 1, 2, 0, 2], 'its flag and the category are left')
  assert.deepEqual([...tabmRows(own, columnOf([8, 5], [2, 2]))], [0, 2, 0, 2], 'and a new value changes nothing')
  const nothing = fitTabmInputs(columnOf([Number.NaN, Number.NaN]), 1)
  assert.deepEqual([...tabmRows(nothing, columnOf([Number.NaN, 4]))], [1, 0])
})

test('columns that are all constant are refused', async () => {
  const table = makeTable(40, { task: 'single', numbers: 2, words: [] })
  table.x.numbers.fill(5)
  await assert.rejects(
    fitTableModel('tabm', { train: table, valid: table, seed: 1, epochs: 1 }),
    /tabm: each of the columns n0, n1 has one value in all 40 training rows/,
  )
})

const fit = (rows: number, task: 'single' | 'regression', more: Partial<FitTableOptions> = {}) => {
  const table = (rows: number, seed: number) => makeTable(rows, { task, missing: 0.1, words: [3, 20], seed })
  const [train, valid] = [table(rows, 1), table(80, 2)]
  return { train, valid, fitted: fitTableModel('tabm', { train, valid, seed: 1, epochs: 6, ...more }) }
}

for (const task of ['single', 'regression'] as const)
  test(`it learns, is saved and read (${task})`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'anneal-tabm-'))
    try {
      const { train, valid, fitted } = fit(240, task)
      const model = await fitted
      const predicted = await model.predict(valid.x)
      const loss = tableLoss(predicted, valid.y, [1])
      const plain = plainLoss(train, valid)
      assert.ok(loss < 0.85 * plain, `${loss} is not below ${plain}`)
      await model.save(dir)
      const read = await loadTableModel(dir, { target: train.y, encoding })
      assert.equal(read.name, 'tabm')
      assert.deepEqual(await read.predict(valid.x), predicted, 'the same bits after reading')
      const other = { ...valid.x, numberNames: valid.x.numberNames.toReversed() }
      await assert.rejects(model.predict(other), /tabm: the rows have the columns n3, n2/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

test('more epochs leave no more tensors; a table of numbers alone', async () => {
  const [train, valid] = [60, 20].map(rows => makeTable(rows, { task: 'single', words: [] })) as [
    LabelledRows,
    LabelledRows,
  ]
  const left = async (epochs: number) => {
    const before = liveTensors()
    await fitTableModel('tabm', { train, valid, seed: 1, epochs })
    return liveTensors() - before
  }
  const few = await left(1)
  assert.equal(await left(4), few)
})

test('a stopped fit goes on to the same bits, and one without progress ends', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'anneal-tabm-'))
  try {
    const whole = fit(120, 'single', { epochs: 4 })
    const model = await whole.fitted
    const stop = new AbortController()
    const steps: FitStep[] = []
    const onStep = (step: FitStep) => {
      steps.push(step)
      if (step.epoch === 2) stop.abort()
    }
    await assert.rejects(fit(120, 'single', { epochs: 4, state: dir, signal: stop.signal, onStep }).fitted, {
      name: 'AbortError',
    })
    assert.equal(steps.at(-1)!.epoch, 2)
    const resumed = await fit(120, 'single', { epochs: 4, state: dir, onStep: step => void steps.push(step) }).fitted
    assert.deepEqual(
      steps.map(({ epoch }) => epoch),
      [1, 2, 3, 4],
    )
    assert.deepEqual(await resumed.predict(whole.valid.x), await model.predict(whole.valid.x))

    // At this rate the loss soon rises.
    const said: string[] = []
    const onChoice = (...words: string[]) => void said.push(words.join(': '))
    const seen: number[] = []
    await fit(40, 'single', { epochs: 60, lr: 0.5, onChoice, onStep: ({ validLoss }) => void seen.push(validLoss) })
      .fitted
    assert.ok(seen.length < 60, `${seen.length} epochs ran`)
    assert.match(said.join('\n'), /tabm: ended after epoch \d+: no lower validation loss for 16 epochs/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
