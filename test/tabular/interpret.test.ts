import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { encode, fitEncoding } from '../../src/tabular/encode.ts'
import { baselines, constant, learningCurve } from '../../src/tabular/run/baselines.ts'
import { chooseThreshold, positiveClass } from '../../src/tabular/run/decide.ts'
import { partialDependence } from '../../src/tabular/run/dependence.ts'
import { permutationImportance } from '../../src/tabular/run/importance.ts'
import { linearModel } from '../../src/tabular/run/linear.ts'
import { lossOf, scored } from '../../src/tabular/run/metrics.ts'
import { featuresOf } from '../../src/tabular/run/rows.ts'
import { rowLosses, worstSlices } from '../../src/tabular/run/slices.ts'
import type { ColumnUse, Encoded, Frame, Targets } from '../../src/tabular/types.ts'

const rows = 400
const random = rng(3)
const kinds = ['small', 'large', 'huge']
const size = Float64Array.from({ length: rows }, () => random.uniform(0, 10))
const noise = Float64Array.from({ length: rows }, () => random.normal())
const codes = Int32Array.from({ length: rows }, (_, i) => (i % 20 === 0 ? -1 : random.integer(3)))
const day = Float64Array.from({ length: rows }, (_, i) => Date.UTC(2024, 0, 1 + i) / 1000)
const frame: Frame = {
  source: 'made',
  rows,
  columns: [
    { name: 'size', type: 'number', values: size },
    { name: 'day', type: 'date', values: day },
    { name: 'kind', type: 'words', values: { codes, words: kinds } },
    { name: 'noise', type: 'number', values: noise },
  ],
}
const uses = (['number', 'date', 'category', 'number'] as const).map(
  (kind, i): ColumnUse => ({ name: frame.columns[i]!.name, kind, used: true, reason: '' }),
)
const all = Int32Array.from({ length: rows }, (_, i) => i)
const encoding = fitEncoding(frame, uses, all)
const x = encode(frame, encoding)
const features = featuresOf(frame, encoding, encode)
const target = { task: 'regression', columns: ['y'], classes: ['y'] } as const
/** y = 2 · size + 5 where the kind is huge. */
const told = (of: Encoded) => {
  const [n, c] = [of.numberNames.length, of.categoryNames.length]
  const huge = 2 + (encoding.columns[2] as { words: readonly string[] }).words.indexOf('huge')
  return Float64Array.from(
    { length: of.rows },
    (_, i) => 2 * of.numbers[i * n]! + (of.categories[i * c] === huge ? 5 : 0),
  )
}
const predict = async (of: Encoded) => told(of)
const y: Targets = { ...target, values: told(x) }

test('each column knows its features: a date has several numbers, in the order of the encoding', () => {
  const parts = (encoding.columns[1] as { parts: readonly string[] }).parts.length
  assert.ok(parts > 3, `${parts} parts of a date`)
  assert.deepEqual(
    features.map(({ column, numbers, categories }) => [column, numbers.length, categories.length]),
    [
      ['size', 1, 0],
      ['day', parts, 0],
      ['kind', 0, 1],
      ['noise', 1, 0],
    ],
  )
  assert.deepEqual(
    features.flatMap(f => f.numbers),
    x.numberNames.map((_, i) => i),
  )
})

test('importance: what the model uses loses, what it does not use loses nothing, and a seed gives the same', async () => {
  const how = { predict, decision: {}, seed: 5 }
  const found = await permutationImportance({ x, y }, features, how)
  assert.deepEqual(found.map(i => i.column).slice(0, 2), ['size', 'kind'])
  const [first, second, ...others] = found
  assert.ok(first!.mean > second!.mean && second!.mean > 2 && first!.std > 0, JSON.stringify(found))
  for (const { mean, std } of others) assert.deepEqual([mean, std], [0, 0])
  // Shuffling a number of variance v doubles the squared error of it: the root of 2 · 4 · v.
  const variance = size.reduce((sum, v) => sum + v * v, 0) / rows - (size.reduce((a, b) => a + b) / rows) ** 2
  assert.ok(Math.abs(first!.mean / Math.sqrt(8 * variance) - 1) < 0.1, `${first!.mean}`)
  assert.deepEqual(await permutationImportance({ x, y }, features, how), found)
})

test('partial dependence: the slope of a number, the step of a word, nothing for what is not used', async () => {
  const found = await partialDependence({ frame, x }, features, ['size', 'kind', 'day'], {
    encoding,
    encode,
    predict,
    target,
  })
  const [number, word, date] = found
  const { places, curves, lines } = number!
  const slope = (curves[0]!.values.at(-1)! - curves[0]!.values[0]!) / (Number(places.at(-1)) - Number(places[0]))
  assert.ok(Math.abs(slope - 2) < 1e-6, `slope ${slope}`)
  assert.equal(lines.length, 40)
  for (const line of lines)
    assert.ok(
      Math.abs(line.at(-1)! - line[0]! - slope * (Number(places.at(-1)) - Number(places[0]))) < 1e-4,
      'lines are parallel',
    )
  const at = (name: string) => word!.curves[0]!.values[word!.places.indexOf(name)]!
  assert.ok(
    Math.abs(at('huge') - at('small') - 5) < 1e-6 && Math.abs(at('large') - at('small')) < 1e-9,
    JSON.stringify(word),
  )
  assert.deepEqual([date!.kind, new Set(date!.curves[0]!.values.map(v => v.toFixed(9))).size], ['date', 1])
})

