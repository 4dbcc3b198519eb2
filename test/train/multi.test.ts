import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  accuracyMulti,
  averagePrecision,
  bestThresholds,
  binaryCrossEntropy,
  classificationReportMulti,
  classReportMulti,
  column,
  decide,
  fBeta,
  hammingLoss,
  multilabelConfusion,
  precision,
  precisionRecallCurve,
  recall,
  rocAuc,
  subsetAccuracy,
  type ThresholdMetric,
} from '../../src/train/metrics.ts'

type Decisions = {
  thresholds: number | number[]
  accuracy: number
  subset: number
  hamming: number
  confusion: [number, number, number, number][]
  averages: Record<string, (number | number[])[]>
  text: string
}
type Best = {
  metric: ThresholdMetric
  average: 'samples' | 'micro' | 'macro'
  threshold: number
  value: number
  own: number[]
  kept: number[]
  valueKept: number
}
type Case = {
  name: string
  classes: number
  targets: number[]
  probabilities: number[]
  decisions: Decisions[]
  averagePrecision: (number | null)[]
  mAP: number
  rocAuc: (number | null)[]
  curves: { precision: number[]; recall: number[]; thresholds: number[] }[]
  bce: number
  best: Best[]
}
const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as { multi: Case[] }
const cases = golden.multi.map(c => ({
  ...c,
  p: Float32Array.from(c.probabilities),
  y: Float32Array.from(c.targets),
}))

/** Equal within 1e-6, lists item by item; null stands for NaN. */
function close(actual: number | readonly number[], expected: number | null | readonly (number | null)[], what: string) {
  const [a, b] = [[actual].flat(), [expected].flat()] as [number[], (number | null)[]]
  assert.equal(a.length, b.length, what)
  for (const [i, v] of a.entries())
    assert.ok(b[i] === null ? Number.isNaN(v) : Math.abs(v - b[i]!) <= 1e-6, `${what}: got ${v}, expected ${b[i]}`)
}

test('decisions on many labels are scored as by scikit-learn', () => {
  assert.equal(cases.length, 5)
  for (const { name, p, y, classes, decisions } of cases)
    for (const d of decisions) {
      const { thresholds } = d
      const what = `${name}, ${thresholds}`
      close(accuracyMulti(p, y, classes, { thresholds }), d.accuracy, `${what}, accuracy`)
      close(subsetAccuracy(p, y, classes, { thresholds }), d.subset, `${what}, subset`)
      close(hammingLoss(p, y, classes, { thresholds }), d.hamming, `${what}, Hamming`)
      const counts = multilabelConfusion(p, y, classes, { thresholds })
      assert.deepEqual(
        counts.map(({ tn, fp, fn, tp }) => [tn, fp, fn, tp]),
        d.confusion,
        what,
      )
      for (const average of ['samples', 'micro', 'macro', 'weighted', 'none'] as const) {
        const options = { thresholds, average }
        const got = [
          precision(p, y, classes, options),
          recall(p, y, classes, options),
          ...[1, 2, 0.5].map(beta => fBeta(p, y, classes, { ...options, beta })),
        ]
        for (const [i, value] of got.entries()) close(value, d.averages[average]![i]!, `${what}, ${average}, ${i}`)
      }
      const names = Array.from({ length: classes }, (_, c) => `label ${c}`)
      assert.equal(classificationReportMulti(p, y, names, { thresholds }), d.text, what)
    }
})

test('what is ranked by score is scikit-learn’s: average precision, ROC AUC, curves, cross-entropy', () => {
  for (const { name, p, y, classes, ...c } of cases) {
    const ap = averagePrecision(p, y, classes)
    close(ap.classes, c.averagePrecision, `${name}, AP`)
    close(ap.mean, c.mAP, `${name}, mAP`)
    close(rocAuc(p, y, classes).classes, c.rocAuc, `${name}, ROC AUC`)
    for (const [i, expected] of c.curves.entries()) {
      const curve = precisionRecallCurve(column(p, classes, i), column(y, classes, i))
      for (const key of ['precision', 'recall', 'thresholds'] as const)
        close(curve[key], expected[key], `${name}, ${key} of curve ${i}`)
    }
    close(binaryCrossEntropy(p, y), c.bce, `${name}, cross-entropy`)
  }
})

test('the best thresholds are those of trying every one', () => {
  let shrunk = 0
  for (const { name, p, y, classes, best } of cases)
    for (const b of best) {
      const what = `${name}, ${b.metric} ${b.average}`
      const own = bestThresholds(p, y, classes, { metric: b.metric, average: b.average, errors: 0 })
      close(own.threshold, b.threshold, what)
      close(own.value, b.value, what)
      close(own.thresholds, b.own, `${what}, own`)
      const kept = bestThresholds(p, y, classes, { metric: b.metric, average: b.average, errors: 1 })
      close(kept.thresholds, b.kept, `${what}, kept`)
      close(kept.valueEach, b.valueKept, `${what}, reached`)
      assert.ok(kept.value >= kept.half - 1e-9, `kept.value >= kept.half - 1e-9, got ${kept.value}`)
      for (const [c, { threshold, own, value, positives }] of kept.classes.entries()) {
        assert.equal(own, threshold !== kept.threshold)
        assert.equal(
          positives,
          column(y, classes, c).reduce((a, v) => a + v, 0),
        )
        const [scores, there] = [column(p, classes, c), column(y, classes, c)]
        const beta = Number(b.metric.slice(1))
        const alone =
          b.metric === 'accuracy'
            ? accuracyMulti(scores, there, 1, { thresholds: threshold })
            : fBeta(scores, there, 1, { beta, average: 'micro', thresholds: threshold })
        close(value, alone, `${what}, class ${c}`)
      }
      shrunk += own.thresholds.filter((t, c) => t !== kept.thresholds[c]).length
    }
  assert.ok(shrunk > 10, `${shrunk}`)
})

