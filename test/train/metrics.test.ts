import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  accuracy,
  argmaxRows,
  balancedAccuracy,
  type ClassScores,
  classificationReport,
  classReport,
  cohenKappa,
  confusionMatrix,
  confusions,
  logLoss,
  matthews,
  mostConfused,
  rocAucOneVsRest,
  topKAccuracy,
} from '../../src/train/metrics.ts'

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
  balancedAccuracy: number
  top2: number
  kappa: number[]
  matthews: number
  rocAuc: (number | null)[]
  names: string[]
  text: string
  text4: string
}
const { cases } = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

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
    for (const { actual, predicted: told, count } of confusions(predicted, c.actual, c.classes)) {
      assert.ok(count > 0 && count === confusion[actual * c.classes + told], c.name)
      confusion[actual * c.classes + told] = 0
    }
    assert.ok(
      confusion.every(count => count === 0),
      c.name,
    )
    const report = classReport(predicted, c.actual, c.classes)
    for (const [i, row] of c.report.entries()) closeScores(report.classes[i]!, row, `${c.name}, class ${i}`)
    closeScores(report.macro, c.macro, `${c.name}, macro`)
    closeScores(report.weighted, c.weighted, `${c.name}, weighted`)
    close(logLoss(probabilities, c.actual, c.classes), c.logLoss, `${c.name}, log loss`)
    close(balancedAccuracy(predicted, c.actual, c.classes), c.balancedAccuracy, `${c.name}, balanced accuracy`)
    close(topKAccuracy(probabilities, c.actual, c.classes, { k: 2 }), c.top2, `${c.name}, top 2`)
    for (const [i, weights] of (['none', 'linear', 'quadratic'] as const).entries())
      close(cohenKappa(predicted, c.actual, c.classes, { weights }), c.kappa[i]!, `${c.name}, kappa ${weights}`)
    close(matthews(predicted, c.actual, c.classes), c.matthews, `${c.name}, Matthews`)
    const areas = rocAucOneVsRest(probabilities, c.actual, c.classes)
    for (const [i, area] of c.rocAuc.entries())
      if (area === null) assert.ok(Number.isNaN(areas.classes[i]), 'Number.isNaN(areas.classes[i])')
      else close(areas.classes[i]!, area, `${c.name}, ROC AUC ${i}`)
    const there = c.rocAuc.filter(a => a !== null)
    close(areas.mean, there.reduce((a, b) => a + b) / there.length, `${c.name}, mean ROC AUC`)
    assert.equal(classificationReport(predicted, c.actual, c.names), c.text)
    assert.equal(classificationReport(predicted, c.actual, c.names, { digits: 4 }), c.text4)
  }
})

test('the text report rounds as Python does: 0.125 is 0.12, 0.375 is 0.38, 0.625 is 0.62', () => {
  const lines = [1, 3, 5].map(right => {
    const predicted = Int32Array.from({ length: 8 }, (_, i) => (i < right ? 0 : 1))
    return classificationReport(predicted, new Int32Array(8), ['a', 'b']).split('\n')[2]!.trim().split(/ +/)[2]
  })
  assert.deepEqual(lines, ['0.12', '0.38', '0.62'])
})

test('top 1 is the accuracy, whatever the ties; all classes always hold the right one', () => {
  const scores = [0.5, 0.5, 0, 0.2, 0.4, 0.4, 0, 0, 0]
  assert.equal(topKAccuracy(scores, [1, 1, 0], 3, { k: 1 }), accuracy(argmaxRows(scores, 3), [1, 1, 0]))
  assert.equal(topKAccuracy(scores, [1, 1, 0], 3, { k: 1 }), 2 / 3)
  assert.equal(topKAccuracy(scores, [2, 0, 2], 3, { k: 3 }), 1)
  assert.equal(topKAccuracy([Number.NaN, Number.NaN], [0], 2, { k: 1 }), 0)
  assert.throws(() => topKAccuracy(scores, [0, 0, 0], 3, { k: 0 }), /got k 0/)
})

