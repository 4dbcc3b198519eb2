import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { rng } from '../../src/base/random.ts'
import { aten, F, fromArray, optim, type Tensor } from '../../src/torch/index.ts'
import type { LearnerOptions } from '../../src/train/learner.ts'
import { objective } from '../../src/train/objective.ts'
import { withLoss } from '../../src/train/own-loss.ts'
import { lrFind } from '../../src/train/rates/finder.ts'
import { linear, oneCycle, oneCycleMomentum, type Schedule, sequence } from '../../src/train/rates/schedule.ts'
import { bits, classes, learner } from '../helpers/train.ts'

/** The bits of the weights after a fit of one epoch. */
async function trained(options: Partial<LearnerOptions>, fit: Parameters<ReturnType<typeof learner>['fit']>[1] = {}) {
  const learn = learner(options)
  await learn.fit(2, { lr: 0.01, ...fit })
  return bits(learn)
}

describe('a schedule of your own', () => {
  const triangle: Schedule = sequence([0.5, linear(0, 1)], [0.5, linear(1, 0)])

  test("is asked for the rate of each batch, as a factor of each group's", async () => {
    const seen: number[][] = []
    await learner().fit(2, {
      lr: [1e-4, 1e-3, 1e-2],
      schedule: triangle,
      callbacks: [{ afterBatch: i => void seen.push(i.lrs) }],
    })
    assert.equal(seen.length, 12)
    for (const [i, lrs] of seen.entries())
      for (const [g, base] of [1e-4, 1e-3, 1e-2].entries())
        assert.ok(Math.abs(lrs[g]! - base * triangle(i / 12)) < 1e-12, `${lrs}`)
  })

  test('with its momentum: the one cycle by hand is the one by name, bit for bit', async () => {
    const byHand = { lr: oneCycle(1), momentum: oneCycleMomentum() }
    assert.deepEqual(await trained({}, { schedule: byHand }), await trained({}, { schedule: 'one-cycle' }))
    assert.notDeepEqual(await trained({}, { schedule: byHand.lr }), await trained({}, { schedule: 'one-cycle' }))
  })

  test('a constant function is the constant', async () => {
    assert.deepEqual(await trained({}, { schedule: () => 1 }), await trained({}, { schedule: 'constant' }))
  })

  test('values that are no rates, and names that are not known, are refused', async () => {
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY, undefined])
      await assert.rejects(
        trained({}, { schedule: () => value as number }),
        /the rate at progress 0.* must be a number from 0/,
      )
    await assert.rejects(
      trained({}, { schedule: { lr: () => 1, momentum: () => Number.NaN } }),
      /the momentum at progress/,
    )
    await assert.rejects(
      trained({}, { schedule: 'cosin' as 'cosine' }),
      /expected cosine, one-cycle, coslog4, constant, a function.*Did you mean "cosine"/,
    )
    await assert.rejects(trained({}, { schedule: {} as never }), /got \{\}/)
  })
})

