import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mae, medianAe, mse, r2, regressionReport, rmse } from '../../src/train/metrics.ts'

const keys = ['mse', 'rmse', 'mae', 'medianAe', 'r2', 'explainedVariance', 'pearson'] as const
type Case = { name: string; columns: number; predictions: number[]; targets: number[] } & Record<
  (typeof keys)[number],
  (number | null)[]
>
const { regression } = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  regression: Case[]
}

test('regression is scored as by scikit-learn (Pearson by SciPy)', () => {
  assert.equal(regression.length, 4)
  for (const c of regression) {
    const report = regressionReport(Float32Array.from(c.predictions), Float32Array.from(c.targets), c.columns)
    for (const key of keys) {
      for (const [t, expected] of c[key].entries()) {
        const got = report[key].targets[t]!
        const near = expected === null ? Number.isNaN(got) : Math.abs(got - expected) <= 1e-6 * Math.max(1, expected)
        assert.ok(near, `${c.name}, ${key} of target ${t}: got ${got}, expected ${expected}`)
      }
      const there = c[key].filter(v => v !== null)
      const mean = there.reduce((a, b) => a + b, 0) / there.length
      assert.ok(Object.is(report[key].mean, mean) || Math.abs(report[key].mean - mean) <= 1e-6 * Math.max(1, mean), key)
    }
  }
})

test('a target that never changes has no R² of rounding errors', () => {
  const steady = new Float64Array(1000).fill(0.1) // whose mean is not 0.1
  for (const told of [steady, steady.map(v => v + 1e-3)])
    assert.ok(Number.isNaN(r2(told, steady).mean), 'neither 1 nor 0: there is no R² of a constant')
})

test('an even number of errors has its median in the middle; an empty set has no score', () => {
  assert.deepEqual(medianAe([0, 0, 0, 0], [1, 2, 4, 9]), { targets: [3], mean: 3 })
  assert.deepEqual(rmse([0, 0, 0, 0], [3, 1, 3, 1], 2), { targets: [3, 1], mean: 2 })
  assert.ok(
    Number.isNaN(mse([], []).mean) && Number.isNaN(medianAe([], []).mean) && Number.isNaN(r2([1], [1]).mean),
    'Number.isNaN(mse([], []).mean) && Number.isNaN(medianAe([], []).mea…',
  )
  assert.throws(() => mae([1, 2, 3], [1, 2]), /got 3 values and 2 targets/)
})
