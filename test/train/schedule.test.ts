import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cosineRestarts, cycleEnds, cycleEpochs } from '../../src/train/rates/restarts.ts'
import {
  constant,
  cosine,
  exponential,
  linear,
  oneCycle,
  oneCycleMomentum,
  sequence,
} from '../../src/train/rates/schedule.ts'

type Recorded = { lr: number[]; mom: number[] }
const golden = JSON.parse(readFileSync(new URL('../golden/schedules.json', import.meta.url), 'utf8')) as {
  oneCycle: Recorded
  fineTune: Recorded
  sgdr: Record<string, number[]>
  cosAnneal: Record<string, number[]>
  sumGeom: [cycles: number, cycleLen: number, cycleMult: number, epochs: number][]
}

const close = (actual: number, expected: number, tolerance: number, message: string) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${message}: got ${actual}, expected ${expected}`)

test('the simple schedules at their ends and middle', () => {
  assert.deepEqual([0, 0.5, 1].map(linear(1, 3)), [1, 2, 3])
  assert.deepEqual([0, 0.5, 1].map(cosine(4, 2)), [4, 3, 2])
  assert.equal(constant(0.1)(0.7), 0.1)
  for (const [t, value] of [
    [0, 1e-7],
    [0.5, 1e-3],
    [1, 10],
  ] as const)
    close(exponential(1e-7, 10)(t), value, 1e-9, `${t}`)
})

test('a sequence begins the next part at a joint, whatever the rounding of the shares', () => {
  const saw = sequence([0.1, linear(1, 0)], [0.2, linear(2, 0)], [0.7, linear(3, 0)])
  assert.equal(saw(0.1), 2)
  assert.equal(saw(0.3), 3) // 0.1 + 0.2 is more than 0.3
  close(saw(0.2), 1, 1e-12, 'middle of the second')
  assert.equal(saw(1), 0)
  assert.throws(() => sequence([0.5, constant(1)], [0.6, constant(1)]), /shares 0.5, 0.6 with sum 1.1/)
  assert.throws(() => sequence([-0.5, constant(1)], [1.5, constant(1)]), /at least 0/)
})

test('one-cycle rates and momenta are those of fastai 2.8, batch by batch', () => {
  const cases = [
    { recorded: golden.oneCycle, lr: oneCycle(1e-2), momentum: oneCycleMomentum() },
    {
      recorded: golden.fineTune,
      lr: oneCycle(3e-3, { warmup: 0.3, div: 5 }),
      momentum: oneCycleMomentum({ warmup: 0.3, high: 0.9, low: 0.8, final: 0.7 }),
    },
  ]
  for (const { recorded, lr, momentum } of cases) {
    assert.ok(recorded.lr.length >= 20, `recorded.lr.length >= 20, got ${recorded.lr.length}`)
    for (const [i, v] of recorded.lr.entries()) close(lr(i / recorded.lr.length), v, 1e-8, `rate of step ${i}`)
    for (const [i, v] of recorded.mom.entries())
      close(momentum(i / recorded.mom.length), v, 1e-6, `momentum of step ${i}`)
  }
})

test('cycles take as many epochs as in fastai 0.7', () => {
  assert.ok(golden.sumGeom.length >= 40, `golden.sumGeom.length >= 40, got ${golden.sumGeom.length}`)
  for (const [cycles, cycleLen, cycleMult, epochs] of golden.sumGeom)
    assert.equal(cycleEpochs({ cycles, cycleLen, cycleMult }), epochs, `${cycles} ${cycleLen} ${cycleMult}`)
  assert.equal(cycleEpochs({ cycles: 3 }), 3)
  assert.equal(cycleEpochs({ cycles: 3, cycleLen: 1, cycleMult: 2 }), 7)
})

test('warm restarts with the warm-up are those of fastai 0.7', () => {
  for (const [key, expected] of Object.entries(golden.cosAnneal)) {
    const [stepsPerEpoch = 0, cycleMult = 0, cycles = 0] = key.split(' ').map(Number)
    const restarts = { cycles, cycleMult, stepsPerEpoch, warmUp: true }
    assert.equal(cycleEnds(restarts).at(-1), expected.length, key)
    const schedule = cosineRestarts(1, restarts)
    for (const [i, v] of expected.entries()) close(schedule(i / expected.length), v, 1e-10, `${key}, step ${i}`)
  }
  // The numbers of the notes on fastai 0.7: 40 steps in the first cycle, cycleMult 2.
  const notes = cosineRestarts(1, { cycles: 3, cycleMult: 2, stepsPerEpoch: 40, warmUp: true })
  for (const [step, value] of [
    [0, 0.01],
    [1, 0.01],
    [2, 0.9938],
    [39, 0.00154],
    [40, 1],
    [41, 0.99961],
    [119, 0.000385],
    [120, 1],
  ] as const)
    close(notes(step / 280), value, 5e-5, `step ${step}`)
})

test('warm restarts without it are fit_sgdr of fastai 2.8', () => {
  let late = 0
  for (const [key, expected] of Object.entries(golden.sgdr)) {
    const [cycleLen = 0, cycles = 0, cycleMult = 0] = key.split(' ').map(Number)
    const restarts = { cycles, cycleLen, cycleMult, stepsPerEpoch: 10 }
    const ends = cycleEnds(restarts)
    assert.equal(ends.at(-1), expected.length)
    const schedule = cosineRestarts(1e-2, restarts)
    // fastai compares float32 shares, so some of its restarts are one step late, with a learning rate of 0.
    for (const [i, v] of expected.entries())
      if (ends.includes(i) && v < 1e-9) late++
      else close(schedule(i / expected.length), v, 1e-8, `${key}, step ${i}`)
  }
  assert.equal(late, 1)
})

test('a restart never comes late, at any length', () => {
  for (let stepsPerEpoch = 1; stepsPerEpoch <= 300; stepsPerEpoch++) {
    const restarts = { cycles: 3, cycleMult: 2, stepsPerEpoch }
    const [first = 0, second = 0, total = 0] = cycleEnds(restarts)
    const schedule = cosineRestarts(0.5, restarts)
    assert.deepEqual(
      [0, first, second].map(step => schedule(step / total)),
      [0.5, 0.5, 0.5],
      `${stepsPerEpoch}`,
    )
  }
})

test('fractional lengths and multipliers: cycles end within epochs, the run at the end of one', () => {
  assert.deepEqual(cycleEnds({ cycles: 3, cycleLen: 1, cycleMult: 1.5, stepsPerEpoch: 10 }), [10, 25, 50])
  assert.deepEqual(cycleEnds({ cycles: 2, cycleLen: 0.5, cycleMult: 1, stepsPerEpoch: 7 }), [4, 7])
  const schedule = cosineRestarts(1, { cycles: 3, cycleLen: 1, cycleMult: 1.5, stepsPerEpoch: 10 })
  assert.equal(schedule(25 / 50), 1)
  assert.ok(schedule(49 / 50) < 0.005, 'schedule(49 / 50) < 0.005')
  assert.equal(schedule(1), 0)
})

test('impossible cycles are refused with what was given', () => {
  const steps = { stepsPerEpoch: 10 }
  assert.throws(() => cosineRestarts(1, { cycles: 0, ...steps }), /cycles: got 0; expected a whole number/)
  assert.throws(
    () => cosineRestarts(1, { cycles: 2, cycleMult: 0.5, ...steps }),
    /cycleMult: got 0.5; expected at least 1/,
  )
  assert.throws(() => cosineRestarts(1, { cycles: 2, cycleLen: Number.NaN, ...steps }), /cycleLen: got NaN/)
  assert.throws(() => cosineRestarts(1, { cycles: 9, cycleLen: 0.05, ...steps }), /without a step/)
  assert.throws(() => cosineRestarts(1, { cycles: 1, stepsPerEpoch: 0 }), /without a step/)
})