describe('an optimizer of your own', () => {
  /** Plain gradient descent. */
  const descent = (groups: readonly optim.GroupOptions[]) =>
    optim.optimizer(groups, { lr: 1e-3, momentum: 0, weightDecay: 0 }, [], ({ group, params, grads }) => {
      aten._foreach_add_(params, grads, { alpha: -group.lr })
    })

  test('is given the groups with their rates and decay', async () => {
    let given: readonly optim.GroupOptions[] = []
    const optimizer = (groups: readonly optim.GroupOptions[]) => optim.sgd((given = groups))
    await trained({ optimizer, weightDecay: 0.3 }, { lr: [1e-4, 1e-3, 1e-2] })
    assert.deepEqual(
      given.map(g => [g.lr, g.weightDecay]),
      [1e-4, 1e-3, 1e-2].flatMap(lr => [
        [lr, 0.3],
        [lr, 0],
      ]),
    )
  })

  test('by one rule, with state: as the built-in one it copies, going on from a state too', async () => {
    const momentum = (groups: readonly optim.GroupOptions[]) =>
      optim.optimizer(
        groups,
        { lr: 1e-3, momentum: 0.9, weightDecay: 0 },
        ['velocity'],
        ({ group, params, grads, slots }) => {
          aten._foreach_mul_(slots.velocity!, group.momentum)
          aten._foreach_add_(slots.velocity!, grads, { alpha: 1 })
          aten._foreach_add_(params, slots.velocity!, { alpha: -group.lr })
        },
      )
    const options = { optimizer: momentum, weightDecay: 0 }
    const whole = await trained(options)
    const theirs = await trained({ optimizer: 'sgd', weightDecay: 0 })
    const far = [...whole].filter(([name, hex]) => {
      const numbers = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, 'hex')).buffer)
      const other = numbers(theirs.get(name)!)
      return !name.endsWith('tracked') && numbers(hex).some((v, i) => Math.abs(v - other[i]!) > 1e-5)
    })
    assert.deepEqual(far, [])
    const learn = learner(options)
    let state: ReturnType<typeof learn.state> | undefined
    await learn.fit(2, { lr: 0.01, callbacks: [{ afterBatch: (i, l) => void (i.step === 5 && (state = l.state())) }] })
    const on = learner(options)
    on.loadState(state!)
    await on.fit(2, { lr: 0.01 })
    assert.deepEqual(bits(on), whole)
    assert.notDeepEqual(await trained({ optimizer: descent }), whole)
  })

  test('the rate finder takes it', async () => {
    let made = 0
    const optimizer = (groups: readonly optim.GroupOptions[]) => {
      made++
      return descent(groups)
    }
    await lrFind(learner({ optimizer }), { steps: 6 })
    assert.equal(made, 1)
  })

  test('what is no optimizer is refused', async () => {
    await assert.rejects(
      trained({ optimizer: 'rmsprop' as 'adam' }),
      /expected adamw, adam, sgd or a function.*got "rmsprop"/,
    )
    await assert.rejects(trained({ optimizer: 'adamW' as 'adamw' }), /Did you mean "adamw"/)
    await assert.rejects(
      trained({ optimizer: () => ({}) as never }),
      /without step, without zeroGrad, without state, without loadState/,
    )
    await assert.rejects(
      trained({ optimizer: groups => ({ ...descent(groups), groups: [] }) }),
      /got 6 groups and returned 0 groups/,
    )
  })
})