test('slices: the word and the quarter where the model is wrong are found, and no others', () => {
  const wrong = y.values.map((v, i) => v + 0.01 * noise[i]! + (codes[i] === 1 ? 3 : 0))
  const found = worstSlices(frame, ['kind', 'noise'], { targets: y, outputs: wrong, decision: {} })
  assert.deepEqual([found[0]?.column, found[0]?.where], ['kind', '= large'])
  assert.equal(found[0]!.rows, codes.filter(code => code === 1).length)
  assert.ok(Math.abs(found[0]!.value - 3) < 0.05, `RMSE of the slice ${found[0]!.value}`)
  assert.deepEqual(
    worstSlices(frame, ['kind'], { targets: y, outputs: y.values.map((v, i) => v + noise[i]!), decision: {} }).filter(
      s => s.where === '= small',
    ),
    [],
  )
  const classes: Targets = { task: 'single', columns: ['c'], classes: ['a', 'b'], values: Float64Array.of(0, 1) }
  assert.deepEqual(
    Array.from(rowLosses(classes, Float64Array.of(0.5, 0.5, 0.75, 0.25)), v => +v.toFixed(6)),
    [+Math.LN2.toFixed(6), 1.386294],
  )
})

test('the linear model finds a linear target, with words and missing values; classes too', async () => {
  const split = { train: { x, y }, valid: { x, y } }
  const fit = lossOf(y, (await linearModel(split))(x))
  assert.ok(fit < 0.05, `RMSE ${fit}`)
  const labels: Targets = {
    task: 'single',
    columns: ['c'],
    classes: ['low', 'high'],
    values: y.values.map(v => Number(v > 10)),
  }
  const outputs = (await linearModel({ train: { x, y: labels }, valid: { x, y: labels } }))(x)
  assert.ok(lossOf(labels, outputs) < 0.15, `log loss ${lossOf(labels, outputs)}`)
  for (let i = 0; i < outputs.length; i += 2)
    assert.ok(Math.abs(outputs[i]! + outputs[i + 1]! - 1) < 1e-12, 'rows sum to 1')
})

test('baselines: constant, linear and the trees that were trained already; one that fails is told and left out', async () => {
  assert.deepEqual(
    [...constant({ task: 'single', columns: ['c'], classes: ['a', 'b'], values: Float64Array.of(0, 1, 1, 1) }, 2)],
    [0.25, 0.75, 0.25, 0.75],
  )
  assert.deepEqual([...constant({ ...target, values: Float64Array.of(1, 3) }, 2)], [2, 2])
  const problems: string[] = []
  const context = { train: { x, y }, valid: { x, y }, decision: {}, seed: 1, outputs: Float64Array.from(y.values) }
  const trees = { name: 'trees' as const, predict, save: async () => {} }
  const net = { ...trees, name: 'realmlp' as const }
  const never = async () => {
    throw new Error('no library')
  }
  const { others: found, whole } = await baselines([trees, net], { ...context, fit: never }, p => problems.push(p))
  assert.deepEqual(whole, scored(y, context.outputs, { decision: {}, seed: 1 }), 'scored together as alone')
  assert.deepEqual([found.map(b => b.name), problems], [['mean', 'linear', 'trees'], []])
  assert.equal(found[2]!.metrics.rmse, 0)
  const { others: without } = await baselines([net], { ...context, fit: never }, p => problems.push(p))
  assert.deepEqual(
    [without.map(b => b.name), problems],
    [['mean', 'linear'], ['the comparison with LightGBM is missing: no library']],
  )
  const curve = await learningCurve({ ...context, fit: async () => trees }, found[2])
  assert.deepEqual(
    curve.map(p => p.rows),
    [50, 100, 200, 400],
  )
  assert.deepEqual(await learningCurve({ ...context, fit: async () => trees }, { ...found[2]!, seconds: 60 }), [])
})

test('the rarer class is positive; a threshold moves for a rare class alone, and only where it helps', () => {
  const choices: string[] = []
  const choose = (what: string, value: string) => choices.push(`${what}: ${value}`)
  const values = Float64Array.from({ length: 300 }, (_, i) => Number(i % 10 !== 0)) // the first class is rare
  const labels: Targets = { task: 'single', columns: ['c'], classes: ['bad', 'good'], values }
  assert.equal(positiveClass(choose, labels, undefined), 0)
  assert.equal(positiveClass(choose, labels, 'good'), 1)
  assert.equal(positiveClass(choose, { ...labels, task: 'regression' }, undefined), undefined)
  // The rare class has probabilities near 0.3, the other one near 0.1: 0.5 never decides for it.
  const draw = rng(1)
  const p = Float64Array.from({ length: 600 }, () => 0)
  for (let i = 0; i < 300; i++) {
    p[2 * i] = (values[i] === 0 ? 0.3 : 0.1) + 0.05 * draw.normal()
    p[2 * i + 1] = 1 - p[2 * i]!
  }
  const clipped = p.map(v => Math.min(1, Math.max(0, v)))
  const { threshold } = chooseThreshold(choose, labels, clipped, { positive: 0, share: 0.1, seed: 1 })
  assert.ok(threshold! > 0.12 && threshold! < 0.3, `threshold ${threshold}`)
  assert.equal(chooseThreshold(choose, labels, clipped, { positive: 0, share: 0.4, seed: 1 }).threshold, undefined)
  const none = chooseThreshold(choose, labels, new Float64Array(600).fill(0.5), { positive: 0, share: 0.1, seed: 1 })
  assert.equal(none.threshold, 0.5, 'no threshold helps a model that knows nothing')
  assert.deepEqual(choices.slice(0, 2), ['positive class: bad', 'positive class: good'])
})
