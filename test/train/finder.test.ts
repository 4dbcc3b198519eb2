import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aten, liveTensors } from '../../src/torch/index.ts'
import type { Learner } from '../../src/train/learner.ts'
import { lrFind } from '../../src/train/rates/finder.ts'
import type { Source } from '../../src/train/source.ts'
import { Stopped } from '../../src/train/stop.ts'
import { bits, learner, source } from '../helpers/train.ts'

/** Everything that a later step depends on. */
function stateOf(learn: Learner) {
  return {
    weights: bits(learn),
    random: Buffer.from(learn.randomState().data() as Uint8Array).toString('hex'),
    epoch: learn.epoch,
    step: learn.step,
    frozen: [...learn.frozen],
    gradients: learn.network.net.parameters().map(p => p.grad !== null),
    optimizer: Array.from(learn.optimizerTensors(), ([name, t]) => [name, Array.from(t.data() as Float32Array)]),
  }
}

/** A learner in the middle of training: with the state of an optimizer, and partly frozen. */
async function trained(): Promise<Learner> {
  const learn = learner()
  await learn.fit(1, { lr: 1e-3 })
  learn.freezeTo(1)
  await learn.fit(1, { lr: 1e-3 })
  return learn
}

test('the finder leaves everything bit by bit as it was', async () => {
  const learn = await trained()
  const before = stateOf(learn)
  const found = await lrFind(learn, { steps: 30 })
  assert.ok(found.losses.length > 5, `found.losses.length > 5, got ${found.losses.length}`)
  assert.deepEqual(stateOf(learn), before)
})

test('training after it goes as if it had not been there', async () => {
  const run = async (find: boolean) => {
    const learn = await trained()
    if (find) await lrFind(learn, { steps: 20 })
    await learn.fit(1, { lr: 1e-3 })
    return bits(learn)
  }
  assert.deepEqual(await run(true), await run(false))
})

for (const at of ['the data', 'backward', 'a callback'] as const)
  test(`the same after an exception from ${at}`, async () => {
    const learn = await trained()
    const before = stateOf(learn)
    const given = learn.train
    let calls = 0
    let onStep: (() => void) | undefined
    const fails = () => {
      if (++calls === 4) throw new Error('made to fail')
    }
    if (at === 'a callback') onStep = fails
    if (at === 'the data')
      learn.train = {
        count: given.count,
        batch(samples, epoch) {
          fails()
          return given.batch(samples, epoch)
        },
      }
    if (at === 'backward') {
      const loss = learn.loss.bind(learn)
      learn.loss = (logits, y) => {
        const value = loss(logits, y)
        value.backward({ retainGraph: true }) // so that there are gradients when it fails
        fails()
        return value
      }
    }
    const alive = liveTensors()
    await assert.rejects(lrFind(learn, { steps: 20, ...(onStep ? { onStep } : {}) }), /made to fail/)
    learn.train = given
    assert.deepEqual(stateOf(learn), before)
    globalThis.gc?.()
    assert.ok(liveTensors() - alive < 60, 'no activations are left') // the finder's optimizer is freed later, by the garbage collector
  })

test('the same after a signal', async () => {
  const learn = await trained()
  const before = stateOf(learn)
  const stop = new AbortController()
  const steps: number[] = []
  await assert.rejects(
    lrFind(learn, {
      signal: stop.signal,
      onStep(step) {
        steps.push(step)
        if (step === 5) stop.abort()
      },
    }),
    Stopped,
  )
  assert.deepEqual(steps, [1, 2, 3, 4, 5])
  assert.deepEqual(stateOf(learn), before)
})

test('rates rise evenly on a logarithmic scale, from start to end', async () => {
  const { lrs, losses, smoothed, stopped } = await lrFind(learner(), { start: 1e-6, end: 1e-3, steps: 31 })
  assert.deepEqual([lrs.length, losses.length, smoothed.length, stopped], [31, 31, 31, undefined])
  for (const [i, lr] of lrs.entries())
    assert.ok(Math.abs(Math.log10(lr) - (-6 + i / 10)) < 1e-9, 'Math.abs(Math.log10(lr) - (-6 + i / 10)) < 1e-9')
  // fastai's smoothing: the exponential mean with β = 0.98, corrected for its bias towards 0.
  let mean = 0
  for (const [i, loss] of losses.entries()) {
    mean = 0.98 * mean + 0.02 * loss
    assert.ok(
      Math.abs(smoothed[i]! - mean / (1 - 0.98 ** (i + 1))) < 1e-9,
      'Math.abs(smoothed[i]! - mean / (1 - 0.98 ** (i + 1))) < 1e-9',
    )
  }
})

