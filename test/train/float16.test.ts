// float16 training as on GPUs, with libtorch's CPU operators.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { library, optim, tensor } from '../../src/torch/index.ts'
import type { FitProgress, Learner } from '../../src/train/learner.ts'
import { bits, learner } from '../helpers/train.ts'

const [major = 0, minor = 0] = library().version.split('.').map(Number)
const old = (major < 2 || (major === 2 && minor < 3)) && 'libtorch has no float16 on the CPU before 2.3'

describe('the scaling of the loss', { skip: old }, () => {
  test('gradients are divided by it; one that overflows halves it and leaves the step out', () => {
    const scaler = new optim.GradScaler()
    const loss = tensor([0.25])
    assert.equal(scaler.scaled(loss).item(), 0.25 * 2 ** 16)
    const grads = [tensor([2 ** 16, -(2 ** 17)]), tensor([0])]
    assert.ok(scaler.unscale(grads), 'scaler.unscale(grads)')
    assert.deepEqual(grads[0]!.numbers(), [1, -2])
    assert.deepEqual(scaler.state, { scale: 2 ** 16, good: 1 })
    for (const bad of [Number.POSITIVE_INFINITY, Number.NaN]) {
      const { scale } = scaler.state
      assert.ok(!scaler.unscale([tensor([1]), tensor([bad])]), '!scaler.unscale([tensor([1]), tensor([bad])])')
      assert.deepEqual(scaler.state, { scale: scale / 2, good: 0 })
    }
  })

  test('2,000 steps without an overflow double it', () => {
    const scaler = new optim.GradScaler({ scale: 8, good: 1998 })
    scaler.unscale([tensor([1])])
    assert.deepEqual(scaler.state, { scale: 8, good: 1999 })
    scaler.unscale([tensor([1])])
    assert.deepEqual(scaler.state, { scale: 16, good: 0 })
  })
})

describe('training in float16', { skip: old }, () => {
  const half = () => learner({ precision: 'float16' })

  test('learns as float32 does', async () => {
    const [wide, narrow] = [learner(), half()]
    const fit = (learn: Learner) => learn.fit(3, { lr: 1e-2 })
    const [right, made] = [await fit(wide), await fit(narrow)]
    assert.ok(made.at(-1)!.trainLoss < made[0]!.trainLoss, 'made.at(-1)!.trainLoss < made[0]!.trainLoss')
    made.forEach(({ trainLoss }, i) => {
      assert.ok(Math.abs(trainLoss - right[i]!.trainLoss) < 0.05, `${trainLoss}, in float32 ${right[i]!.trainLoss}`)
    })
    assert.notDeepEqual(bits(narrow), bits(wide))
  })

  test('a fit that goes on scales as before', async () => {
    let at: FitProgress | undefined
    const learn = half()
    await learn.fit(1, {
      lr: 1e-3,
      callbacks: [
        {
          afterBatch(_, l) {
            at = l.progress().fit
            return l.step === 3 ? 'stop' : undefined
          },
        },
      ],
    })
    assert.deepEqual(at!.scaler, { scale: 2 ** 16, good: 3 })
    const on = half()
    let seen: FitProgress | undefined
    await on.fit(1, {
      lr: 1e-3,
      from: { ...at!, scaler: { scale: 32, good: 5 } },
      callbacks: [
        {
          afterBatch(_, l) {
            seen = l.progress().fit
            return 'stop'
          },
        },
      ],
    })
    assert.deepEqual(seen!.scaler, { scale: 32, good: 6 })
  })
})