describe('metrics of your own', () => {
  const worst = (outputs: ArrayLike<number>) => Math.min(...Array.from(outputs))

  test("stand beside the task's in epochs and validation, of the whole set", async () => {
    let columns = 0
    const metrics = {
      worst,
      right: {
        better: 'higher' as const,
        of: (outputs: ArrayLike<number>, targets: ArrayLike<number>, n: number) => {
          columns = n
          const rows = Array.from({ length: targets.length }, (_, i) =>
            Array.from({ length: n }, (_, c) => outputs[i * n + c]!),
          )
          return rows.filter((row, i) => row.indexOf(Math.max(...row)) === targets[i]).length / rows.length
        },
      },
    }
    const learn = learner({ metrics })
    const [epoch] = await learn.fit(1)
    const found = await learn.validate()
    assert.equal(columns, 3)
    assert.equal(epoch!.metrics.right, epoch!.accuracy)
    assert.equal(found.metrics.worst, worst(found.probabilities))
    assert.deepEqual(Object.keys(epoch!.metrics), ['accuracy', 'worst', 'right'])
  })

  test('names that are taken, and what gives no number, are refused', async () => {
    for (const name of ['accuracy', 'loss'])
      assert.throws(() => learner({ metrics: { [name]: worst } }), /already; give yours another name/)
    assert.throws(() => learner({ metrics: { x: 3 as never } }), /neither a function nor \{ of: function/)
    await assert.rejects(
      learner({ metrics: { x: () => 'much' as never } }).validate(),
      /x must give a number, got much/,
    )
    assert.ok(
      Number.isNaN((await learner({ metrics: { x: () => Number.NaN } }).validate()).metrics.x),
      'NaN: undefined here',
    )
  })
})

describe('a loss of your own', () => {
  const x = fromArray(Float32Array.from([2, -1, 0.5, 0, 1, -2]), [2, 3])
  const y = fromArray(BigInt64Array.of(0n, 2n), [2])

  test('cross-entropy by hand is the usual one, in training and in what is reported', async () => {
    const loss = (x: Tensor, y: Tensor, options: object) => F.crossEntropy(x, y, options)
    for (const more of [{}, { labelSmoothing: 0.2 }, { classWeights: [1, 2, 3] }]) {
      const [own, usual] = [learner({ loss, ...more }), learner(more)]
      own.seed()
      const mine = await own.fit(1)
      usual.seed()
      const theirs = await usual.fit(1)
      assert.deepEqual(bits(own), bits(usual))
      assert.deepEqual([mine[0]!.trainLoss, mine[0]!.validLoss], [theirs[0]!.trainLoss, theirs[0]!.validLoss])
    }
  })

  test('one that gives one number is asked sample by sample where losses of samples are wanted', () => {
    const mean = withLoss(objective('single', classes), (x, y) => F.crossEntropy(x, y))
    const each = F.crossEntropy(x, y, { reduction: 'none' }).numbers()
    const got = mean.plainLoss(x, y, { reduction: 'none' }).numbers()
    assert.equal(got.length, 2)
    got.forEach((v, i) => {
      assert.ok(Math.abs(v - each[i]!) < 1e-6, `${got} beside ${each}`)
    })
  })

  test('another loss gives other weights, and is the one that validation reports', async () => {
    const half = (x: Tensor, y: Tensor, { reduction }: { reduction: F.Reduction }) =>
      F.crossEntropy(x, y, { reduction }).mul(0.5)
    const [own, usual] = [learner({ loss: half }), learner()]
    const [a, b] = [await own.validate(), await usual.validate()]
    assert.ok(Math.abs(a.loss - b.loss / 2) < 1e-6, `${a.loss}, ${b.loss}`)
    assert.notDeepEqual(await trained({ loss: half }, {}), await trained({}, {}))
  })

  test('one that gives several numbers to learn by is refused', async () => {
    const rows = (x: Tensor, y: Tensor) => F.crossEntropy(x, y, { reduction: 'none' })
    await assert.rejects(trained({ loss: rows }), /must be one number, got \[8\] of outputs \[8,3\]; take its mean/)
  })
})

describe('batch transforms', () => {
  test('run in training alone, in their order, with the same random numbers for the same batch', async () => {
    const drawn: number[] = []
    const noise = (x: Tensor, { random }: { random: ReturnType<typeof rng> }) => {
      const value = random.uniform()
      drawn.push(value)
      return x.add(value)
    }
    const options = { batchTransforms: [noise, (x: Tensor) => x.mul(0.5)] }
    const first = await trained(options)
    const once = drawn.splice(0)
    assert.equal(once.length, 12, 'training batches alone')
    assert.equal(new Set(once).size, 12)
    assert.deepEqual(await trained(options), first)
    assert.deepEqual(drawn, once)
    assert.notDeepEqual(await trained({ batchTransforms: [...options.batchTransforms].reverse() as never }), first)
    assert.notDeepEqual(await trained({}), first)
  })

  test('a fit that goes on draws the same', async () => {
    const options = {
      batchTransforms: [(x: Tensor, { random }: { random: ReturnType<typeof rng> }) => x.mul(random.uniform(0.5, 1))],
    }
    const whole = await trained(options)
    const learn = learner(options)
    let state: ReturnType<typeof learn.state> | undefined
    await learn.fit(2, { lr: 0.01, callbacks: [{ afterBatch: (i, l) => void (i.step === 7 && (state = l.state())) }] })
    const on = learner(options)
    on.loadState(state!)
    await on.fit(2, { lr: 0.01 })
    assert.deepEqual(bits(on), whole)
  })
})
