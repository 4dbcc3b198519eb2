import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evaluation } from '../../src/train/evaluate.ts'
import { objective } from '../../src/train/objective.ts'
import { pooled } from '../../src/train/pooled.ts'

const evaluation = (probabilities: number[], targets: Evaluation['targets'], losses: number[]): Evaluation => ({
  loss: Number.NaN,
  score: Number.NaN,
  accuracy: Number.NaN,
  metrics: {},
  probabilities: Float32Array.from(probabilities),
  logits: Float32Array.from(probabilities, Math.log),
  losses: Float32Array.from(losses),
  targets,
})
const near = (found: ArrayLike<number>, expected: readonly number[]) =>
  assert.ok(
    found.length === expected.length && expected.every((v, i) => Math.abs(found[i]! - v) < 1e-6),
    `${Array.from(found)}, expected ${expected}`,
  )

test('the prediction of a sample is the mean of its rows, and metrics count samples', () => {
  // A recording of three windows that two of them get wrong, and one of a single window.
  const rows = evaluation([0.9, 0.1, 0.4, 0.6, 0.45, 0.55, 0.2, 0.8], Int32Array.of(0, 0, 0, 1), [0.1, 0.9, 0.8, 0.2])
  const found = pooled(rows, { parts: Uint32Array.of(0, 0, 0, 1) }, objective('single', ['a', 'b']))
  near(found.probabilities, [1.75 / 3, 1.25 / 3, 0.2, 0.8])
  assert.deepEqual(found.targets, Int32Array.of(0, 1))
  near(found.losses, [-Math.log(1.75 / 3), -Math.log(0.8)])
  near([found.metrics.accuracy!, found.score, found.accuracy], [1, 1, 1])
  near([found.loss], [-(Math.log(1.75 / 3) + Math.log(0.8)) / 2])
})

test('several labels have a row of targets for each sample; parts need not lie together', () => {
  const rows = evaluation([0.8, 0.2, 0.6, 0.6, 0.2, 0.4], Float32Array.of(1, 0, 0, 1, 1, 0), [1, 2, 3])
  const found = pooled(rows, { parts: Uint32Array.of(0, 1, 0) }, objective('multi', ['a', 'b']))
  near(found.probabilities, [0.5, 0.3, 0.6, 0.6])
  near(found.targets, [1, 0, 0, 1])
  near(found.losses, [-(Math.log(0.5) + Math.log(0.7)) / 2, -(Math.log(0.4) + Math.log(0.6)) / 2])
})

test('numbers stay in double precision', () => {
  const rows = {
    ...evaluation([1, 2], Float64Array.of(16777217, 16777217), [0, 0]),
    probabilities: Float64Array.of(16777216, 16777218),
  }
  const found = pooled(rows, { parts: Uint32Array.of(0, 0) }, objective('regression', ['x']))
  assert.ok(found.probabilities instanceof Float64Array, 'float64')
  near(found.probabilities, [16777217])
})

test('without parts nothing changes', () => {
  const rows = evaluation([0.5, 0.5], Int32Array.of(0), [0.7])
  assert.equal(pooled(rows, {}, objective('single', ['a', 'b'])), rows)
})

test('the loss of a sample is that of its mean prediction, not the mean of the losses of its rows', () => {
  const rows = evaluation([0.9, 0.1, 0.5, 0.5], Int32Array.of(0, 0), [-Math.log(0.9), -Math.log(0.5)])
  near(pooled(rows, { parts: Uint32Array.of(0, 0) }, objective('single', ['a', 'b'])).losses, [-Math.log(0.7)])
})
