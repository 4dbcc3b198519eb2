import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decide, leadingOf, scored, tableMetrics } from '../../src/tabular/run/metrics.ts'
import type { Targets } from '../../src/tabular/types.ts'
import { bootstrap, mape, take } from '../../src/train/metrics.ts'

interface Case {
  name: string
  task: 'single' | 'regression'
  columns: number
  threshold?: number
  outputs: number[]
  values: number[]
  expected: Record<string, number | null>
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/table-metrics.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const targetsOf = ({ task, columns, values }: Case): Targets => ({
  task,
  columns: ['y'],
  classes: Array.from({ length: columns }, (_, i) => `c${i}`),
  values: Float64Array.from(values),
})

test('metrics of rows are those of scikit-learn', () => {
  assert.equal(cases.length, 9)
  for (const c of cases) {
    const decision = c.columns === 2 && c.task === 'single' ? { positive: 1, threshold: c.threshold ?? 0.5 } : {}
    const got = tableMetrics(targetsOf(c), Float64Array.from(c.outputs), decision)
    assert.deepEqual(Object.keys(got).sort(), Object.keys(c.expected).sort(), c.name)
    for (const [key, expected] of Object.entries(c.expected)) {
      const near = expected === null ? Number.isNaN(got[key]) : Math.abs(got[key]! - expected) < 1e-9
      assert.ok(near, `${c.name}, ${key}: got ${got[key]}, expected ${expected}`)
    }
  }
})

test('the positive class may be the first of two; its metrics are those of the mirrored table', () => {
  const c = cases[1]!
  const mirrored: Case = {
    ...c,
    values: c.values.map(v => 1 - v),
    outputs: c.outputs.map((_, i) => c.outputs[i ^ 1]!),
  }
  const a = tableMetrics(targetsOf(c), Float64Array.from(c.outputs), { positive: 1, threshold: 0.2 })
  const b = tableMetrics(targetsOf(mirrored), Float64Array.from(mirrored.outputs), { positive: 0, threshold: 0.2 })
  assert.deepEqual(b, a)
})

test('a threshold decides between two classes; more classes have none', () => {
  assert.deepEqual([...decide([0.7, 0.3, 0.8, 0.2], 2, { positive: 1, threshold: 0.3 })], [1, 0])
  assert.deepEqual([...decide([0.7, 0.3, 0.8, 0.2], 2, { positive: 0, threshold: 0.75 })], [1, 0])
  assert.deepEqual([...decide([0.2, 0.5, 0.3], 3, { threshold: 0.9 })], [1])
})

test('intervals hold the value, and the same seed gives the same interval', () => {
  for (const c of [cases[0]!, cases[4]!, cases[6]!]) {
    const [targets, outputs] = [targetsOf(c), Float64Array.from(c.outputs)]
    const part = scored(targets, outputs, { seed: 3 })
    const [low, high] = part.intervals![leadingOf(targets)]!
    const value = part.metrics[leadingOf(targets)]!
    assert.ok(low < value && value < high, `${c.name}: ${low} < ${value} < ${high}`)
    assert.deepEqual(scored(targets, outputs, { seed: 3 }).intervals, part.intervals)
    assert.equal(part.loss, part.metrics[c.task === 'regression' ? 'rmse' : 'logLoss'])
  }
})

test('intervals are those of the metrics of the rows that are drawn', () => {
  const bare: Case = { name: 'two targets', task: 'regression', columns: 2, outputs: [], values: [], expected: {} }
  const two = { ...bare, outputs: [1, 2, 3, 4, 5, 9, 1, 0], values: [1, 3, 2, 4, 7, 7, 1, 1] }
  for (const c of [...cases.filter(({ columns }) => columns > 0), two]) {
    const [targets, outputs] = [targetsOf(c), Float64Array.from(c.outputs)]
    const decision = c.task === 'single' && c.columns === 2 ? { positive: 0, threshold: 0.4 } : {}
    const { intervals = {} } = scored(targets, outputs, { decision, seed: 5 })
    const n = targets.values.length / (c.task === 'single' ? 1 : c.columns)
    for (const [name, [low, high]] of Object.entries(intervals)) {
      const metric = (rows: Int32Array) => {
        const values = take(targets.values, rows, c.task === 'single' ? 1 : c.columns)
        return tableMetrics({ ...targets, values }, take(outputs, rows, c.columns), decision)[name]!
      }
      const whole = bootstrap(metric, n, { seed: 5, rounds: 1000 })
      assert.ok(Math.abs(whole.low - low) < 1e-9 && Math.abs(whole.high - high) < 1e-9, `${c.name}, ${name}`)
    }
  }
})

test('the percentage error of a target of 0 is that of scikit-learn: divided by the smallest step of float64', () => {
  assert.equal(mape([1, 2], [0, 4]).mean, (2 ** 52 + 0.5) / 2)
})