test('it stops where the loss diverges, and the curve ends there', async () => {
  const { lrs, losses, smoothed, stopped, suggestion } = await lrFind(learner({ optimizer: 'sgd' }), { end: 1e6 })
  assert.equal(stopped, 'diverged')
  assert.ok(lrs.length < 100, `lrs.length < 100, got ${lrs.length}`)
  assert.equal(losses.length, lrs.length)
  const best = Math.min(...smoothed.slice(0, -1))
  assert.ok(!(smoothed.at(-1)! <= 4 * best), '!(smoothed.at(-1)! <= 4 * best)')
  assert.ok(
    smoothed.slice(0, -1).every(v => v <= 4 * best),
    'smoothed.slice(0, -1).every(v => v <= 4 * best)',
  )
  assert.ok(suggestion > 0 && suggestion < lrs.at(-1)!, 'suggestion > 0 && suggestion < lrs.at(-1)!')
})

/** A source that gives NaN after some batches. */
function spoilt(after: number): Source {
  const whole = source(45)
  let batches = 0
  return {
    count: 45,
    batch(samples, epoch) {
      const { x, y } = whole.batch(samples, epoch)
      return { x: batches++ >= after ? aten.mul(x, Number.NaN) : x, y }
    },
  }
}

test('a short run, and one without any number, still give rates', async () => {
  for (const steps of [2, 3, 4, 5, 6]) {
    const { suggestion, suggestions, lrs } = await lrFind(learner(), { steps })
    assert.ok(lrs.length >= 2, `lrs.length >= 2, got ${lrs.length}`)
    for (const rate of [suggestion, ...Object.values(suggestions)])
      assert.ok(rate > 0 && Number.isFinite(rate), 'rate > 0 && Number.isFinite(rate)')
  }
  for (const after of [0, 1, 3, 10]) {
    const { suggestion, suggestions, stopped, losses } = await lrFind(learner({ train: spoilt(after) }))
    assert.equal(stopped, 'diverged')
    assert.equal(losses.length, after + 1)
    for (const rate of [suggestion, ...Object.values(suggestions)])
      assert.ok(rate > 0 && Number.isFinite(rate), 'rate > 0 && Number.isFinite(rate)')
  }
})

test('frozen groups do not move in a sweep, and shares hold back the earlier ones', async () => {
  const seen: number[][] = []
  const learn = learner()
  learn.freeze()
  const step = learn.trainStep.bind(learn)
  learn.trainStep = (samples, epoch, optimizer) => {
    seen.push(optimizer.groups.map(g => g.lr))
    return step(samples, epoch, optimizer)
  }
  await lrFind(learn, { steps: 8 })
  assert.ok(
    seen.every(lrs => lrs.length === 1),
    'seen.every(lrs => lrs.length === 1)',
  )
  seen.length = 0
  learn.unfreeze()
  const { lrs } = await lrFind(learn, { steps: 8, shares: [0.01, 0.1, 1] })
  for (const [i, [early, late, head]] of seen.entries()) {
    assert.ok(Math.abs(early! / lrs[i]! - 0.01) < 1e-12, 'Math.abs(early! / lrs[i]! - 0.01) < 1e-12')
    assert.ok(Math.abs(late! / lrs[i]! - 0.1) < 1e-12, 'Math.abs(late! / lrs[i]! - 0.1) < 1e-12')
    assert.equal(head, lrs[i])
  }
})

test('impossible settings are refused before a step', async () => {
  const learn = learner()
  const before = stateOf(learn)
  for (const options of [
    { start: 0 },
    { start: -1 },
    { start: 1, end: 1 },
    { start: Number.NaN },
    { end: Number.POSITIVE_INFINITY },
    { steps: Number.NaN },
    { steps: 0 },
  ])
    await assert.rejects(lrFind(learn, options), /lrFind: expected/, JSON.stringify(options))
  assert.deepEqual(stateOf(learn), before)
})
