import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Advice, advise, type EpochLosses, smoothingLoss } from '../../src/train/advise.ts'

const epochs = (...pairs: [trainLoss: number, validLoss: number][]): EpochLosses[] =>
  pairs.map(([trainLoss, validLoss]) => ({ trainLoss, validLoss }))

const verdict = ({ grow, overfits, stalled }: Advice) =>
  Object.entries({ grow, overfits, stalled })
    .flatMap(([name, holds]) => (holds ? [name] : []))
    .join() || 'go on'

test('it overfits when a whole cycle does not improve validation while the training loss falls', () => {
  const before = epochs([0.6, 0.5], [0.4, 0.42])
  const advice = advise(epochs([0.3, 0.45], [0.2, 0.43]), before)
  assert.equal(verdict(advice), 'overfits')
  assert.equal(
    advice.reason,
    'the validation loss did not improve in 2 epochs (0.4300, best 0.4200) while the training loss fell from 0.4000 to 0.2000',
  )
  assert.equal(
    verdict(advise(epochs([0.3, 0.41], [0.2, 0.5]), before)),
    'go on',
    'one better epoch of the cycle is enough',
  )
  assert.equal(verdict(advise(epochs([0.3, 0.42], [0.2, 0.42]), before)), 'overfits', 'equal is not better')
})

test('the best epoch may lie far back', () => {
  assert.equal(verdict(advise(epochs([0.2, 0.41]), epochs([0.6, 0.4], [0.3, 0.45]))), 'overfits')
})

test('it stalls when neither loss falls, or one is no number', () => {
  assert.equal(verdict(advise(epochs([0.5, 0.5], [0.5, 0.5]), epochs([0.4, 0.42]))), 'stalled')
  const advice = advise(epochs([Number.NaN, 0.5]))
  assert.equal(verdict(advice), 'stalled')
  assert.match(advice.reason, /training NaN, validation 0.5000.*lower the rate/)
})

test('it asks for a longer cycle where the training loss stays above', () => {
  const advice = advise(epochs([0.9, 0.5], [0.7, 0.4]), epochs([1, 0.6]))
  assert.equal(verdict(advice), 'grow')
  assert.equal(
    advice.reason,
    'the training loss stays above the validation loss (0.7000 against 0.4000): it still underfits',
  )
  assert.equal(verdict(advise(epochs([0.9, 0.5], [0.3, 0.4]), epochs([1, 0.6]))), 'go on')
})

test('a first cycle has nothing to be judged by but itself', () => {
  assert.equal(verdict(advise(epochs([0.3, 0.5], [0.2, 0.6]))), 'go on')
  assert.equal(verdict(advise([])), 'go on')
})

test('within the tolerance an improvement does not count', () => {
  const before = epochs([0.4, 0.4])
  assert.equal(verdict(advise(epochs([0.3, 0.3999]), before)), 'go on')
  assert.equal(verdict(advise(epochs([0.3, 0.3999]), before, { tolerance: 0.001 })), 'overfits')
})

test('the part of label smoothing in the training loss is no underfitting', () => {
  const smoothing = smoothingLoss(0.1, { task: 'single', classes: 10 })
  assert.ok(Math.abs(smoothing - 0.50029) < 1e-4, `${smoothing}`)
  const cycle = epochs([0.8, 0.4], [0.7, 0.35])
  assert.equal(verdict(advise(cycle)), 'grow')
  const advice = advise(cycle, [], { smoothing })
  assert.equal(verdict(advice), 'go on')
  const under = advise(epochs([1.2, 0.4]), [], { smoothing })
  assert.equal(verdict(under), 'grow')
  assert.match(under.reason, /0\.6997 against 0\.4000, without the 0\.5003 of label smoothing/)
  // A smoothed label is 0.95 or 0.05; a target value is not smoothed.
  assert.ok(Math.abs(smoothingLoss(0.1, { task: 'multi', classes: 4 }) - 0.19852) < 1e-4, 'of one label')
  assert.equal(smoothingLoss(0.1, { task: 'regression', classes: 1 }), 0)
  assert.equal(smoothingLoss(0, { task: 'single', classes: 3 }), 0)
})