test('agreement where chance alone agrees always, and where one answer is always given', () => {
  assert.ok(Number.isNaN(cohenKappa([0, 0], [0, 0], 2)), 'Number.isNaN(cohenKappa([0, 0], [0, 0], 2))')
  assert.equal(matthews([0, 0, 0], [0, 1, 0], 2), 0)
  assert.equal(balancedAccuracy([0, 1, 2], [0, 0, 1], 3), 0.25, 'class 2 has no picture')
  assert.equal(balancedAccuracy([0, 99_999], [0, 1], 100_000), 0.5, 'no matrix of all pairs of classes')
})

test('of a hundred thousand classes there is no matrix of all pairs', () => {
  const [predicted, actual, classes] = [[0, 99_999, 1], [0, 1, 1], 100_000] as const
  assert.deepEqual(confusions(predicted, actual, classes), [
    { actual: 0, predicted: 0, count: 1 },
    { actual: 1, predicted: 1, count: 1 },
    { actual: 1, predicted: 99_999, count: 1 },
  ])
  assert.equal(classReport(predicted, actual, classes).classes[1]!.recall, 0.5)
  // The same answers with the classes 0, 1 and 2: only the distances differ.
  const few = [0, 2, 1]
  assert.equal(cohenKappa(predicted, actual, classes), cohenKappa(few, actual, 3))
  close(matthews(predicted, actual, classes), matthews(few, actual, 3), 'Matthews')
  // Distances by chance: 0 meets 1 and 99,999; 1, twice, meets 0 and 99,999.
  const by = (power: number) => 1 - 99_998 ** power / ((1 + 99_999 ** power + 2 * (1 + 99_998 ** power)) / 3)
  close(cohenKappa(predicted, actual, classes, { weights: 'linear' }), by(1), 'linear')
  close(cohenKappa(predicted, actual, classes, { weights: 'quadratic' }), by(2), 'quadratic')
})

test('the most confused pairs, most frequent first, never the diagonal', () => {
  const confusion = confusions([1, 1, 2, 0, 0, 2, 1], [0, 0, 2, 1, 2, 1, 1], 3)
  assert.deepEqual(mostConfused(confusion), [
    { actual: 0, predicted: 1, count: 2 },
    { actual: 1, predicted: 0, count: 1 },
    { actual: 1, predicted: 2, count: 1 },
    { actual: 2, predicted: 0, count: 1 },
  ])
  assert.equal(mostConfused(confusion, { least: 2 }).length, 1)
})

test('a NaN stays a NaN, an empty set has no accuracy', () => {
  assert.ok(
    Number.isNaN(logLoss(new Float32Array([Number.NaN, 0.5]), [0], 2)),
    'Number.isNaN(logLoss(new Float32Array([Number.NaN, 0.5]), [0], 2))',
  )
  assert.ok(Number.isNaN(accuracy([], [])), 'Number.isNaN(accuracy([], []))')
  assert.ok(Number.isNaN(logLoss(new Float32Array(), [], 2)), 'Number.isNaN(logLoss(new Float32Array(), [], 2))')
})

test('sets that do not fit together are refused', () => {
  assert.throws(() => accuracy([1], [1, 2]), /got 1 predicted and 2 actual/)
  assert.throws(() => confusionMatrix([3], [0], 3), /got class 3; expected a whole number from 0 to 2/)
  assert.throws(() => logLoss(new Float32Array(6), [0], 3), /got 2 rows of 3 probabilities and 1 classes/)
  assert.throws(() => logLoss(new Float32Array(3), [-1], 3), /got class -1/)
  assert.throws(() => argmaxRows([1, 2, 3], 2), /3 scores and 2 classes/)
  assert.throws(() => classReport([1], [1, 2], 3), /classReport: got 1 predicted and 2 actual/)
})
