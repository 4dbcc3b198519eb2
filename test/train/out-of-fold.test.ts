import assert from 'node:assert/strict'
import { test } from 'node:test'
import { liveTensors } from '../../src/torch/index.ts'
import { logisticPath } from '../../src/train/linear/logistic.ts'
import { dealFolds, outOfFold } from '../../src/train/linear/out-of-fold.ts'
import { hashed } from '../golden/formula.ts'

const [n, width, classes] = [90, 6, 3]
const labels = Int32Array.from({ length: n }, (_, i) => (i < 60 ? 0 : i < 84 ? 1 : 2))
const noise = hashed('folds', n * width)
const features = Float32Array.from(noise, (v, i) => v + (labels[Math.floor(i / width)] === i % width ? 0.8 : 0))

test('every class is spread evenly over the folds, by the seed alone; a group stays together', () => {
  const deal = (seed: number, groups?: number[]) => dealFolds(labels, n, { folds: 5, seed, task: 'single', groups })
  const fold = deal(1)
  assert.deepEqual(fold, deal(1))
  assert.notDeepEqual(fold, deal(2))
  for (const [from, to] of [
    [0, 60],
    [60, 84],
    [84, 90],
  ] as const) {
    const counts = [0, 1, 2, 3, 4].map(k => fold.subarray(from, to).filter(f => f === k).length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`)
  }
  const pairs = deal(
    1,
    Array.from(labels, (_, i) => i >> 1),
  )
  for (let i = 0; i < n; i += 2) assert.equal(pairs[i], pairs[i + 1])
})

test('a sample is told by a model that learnt from the other folds alone', async () => {
  const before = liveTensors()
  const { outputs, fold, l2 } = await outOfFold(features, labels, classes, { folds: 3, seed: 1, l2s: [0.1] })
  assert.equal(liveTensors(), before)
  assert.equal(l2, 0.1)
  const rest = Array.from(fold.keys()).filter(i => fold[i] !== 2)
  const x = Float32Array.from(rest.flatMap(i => [...features.subarray(i * width, (i + 1) * width)]))
  const [model] = await logisticPath({ x, y: Int32Array.from(rest, i => labels[i]!) }, classes, [0.1], {
    tolerance: 2e-3, // as folds have it
  })
  const sample = fold.indexOf(2)
  const logits = Array.from(model!.bias, (b, c) =>
    features
      .subarray(sample * width, (sample + 1) * width)
      .reduce((s, v, f) => s + v * model!.weight[c * width + f]!, b),
  )
  const total = logits.reduce((s, v) => s + Math.exp(v), 0)
  for (const [c, v] of logits.entries())
    assert.ok(
      Math.abs(Math.exp(v) / total - outputs[sample * classes + c]!) < 1e-5,
      'Math.abs(Math.exp(v) / total - outputs[sample * classes + c]!) < 1e-5',
    )
})

test('a wrong label does not teach its own picture: it stays the least believed', async () => {
  const wrong = labels.slice()
  wrong[7] = 2
  wrong[70] = 0
  const { outputs } = await outOfFold(features, wrong, classes, { seed: 3 })
  const own = Array.from(wrong, (c, i) => outputs[i * classes + c]!)
  const least = [...own.keys()].sort((a, b) => own[a]! - own[b]!)
  assert.ok(least.indexOf(7) < 4 && least.indexOf(70) < 4, `${least.slice(0, 6)}`)
})

test('several labels and numbers: the L2 with the lowest loss out of fold', async () => {
  // Every eleventh answer is wrong.
  const hot = Float32Array.from({ length: n * classes }, (_, i) =>
    (labels[Math.floor(i / classes)] === i % classes) !== (i % 11 === 0) ? 1 : 0,
  )
  const l2s = [30, 0.01, 0.0001]
  const losses: number[] = []
  for (const l2 of l2s) losses.push((await outOfFold(features, hot, classes, { task: 'multi', l2s: [l2] })).loss)
  const multi = await outOfFold(features, hot, classes, { task: 'multi', l2s })
  assert.equal(multi.l2, l2s[losses.indexOf(Math.min(...losses))])
  assert.ok(multi.l2 < 30 && Math.abs(multi.loss - Math.min(...losses)) < 1e-3, `${multi.loss} of ${losses}`)
  assert.ok(
    multi.outputs.every(p => p > 0 && p < 1),
    'multi.outputs.every(p => p > 0 && p < 1)',
  )
  const line = Float32Array.from({ length: n }, (_, i) => 3 * features[i * width]! - features[i * width + 1]!)
  const numbers = await outOfFold(features, line, 1, { task: 'regression', l2s })
  assert.equal(numbers.l2, 0.0001)
  assert.ok(numbers.loss < 1e-4, `${numbers.loss}`)
})

test('fewer pictures than folds are refused', async () => {
  const few = { folds: 5, groups: new Int32Array(n) }
  await assert.rejects(outOfFold(features, labels, classes, few), /1 different pictures can't be divided into 5 folds/)
})
