import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { liveTensors } from '../../src/torch/index.ts'
import { dealFolds } from '../../src/train/linear/out-of-fold.ts'
import { ridgePath } from '../../src/train/linear/ridge.ts'
import { viewProbe } from '../../src/train/linear/view-probe.ts'

const [n, width] = [120, 20]
const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / v.length

/** Noise of [n × width], moved by `at(sample, feature)`. */
function features(seed: number, at: (i: number, f: number) => number): Float32Array {
  const random = rng(seed)
  return Float32Array.from({ length: n * width }, (_, k) => random.normal() + at(Math.floor(k / width), k % width))
}
const classOf = (i: number) => i % 3
const oneHot = Float32Array.from({ length: n * 3 }, (_, k) => (classOf(Math.floor(k / 3)) === k % 3 ? 1 : 0))
const signal = (i: number, f: number) => (f === classOf(i) ? 5 : 0)
const fold = dealFolds(
  Int32Array.from({ length: n }, (_, i) => classOf(i)),
  n,
  { folds: 5, seed: 1, task: 'single' },
)
const single = { answers: oneHot, task: 'single' as const, fold }

test('views of the same kind can not be told apart and are recognised alike', () => {
  const probe = viewProbe(features(1, signal), single)
  const judged = probe.judge(features(2, signal))
  for (const scores of [judged.plain, judged.changed, judged.learntPlain, judged.learntChanged])
    assert.ok(mean(scores) > 0.95, `${mean(scores)}`)
  assert.ok(Math.abs(mean(judged.told) - 0.5) < 0.1, `told ${mean(judged.told)}`)
  assert.ok(
    judged.told.every(v => v === 0 || v === 0.5 || v === 1),
    'judged.told.every(v => v === 0 || v === 0.5 || v === 1)',
  )
  probe.close()
})

test('a change that shows, and one that swaps classes', () => {
  const probe = viewProbe(features(1, signal), single)
  const shown = probe.judge(features(2, (i, f) => signal(i, f) + (f === 10 ? 6 : 0)))
  assert.ok(mean(shown.told) > 0.95, 'mean(shown.told) > 0.95')
  assert.ok(mean(shown.learntChanged) > 0.95, 'mean(shown.learntChanged) > 0.95')
  const swapped = probe.judge(features(3, (i, f) => (f === [1, 0, 2][classOf(i)] ? 5 : 0)))
  assert.ok(Math.abs(mean(swapped.changed) - 1 / 3) < 0.05, `only the third class is left: ${mean(swapped.changed)}`)
  assert.ok(mean(swapped.told) < 0.6, 'the pictures are of the same kinds')
  assert.ok(mean(swapped.learntPlain) < 0.85, 'what is learnt from both contradicts itself')
  probe.close()
})

test('it is ridge regression with a free bias, as the closed form over features gives it', async () => {
  const targets = Float32Array.from({ length: n }, (_, i) => Math.sin(i) * 3 + 7)
  const x = features(4, (i, f) => (f < 3 ? targets[i]! * (f + 1) : 0))
  const probe = viewProbe(x, { answers: targets, task: 'regression', fold })
  const { plain } = probe.judge(features(5, () => 0))
  probe.close()
  // Standardized as in the probe: over all pictures; constant features stay small.
  const column = (f: number) => Float64Array.from({ length: n }, (_, i) => x[i * width + f]!)
  const centres = Array.from({ length: width }, (_, f) => mean(column(f)))
  const spreads = centres.map((m, f) => Math.sqrt((mean(column(f).map(v => (v - m) ** 2)) * n) / (n - 1)))
  const floor = 0.01 * mean(Float64Array.from(spreads)) + 1e-6
  const z = x.map((v, k) => (v - centres[k % width]!) / (spreads[k % width]! + floor))
  const all = mean(Float64Array.from(targets))
  const variance = mean(Float64Array.from(targets, v => (v - all) ** 2))
  for (const k of [0, 3]) {
    const rest = Array.from(fold.keys()).filter(i => fold[i] !== k)
    const rows = (of: number[]) => Float32Array.from(of.flatMap(i => [...z.subarray(i * width, (i + 1) * width)]))
    const data = { x: rows(rest), y: Float32Array.from(rest, i => targets[i]!) }
    const [model] = await ridgePath(data, 1, [(0.3 * width) / rest.length])
    for (const i of Array.from(fold.keys()).filter(i => fold[i] === k)) {
      const told = rows([i]).reduce((sum, v, f) => sum + v * model!.weight[f]!, model!.bias[0]!)
      assert.ok(Math.abs(plain[i]! - (1 - (told - targets[i]!) ** 2 / variance)) < 1e-4, `sample ${i}`)
    }
  }
})

test('several labels count as their balanced accuracy; those that say nothing are left out', () => {
  // The first label is in a quarter of the pictures, the second in all but one.
  const labels = Float32Array.from({ length: n * 2 }, (_, k) => (k % 2 === 0 ? Number(k % 8 === 0) : Number(k !== 1)))
  const has = (i: number) => i % 4 === 0
  const probe = viewProbe(
    features(6, (i, f) => (f === 0 && has(i) ? 8 : 0)),
    { answers: labels, task: 'multi', fold },
  )
  const judged = probe.judge(features(7, () => 0))
  assert.ok(mean(judged.plain) > 0.95, `${mean(judged.plain)}`)
  assert.ok(Math.abs(mean(judged.changed) - 0.5) < 0.1, `without the sign it is a guess: ${mean(judged.changed)}`)
  probe.close()
})

test('memory comes back', () => {
  const before = liveTensors()
  const probe = viewProbe(features(1, signal), single)
  const kept = liveTensors()
  probe.judge(features(2, signal))
  assert.equal(liveTensors(), kept)
  probe.close()
  assert.equal(liveTensors(), before)
})