test('a threshold: of equals 0.5; none where all is best, none where nothing is', () => {
  const best = (p: number[], y: number[], metric: ThresholdMetric = 'f1') =>
    bestThresholds(Float32Array.from(p), y, 1, { metric, average: 'micro' }).threshold
  assert.equal(best([0.2, 0.4, 0.6, 0.9], [0, 0, 1, 1]), 0.5)
  assert.equal(best([0.2, 0.4, 0.45, 0.9], [0, 0, 1, 1]), (Math.fround(0.4) + Math.fround(0.45)) / 2)
  assert.equal(best([0.8, 0.9], [1, 1]), 0.5)
  assert.equal(best([0.25, 0.125], [1, 1]), 0.0625)
  assert.ok(best([1, 1], [0, 0], 'accuracy') > 1, `best([1, 1], [0, 0], 'accuracy') > 1`)
  assert.equal(best([0, 0], [1, 1], 'accuracy'), 0)
  assert.equal(
    best([Number.NaN, 0.3, 0.2], [1, 1, 0]),
    (Math.fround(0.2) + Math.fround(0.3)) / 2,
    'a NaN is never given',
  )
  assert.equal(best([Number.NaN], [1]), 0.5)
})

test('what a threshold decides: from it on; a NaN never', () => {
  assert.deepEqual([...decide([0.5, 0.4, Number.NaN, 1], 2)], [1, 0, 0, 1])
  assert.deepEqual([...decide([0.5, 0.4, 0.5, 1], 2, [0.6, 0.4])], [0, 1, 0, 1])
})

test('beta 0 is precision, an infinite one recall', () => {
  const { p, y, classes } = cases[0]!
  for (const average of ['samples', 'micro', 'none'] as const) {
    assert.deepEqual(fBeta(p, y, classes, { beta: 0, average }), precision(p, y, classes, { average }))
    assert.deepEqual(fBeta(p, y, classes, { beta: Infinity, average }), recall(p, y, classes, { average }))
  }
  assert.equal(classReportMulti(p, y, classes).samples.f1, fBeta(p, y, classes))
})

test('a NaN stays a NaN where scores are ranked; an empty set has no score', () => {
  const lost = averagePrecision([Number.NaN, 0.2, 0.4, 0.5], [1, 1, 0, 0], 2)
  assert.ok(
    Number.isNaN(lost.classes[0]) && lost.classes[1] === 0.5 && lost.mean === 0.5,
    'Number.isNaN(lost.classes[0]) && lost.classes[1] === 0.5 && lost.me…',
  )
  assert.deepEqual(precisionRecallCurve([Number.NaN, 0.5], [1, 0]).recall, [1, 0, 0])
  assert.ok(
    Number.isNaN(binaryCrossEntropy(Float32Array.of(Number.NaN), [1])),
    'Number.isNaN(binaryCrossEntropy(Float32Array.of(Number.NaN), [1]))',
  )
  assert.ok(
    Number.isNaN(accuracyMulti([], [], 3)) && Number.isNaN(averagePrecision([], [], 3).mean),
    'Number.isNaN(accuracyMulti([], [], 3)) && Number.isNaN(averagePreci…',
  )
})

test('sets that do not fit together are refused', () => {
  const p = Float32Array.of(0.1, 0.2, 0.3, 0.4)
  assert.throws(() => accuracyMulti(p, [0, 1], 2), /got 4 values and 2 targets in 2 columns/)
  assert.throws(() => fBeta(p, [0, 1, 0.5, 0], 2), /got 0.5 for class 0 of picture 1; expected 0 or 1/)
  assert.throws(() => fBeta(p, [0, 1, 0, 0], 2, { thresholds: [0.5] }), /got 1 for 2 classes/)
  assert.throws(() => fBeta(p, [0, 1, 0, 0], 2, { beta: -1 }), /got beta -1/)
  assert.throws(() => bestThresholds(Float32Array.of(3), [1], 1), /got probability 3/)
  assert.throws(() => bestThresholds(new Float32Array(), [], 1), /no pictures/)
  assert.throws(
    () => bestThresholds(p, [0, 1, 0, 0], 2, { metric: 'f3' as 'f2' }),
    /expected one of accuracy, f0.5, f1, f2/,
  )
})

test('ten thousand pictures of a hundred classes take less than a second', () => {
  const [n, classes] = [10_000, 100]
  const p = Float32Array.from({ length: n * classes }, (_, i) => ((i * 2654435761) % 999_983) / 999_983)
  const y = p.map((v, i) => Number(v * 0.9 + (((i * 40503) % 1009) / 1009) * 0.5 > 0.95))
  const timed = (what: () => unknown) => {
    const start = performance.now()
    what()
    return performance.now() - start
  }
  const took = {
    averagePrecision: timed(() => averagePrecision(p, y, classes)),
    rocAuc: timed(() => rocAuc(p, y, classes)),
    report: timed(() => classReportMulti(p, y, classes)),
    loss: timed(() => binaryCrossEntropy(p, y)),
    thresholds: timed(() => bestThresholds(p, y, classes, { metric: 'f2' })),
  }
  for (const [name, ms] of Object.entries(took)) assert.ok(ms < 4000, `${name} took ${ms} ms`) // on a busy machine
})
