import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  accuracy,
  argmaxRows,
  type ClassScores,
  classReport,
  confusionMatrix,
  logLoss,
  mostConfused,
} from '../src/train/metrics.ts'

type Case = {
  name: string
  float: 'float32' | 'float64'
  classes: number
  actual: number[]
  probabilities: number[]
  predicted: number[]
  accuracy: number
  confusion: number[]
  report: ClassScores[]
  macro: ClassScores
  weighted: ClassScores
  logLoss: number
}
const { cases } = JSON.parse(readFileSync(new URL('golden/metrics.json', import.meta.url), 'utf8')) as { cases: Case[] }

const close = (actual: number, expected: number, message: string) =>
  assert.ok(Math.abs(actual - expected) <= 1e-6, `${message}: got ${actual}, expected ${expected}`)
const closeScores = (actual: ClassScores, expected: ClassScores, message: string) => {
  for (const key of ['precision', 'recall', 'f1', 'support'] as const)
    close(actual[key], expected[key], `${message}, ${key}`)
}

test('metrics are those of scikit-learn', () => {
  assert.equal(cases.length, 4)
  for (const c of cases) {
    const probabilities = c.float === 'float32' ? new Float32Array(c.probabilities) : new Float64Array(c.probabilities)
    const predicted = argmaxRows(probabilities, c.classes)
    assert.deepEqual([...predicted], c.predicted, c.name)
    close(accuracy(predicted, c.actual), c.accuracy, c.name)
    const confusion = confusionMatrix(predicted, c.actual, c.classes)
    assert.deepEqual([...confusion], c.confusion, c.name)
    const report = classReport(confusion)
    for (const [i, row] of c.report.entries()) closeScores(report.classes[i]!, row, `${c.name}, class ${i}`)
    closeScores(report.macro, c.macro, `${c.name}, macro`)
    closeScores(report.weighted, c.weighted, `${c.name}, weighted`)
    close(logLoss(probabilities, c.actual, c.classes), c.logLoss, `${c.name}, log loss`)
  }
})

test('the most confused pairs, most frequent first, never the diagonal', () => {
  const confusion = confusionMatrix([1, 1, 2, 0, 0, 2, 1], [0, 0, 2, 1, 2, 1, 1], 3)
  assert.deepEqual(mostConfused(confusion), [
    { actual: 0, predicted: 1, count: 2 },
    { actual: 1, predicted: 0, count: 1 },
    { actual: 1, predicted: 2, count: 1 },
    { actual: 2, predicted: 0, count: 1 },
  ])
  assert.equal(mostConfused(confusion, { least: 2 }).length, 1)
})

test('a NaN stays a NaN, an empty set has no accuracy', () => {
  assert.ok(Number.isNaN(logLoss(new Float32Array([Number.NaN, 0.5]), [0], 2)))
  assert.ok(Number.isNaN(accuracy([], [])))
  assert.ok(Number.isNaN(logLoss(new Float32Array(), [], 2)))
})

test('sets that do not fit together are refused', () => {
  assert.throws(() => accuracy([1], [1, 2]), /got 1 predicted and 2 actual/)
  assert.throws(() => confusionMatrix([3], [0], 3), /got class 3; expected a whole number from 0 to 2/)
  assert.throws(() => logLoss(new Float32Array(6), [0], 3), /got 2 rows of 3 probabilities and 1 classes/)
  assert.throws(() => logLoss(new Float32Array(3), [-1], 3), /got class -1/)
  assert.throws(() => argmaxRows([1, 2, 3], 2), /3 scores and 2 classes/)
  assert.throws(() => classReport([1, 2, 3]), /square/)
})
