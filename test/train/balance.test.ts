import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromArray, scope, type Tensor, tensor } from '../../src/torch/index.ts'
import {
  classWeights,
  focalLoss,
  imbalanceAdvice,
  positiveWeights,
  sampleWeights,
  sigmoidFocalLoss,
  weightedOrder,
} from '../../src/train/balance.ts'
import { hashed } from '../golden/formula.ts'
import { close, golden } from '../helpers/explain.ts'

const { focal, weights } = golden
const x = Float32Array.from(hashed('focal', 30), v => 6 * v)
const y = BigInt64Array.of(0n, 4n, 2n, 2n, 1n, 3n)

function check({ loss, grad }: { loss: number; grad: number[] }, of: (x: Tensor) => Tensor): void {
  scope(() => {
    const leaf = fromArray(x, [6, 5])
    leaf.requiresGrad = true
    const value = of(leaf)
    value.backward()
    close([value.item()], [loss], 1e-5 * Math.max(1, loss), 'loss')
    close(leaf.grad!.numbers(), grad, 1e-5, 'gradient')
  })
}

test("focal loss is fastai's, for class numbers and for shares", () => {
  check(focal.single, x => focalLoss(x, fromArray(y, [6])))
  check(focal.gamma, x => focalLoss(x, fromArray(y, [6]), { gamma: 0.5, reduction: 'sum' }))
  const hot = Float32Array.from({ length: 30 }, (_, i) => (Number(y[Math.floor(i / 5)]) === i % 5 ? 1 : 0))
  check(focal.single, x => focalLoss(x, fromArray(hot, [6, 5])))
  const logits = fromArray(x, [6, 5])
  const each = focalLoss(logits, fromArray(y, [6]), { reduction: 'none' }).numbers()
  const weight = tensor([1, 2, 3, 4, 5])
  const weighed = focalLoss(logits, fromArray(y, [6]), { weight, reduction: 'none' }).numbers()
  close(
    weighed,
    each.map((v, i) => v * (Number(y[i]) + 1)),
    1e-6,
  )
})

test("the focal loss of several labels is torchvision's", () => {
  const hot = () => fromArray(Float32Array.from(focal.labels), [6, 5])
  check(focal.multi, x => sigmoidFocalLoss(x, hot()))
  check(focal.even, x => sigmoidFocalLoss(x, hot(), { alpha: false, gamma: 1, reduction: 'sum' }))
})

test("class weights are scikit-learn's and Cui et al.'s; a class without pictures weighs nothing", () => {
  close(classWeights(weights.counts), weights.balanced, 1e-12)
  close(classWeights(weights.counts, { scheme: 'effective', beta: 0.99 }), weights.effective, 1e-12)
  assert.deepEqual(classWeights([4, 0, 4]), [1, 0, 1])
  assert.deepEqual(positiveWeights([25, 50, 0], 100), [3, 1, 1])
  assert.deepEqual(sampleWeights([{ labels: [1] }, { labels: [0, 1] }, { labels: [] }], [5, 2]), [2, 5, 1])
  assert.throws(() => classWeights([0, 0]), /at least one above 0, got 0, 0/)
  assert.throws(() => classWeights([1, 2], { scheme: 'effective', beta: 1 }), /beta .* got 1/)
})

test('classes come evenly by balanced weights, every epoch in another order', () => {
  const labels = Array.from({ length: 150 }, (_, i) => (i < 120 ? 0 : i < 147 ? 1 : 2))
  const counts = [120, 27, 3]
  const perSample = labels.map(l => classWeights(counts)[l]!)
  const order = weightedOrder(perSample, 1, 4)
  assert.deepEqual(order, weightedOrder(perSample, 1, 4))
  assert.notDeepEqual(order, weightedOrder(perSample, 1, 5))
  assert.equal(order.length, 150)
  const drawn = [0, 1, 2].map(c => order.filter(s => labels[s] === c).length)
  assert.ok(
    drawn.every(n => Math.abs(n - 50) <= 3),
    `${drawn}`,
  )
  for (let s = 147; s < 150; s++)
    assert.ok(
      [16, 17].includes(order.filter(v => v === s).length),
      '[16, 17].includes(order.filter(v => v === s).length)',
    )
  const seen = new Set(Array.from({ length: 40 }, (_, e) => [...weightedOrder(perSample, 1, e)]).flat())
  assert.equal(seen.size, 150, 'all are seen in time')
  assert.ok(
    [...order.subarray(0, 30)].some(s => labels[s] !== labels[order[0]!]),
    'mixed',
  )
})

test('a sample without weight never comes; without any weight there is no order', () => {
  const order = weightedOrder([0, 1, 0, 1e-300, 1, 0], 3, 0, { count: 500 })
  assert.deepEqual([...new Set(order)].sort(), [1, 4])
  assert.deepEqual([...weightedOrder([1, 1, 1], 3, 0)].sort(), [0, 1, 2])
  assert.throws(() => weightedOrder([0, 0], 1, 1), /got 2 that sum to 0/)
  assert.throws(() => weightedOrder([1, -1, 4], 1, 1), /got -1/)
  assert.throws(() => weightedOrder([1, Number.NaN], 1, 1), /got NaN/)
})

test('advice comes where the largest class has more than 10 pictures for one of the smallest', () => {
  const counts = (...list: number[]) => list.map((count, i) => ({ name: `class ${i}`, count }))
  assert.equal(imbalanceAdvice(counts(10, 100, 0)), undefined)
  assert.equal(imbalanceAdvice([]), undefined)
  const found = imbalanceAdvice(counts(480, 12, 50))!
  assert.deepEqual([found.ratio, found.scheme], [40, 'balanced'])
  assert.equal(
    found.text,
    'classes are uneven: class 0 has 480 pictures, class 1 12 (40 to 1); class weights (balanced) make rare classes count',
  )
  assert.equal(imbalanceAdvice(counts(5, 5000))!.scheme, 'effective')
})
