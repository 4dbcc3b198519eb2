import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  confusedLabels,
  type Judgement,
  mostCorrect,
  mostIncorrect,
  mostUncertain,
  topLossesByLabel,
} from '../../src/interpret/ranking.ts'
import { hashed } from '../golden/formula.ts'
import { golden } from '../helpers/explain.ts'

const indices = (rows: readonly { index: number }[]) => rows.map(r => r.index)

/** `ranking` of make_explain.py. */
function single(): Judgement {
  const raw = hashed('ranking', 120).map(v => Math.exp(3 * v))
  const probabilities = Float32Array.from(raw, (v, i) => {
    const row = Math.floor(i / 3) * 3
    return v / (raw[row]! + raw[row + 1]! + raw[row + 2]!)
  })
  const losses = new Float32Array(40)
  return { task: 'single', classes: 3, probabilities, targets: Int32Array.from(golden.ranking.classes), losses }
}

test("of a class the most correct, incorrect and uncertain are fastai 0.7's", () => {
  const judged = single()
  assert.deepEqual(indices(mostCorrect(judged, { label: 1 })), golden.ranking.correct)
  assert.deepEqual(indices(mostIncorrect(judged, { label: 1 })), golden.ranking.incorrect)
  assert.deepEqual(indices(mostUncertain(judged, { label: 1 })), golden.ranking.uncertain)
})

test('over all classes: by the probability of the own class, and by the lead of the first over the second', () => {
  const probabilities = Float32Array.of(0.9, 0.1, 0, 0.2, 0.7, 0.1, 0.5, 0.49, 0.01, 0.1, 0.3, 0.6)
  const judged: Judgement = {
    task: 'single',
    classes: 3,
    probabilities,
    targets: Int32Array.of(0, 1, 1, 0),
    losses: new Float32Array(4),
  }
  assert.deepEqual(indices(mostCorrect(judged)), [0, 1])
  assert.deepEqual(indices(mostIncorrect(judged)), [3, 2])
  assert.deepEqual(indices(mostUncertain(judged, { most: 2 })), [2, 3])
  assert.equal(mostIncorrect(judged)[0]!.probability, Math.fround(0.1))
})

test('of several labels each decision counts, by its threshold', () => {
  const judged: Judgement = {
    task: 'multi',
    classes: 2,
    // biome-ignore format: a table
    probabilities: Float32Array.of(
      0.99, 0.01, // right: present, absent
      0.55, 0.05, // right
      0.05, 0.60, // both wrong
      0.90, 0.30, // the second is predicted (threshold 0.2) but absent
    ),
    targets: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0),
    losses: new Float32Array(4),
    thresholds: [0.5, 0.2],
  }
  assert.deepEqual(
    mostCorrect(judged, { label: 0 }).map(r => r.index),
    [0, 3, 1],
  )
  assert.deepEqual(mostIncorrect(judged, { label: 0 }), [{ index: 2, label: 0, probability: Math.fround(0.05) }])
  assert.deepEqual(indices(mostIncorrect(judged, { label: 1 })), [2, 3])
  assert.deepEqual(indices(mostUncertain(judged, { label: 1 })), [3, 1, 0, 2])
  assert.deepEqual(indices(mostCorrect(judged)), [0, 1], 'all labels right, the least sure label decides')
  assert.deepEqual(
    mostIncorrect(judged).map(r => [r.index, r.label]),
    [
      [2, 0],
      [3, 1],
    ],
  )
  assert.deepEqual(
    mostUncertain(judged, { most: 2 }).map(r => [r.index, r.label]),
    [
      [1, 0],
      [3, 1],
    ],
  )
  assert.deepEqual(confusedLabels(judged), [{ actual: 0, predicted: 1, count: 1 }])
  const [first, second] = topLossesByLabel(judged, { most: 2 })
  assert.deepEqual(
    first!.samples.map(s => [s.index, s.present]),
    [
      [2, true],
      [1, true],
    ],
  )
  assert.ok(
    Math.abs(first!.samples[0]!.loss + Math.log(0.05)) < 1e-6,
    'Math.abs(first!.samples[0]!.loss + Math.log(0.05)) < 1e-6',
  )
  assert.deepEqual(indices(second!.samples), [2, 3])
  assert.ok(
    Math.abs(second!.samples[0]!.loss + Math.log(0.4)) < 1e-6,
    'Math.abs(second!.samples[0]!.loss + Math.log(0.4)) < 1e-6',
  )
})

test('what can not be ranked is refused', () => {
  const judged = single()
  assert.throws(() => mostCorrect({ ...judged, task: 'regression' }), /neither right nor wrong/)
  assert.throws(() => mostCorrect(judged, { label: 3 }), /got class 3; expected a whole number from 0 to 2/)
  assert.throws(() => mostUncertain({ ...judged, task: 'multi' }), /120 probabilities of 3 classes and 40 answers/)
  assert.throws(() => topLossesByLabel(judged), /got the task single/)
  assert.throws(() => confusedLabels(judged), /got the task single/)
})
