import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { epochOrder, trainingBatches } from '../../src/data/sampler.ts'
import { aten, F, liveTensors, noGrad, scope } from '../../src/torch/index.ts'
import type { BatchInfo, Callback } from '../../src/train/callback.ts'
import { Learner, type LearnerOptions } from '../../src/train/learner.ts'
import { type LearnerState, readState, writeState } from '../../src/train/learner-state.ts'
import { cosineRestarts } from '../../src/train/rates/restarts.ts'
import { oneCycle, oneCycleMomentum } from '../../src/train/rates/schedule.ts'
import type { Source } from '../../src/train/source.ts'
import { Stopped } from '../../src/train/stop.ts'
import { bits, classes, learner, net, source } from '../helpers/train.ts'

const close = (a: number, b: number, within = 1e-12) =>
  assert.ok(Math.abs(a - b) <= within * Math.max(1, Math.abs(b)), `${a} is not ${b}`)

/** The batches of a fit. */
async function watched(learn: Learner, cycles: number, options: Parameters<Learner['fit']>[1]): Promise<BatchInfo[]> {
  const seen: BatchInfo[] = []
  await learn.fit(cycles, { ...options, callbacks: [{ afterBatch: info => void seen.push(info) }] })
  return seen
}

describe('rates', () => {
  // 45 samples in batches of 8: six steps an epoch, the last of five samples.
  for (const [cycleLen, cycleMult, epochs] of [
    [1, 1, 3],
    [1, 2, 7],
    [2, 1, 6],
    [1, 1.5, 5],
  ] as const)
    test(`cosine with restarts, by batch: cycles of ${cycleLen}, times ${cycleMult}`, async () => {
      const seen = await watched(learner(), 3, { lr: 0.01, cycleLen, cycleMult })
      assert.equal(seen.length, epochs * 6)
      const curve = cosineRestarts(0.01, { cycles: 3, cycleLen, cycleMult, stepsPerEpoch: 6 })
      for (const [i, { lrs, progress }] of seen.entries()) {
        close(lrs.at(-1)!, curve(i / seen.length))
        close(progress, (i + 1) / seen.length)
      }
      assert.equal(seen[0]!.lrs.at(-1), 0.01)
    })

  test('one cycle, with its momentum; a constant', async () => {
    const seen = await watched(learner(), 2, { lr: 0.01, schedule: 'one-cycle' })
    assert.equal(seen.length, 12)
    const [curve, momentum] = [oneCycle(0.01), oneCycleMomentum()]
    for (const [i, info] of seen.entries()) {
      close(info.lrs.at(-1)!, curve(i / 12))
      close(info.momentum, momentum(i / 12))
    }
    const flat = await watched(learner(), 2, { lr: 0.01, schedule: 'constant' })
    assert.ok(
      flat.every(info => info.lrs.every(lr => lr === 0.01)),
      'flat.every(info => info.lrs.every(lr => lr === 0.01))',
    )
  })

  test('a list, one rate with a factor, one for all; frozen groups have 0', async () => {
    const first = async (options: object, frozen = 0) => {
      const learn = learner()
      learn.freezeTo(frozen)
      return (await watched(learn, 1, options))[0]!.lrs
    }
    assert.deepEqual(await first({ lr: [1e-5, 1e-4, 1e-3] }), [1e-5, 1e-4, 1e-3])
    const three = await first({ lr: 9e-3, factor: 3 })
    for (const [i, lr] of [1e-3, 3e-3, 9e-3].entries()) close(three[i]!, lr)
    assert.deepEqual(await first({ lr: 1e-3 }), [1e-3, 1e-3, 1e-3])
    assert.deepEqual(await first({ lr: 1e-3 }, 1), [0, 1e-3, 1e-3])
    assert.deepEqual(await first({ lr: [1e-5, 1e-4, 1e-3] }, 2), [0, 0, 1e-3])
  })

  test('each group takes a step of its own rate', async () => {
    // Adam's first step moves each weight by its rate, whatever the gradient: lr·g/(|g| + ε).
    const learn = learner({ optimizer: 'adam', weightDecay: 0 })
    const before = new Map(
      Array.from(learn.network.net.namedParameters(), ([name, t]) => [
        name,
        Float32Array.from(t.data() as Float32Array),
      ]),
    )
    await learn.fit(1, { lr: [1e-4, 1e-3, 1e-2], callbacks: [{ afterBatch: () => 'stop' }] })
    for (const [name, t] of learn.network.net.namedParameters()) {
      const moved = Array.from(t.data() as Float32Array, (v, i) => Math.abs(v - before.get(name)![i]!))
      const rate = name.startsWith('early') ? 1e-4 : name.startsWith('late') ? 1e-3 : 1e-2
      if (name.endsWith('.0.bias')) continue // the BatchNorm after it makes the gradient 0
      const typical = moved.toSorted((a, b) => a - b)[moved.length >> 1]!
      assert.ok(typical > 0.9 * rate && typical < 1.1 * rate, `${name}: ${typical}`)
    }
  })

  test('weight decay is for weights alone, not for biases and BatchNorm', async () => {
    const moved = async (weightDecay: number) => {
      const learn = learner({ optimizer: 'adamw', weightDecay })
      await learn.fit(1, { lr: 0.01, callbacks: [{ afterBatch: () => 'stop' }] })
      return bits(learn)
    }
    const [without, decayed] = [await moved(0), await moved(0.5)]
    const parameters = Array.from(
      learner().network.net.namedParameters(),
      ([name, t]) => [name, t.shape.length] as const,
    )
    for (const [name, dimensions] of parameters)
      assert.equal(without.get(name) !== decayed.get(name), dimensions > 1, name)
  })

  test('what can not be is refused', () => {
    const learn = learner()
    for (const lr of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, [1e-3, 0, 1e-3]])
      assert.throws(() => learn.rates(lr), /rates must be numbers above 0/)
    assert.throws(() => learn.rates([1e-3, 1e-3]), /expected 1 or 3 rates \(the groups are early, late, head\), got 2/)
    for (const factor of [0, 0.5, Number.NaN]) assert.throws(() => learn.rates(1e-3, factor), /factor/)
  })
})

describe('freezing', () => {
  const names = (learn: Learner, kind: (name: string) => boolean) =>
    [...learn.network.net.stateDict().keys()].filter(kind)
  const changed = async (learn: Learner) => {
    const before = bits(learn)
    await learn.fit(1, { lr: 1e-2 })
    const after = bits(learn)
    return new Set([...before.keys()].filter(name => before.get(name) !== after.get(name)))
  }
  const isStatistic = (name: string) => /running_|num_batches/.test(name)

  test('freeze trains the head alone, freezeTo what is asked, unfreeze everything', async () => {
    const learn = learner()
    learn.freeze()
    assert.deepEqual(learn.frozen, [true, true, false])
    assert.deepEqual([...(await changed(learn))].sort(), ['head.1.bias', 'head.1.weight'])
    learn.freezeTo(1)
    const some = await changed(learn)
    assert.ok(
      [...some].every(name => !name.startsWith('early')),
      `[...some].every(name => !name.startsWith('early'))`,
    )
    assert.ok(
      some.has('late.0.weight') && some.has('late.1.running_mean') && some.has('head.1.weight'),
      `some.has('late.0.weight') && some.has('late.1.running_mean') && som…`,
    )
    learn.freezeTo(-2)
    assert.deepEqual(learn.frozen, [true, false, false])
    learn.unfreeze()
    const all = await changed(learn)
    for (const name of names(learn, () => true)) assert.ok(all.has(name), name)
  })

  test('BatchNorm of frozen groups keeps weights and statistics; trainFrozenBn lets the statistics follow', async () => {
    const learn = learner()
    learn.freezeTo(1)
    assert.ok(
      [...(await changed(learn))].every(name => !name.startsWith('early')),
      `[...(await changed(learn))].every(name => !name.startsWith('early'))`,
    )
    learn.trainFrozenBn = true
    const moved = await changed(learn)
    for (const name of names(learn, name => name.startsWith('early')))
      assert.equal(moved.has(name), isStatistic(name), name)
  })

  test('bnFreeze keeps all statistics while all weights train', async () => {
    const learn = learner()
    learn.bnFreeze = true
    const moved = await changed(learn)
    for (const name of names(learn, () => true)) assert.equal(moved.has(name), !isStatistic(name), name)
  })

  test('a group that is not there is refused', () => {
    for (const n of [3, -4, 0.5, Number.NaN]) assert.throws(() => learner().freezeTo(n), /there is no group/)
  })
})

describe('callbacks', () => {
  const log = (name: string, said: string[], order = 0): Callback => ({
    order,
    beforeFit: () => void said.push(`${name} fit`),
    beforeEpoch: ({ epoch }) => void said.push(`${name} epoch ${epoch}`),
    afterBatch: async ({ step }) => {
      await new Promise(resolve => setTimeout(resolve, 1))
      said.push(`${name} batch ${step}`)
    },
    afterEpoch: ({ epoch }) => void said.push(`${name} end ${epoch}`),
    afterFit: () => void said.push(`${name} done`),
  })

  test('they are called in their order, awaited, the learner before the fit', async () => {
    const said: string[] = []
    const learn = learner({ batchSize: 23, callbacks: [log('late', said, 1), log('learner', said)] })
    await learn.fit(2, { callbacks: [log('fit', said), log('first', said, -1)] })
    const names = ['first', 'learner', 'fit', 'late']
    const events = ['fit', 'epoch 1', 'batch 1', 'batch 2', 'end 1', 'epoch 2', 'batch 3', 'batch 4', 'end 2', 'done']
    assert.deepEqual(
      said,
      events.flatMap(event => names.map(name => `${name} ${event}`)),
    )
  })

  test("'stop' ends the fit at this point", async () => {
    const run = async (stopping: Callback) => {
      const said: string[] = []
      const learn = learner({ batchSize: 23 })
      const history = await learn.fit(3, { callbacks: [log('', said), { order: 1, ...stopping }] })
      return { said: said.map(s => s.trim()), epochs: history.length, steps: learn.step }
    }
    assert.deepEqual(await run({ beforeFit: () => 'stop' }), { said: ['fit', 'done'], epochs: 0, steps: 0 })
    assert.deepEqual(await run({ beforeEpoch: () => 'stop' }), {
      said: ['fit', 'epoch 1', 'done'],
      epochs: 0,
      steps: 0,
    })
    assert.deepEqual(await run({ afterBatch: async ({ step }) => (step === 3 ? 'stop' : undefined) }), {
      said: ['fit', 'epoch 1', 'batch 1', 'batch 2', 'end 1', 'epoch 2', 'batch 3', 'end 2', 'done'],
      epochs: 2,
      steps: 3,
    })
    assert.equal((await run({ afterEpoch: () => 'stop' })).epochs, 1)
  })

  test('an exception in one ends the fit with it', async () => {
    const learn = learner()
    const fails = {
      afterBatch: () => {
        throw new Error('made to fail')
      },
    }
    await assert.rejects(learn.fit(1, { callbacks: [fails] }), /made to fail/)
    assert.equal((await learn.fit(1)).length, 1, 'and the next fit goes')
  })
})

describe('a loss that is no number', () => {
  test('ends the fit, names step and rate, and leaves the weights of the step before', async () => {
    let batches = 0
    const whole = source(45)
    const spoilt: Source = {
      count: 45,
      batch(samples, epoch) {
        const { x, y } = whole.batch(samples, epoch)
        return { x: ++batches === 4 ? aten.mul(x, Number.NaN) : x, y }
      },
    }
    const learn = learner({ train: spoilt })
    learn.bnFreeze = true
    let last = new Map<string, string>()
    await assert.rejects(
      learn.fit(1, { lr: 0.02, schedule: 'constant', callbacks: [{ afterBatch: () => void (last = bits(learn)) }] }),
      /the loss became NaN at step 4 \(rate 2e-2\).*lr: 2e-3/,
    )
    assert.equal(learn.step, 3)
    assert.deepEqual(bits(learn), last)
  })
})

describe('validation', () => {
  test('loss, accuracy and probabilities are those of a computation by hand, in any batch size', async () => {
    const make = (evalBatchSize: number) => learner({ evalBatchSize, labelSmoothing: 0.3, classWeights: [1, 2, 3] })
    const valid = source(21, { name: 'valid' })
    const { net } = make(4).network
    net.eval()
    const logits = noGrad(() =>
      scope(() =>
        Array.from(
          net(
            valid.batch(
              Uint32Array.from({ length: 21 }, (_, i) => i),
              0,
            ).x,
          ).data() as Float32Array,
        ),
      ),
    )
    const rows = Array.from({ length: 21 }, (_, i) => {
      const row = logits.slice(3 * i, 3 * i + 3)
      const total = row.reduce((sum, v) => sum + Math.exp(v), 0)
      return row.map(v => Math.exp(v) / total)
    })
    const losses = rows.map((row, i) => -Math.log(row[valid.labels[i]!]!)) // no smoothing, no class weights
    const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === valid.labels[i]).length
    for (const size of [1, 4, 20, 21, 64]) {
      const { loss, accuracy, probabilities, losses: each, targets } = await make(size).validate()
      close(loss, losses.reduce((a, b) => a + b) / 21, 1e-5)
      assert.equal(accuracy, right / 21)
      assert.deepEqual(Array.from(targets), valid.labels)
      for (const [i, p] of rows.flat().entries()) close(probabilities[i]!, p, 1e-5)
      for (const [i, v] of losses.entries()) close(each[i]!, v, 1e-5)
    }
  })

  test('changes nothing, and its epoch is told', async () => {
    const learn = learner()
    const [epoch] = await learn.fit(1, { lr: 1e-3 })
    const before = bits(learn)
    const { loss, accuracy } = await learn.validate()
    assert.deepEqual(bits(learn), before)
    assert.deepEqual([epoch!.validLoss, epoch!.accuracy], [loss, accuracy])
  })

  test('stops at a signal; without pictures it is an error, in a fit it is left out', async () => {
    const stop = new AbortController()
    stop.abort()
    await assert.rejects(learner().validate(undefined, { signal: stop.signal }), Stopped)
    const none = learner({ valid: undefined })
    await assert.rejects(none.validate(), /no validation pictures/)
    const [epoch] = await none.fit(1)
    assert.ok(Number.isNaN(epoch!.validLoss), 'Number.isNaN(epoch!.validLoss)')
  })
})

describe('batches', () => {
  test('every sample once an epoch; a last batch of one joins the one before', async () => {
    for (const [count, batchSize] of [
      [45, 8],
      [41, 8],
      [9, 8],
      [3, 2],
      [2, 2],
      [5, 64],
    ] as const) {
      const order = epochOrder(count, 7, 1)
      const batches = trainingBatches(order, batchSize)
      assert.ok(
        batches.every(b => b.length > 1 && b.length <= batchSize + 1),
        'batches.every(b => b.length > 1 && b.length <= batchSize + 1)',
      )
      assert.deepEqual(Array.from(batches.flatMap(b => [...b])), [...order])
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      )
      const learn = learner({ train: source(count), batchSize })
      const [epoch] = await learn.fit(1)
      assert.ok(Number.isFinite(epoch!.trainLoss), 'Number.isFinite(epoch!.trainLoss)')
      assert.equal(learn.step, batches.length)
    }
  })

  test('too few pictures, and impossible batch sizes, are refused', () => {
    assert.throws(() => learner({ train: source(1) }), /at least 2 pictures, got 1/)
    for (const batchSize of [0, 1, -8, 2.5, Number.NaN])
      assert.throws(() => learner({ batchSize }), /batch size must be a whole number from 2/)
  })

  test('the training loss is smoothed and weighed as asked', () => {
    const learn = learner({ labelSmoothing: 0.2, classWeights: [1, 2, 4] })
    scope(() => {
      const { x, y } = source(6).batch(Uint32Array.of(0, 1, 2, 3), 1)
      const logits = learn.network.net.eval()(x)
      const rows = Array.from({ length: 4 }, (_, i) => {
        const row = (logits.data() as Float32Array).slice(3 * i, 3 * i + 3)
        const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))
        return Array.from(row, v => v - total)
      })
      const weights = [1, 2, 4]
      const labels = [0, 1, 2, 0]
      const sum = rows.reduce((acc, row, i) => {
        const hard = -row[labels[i]!]! * weights[labels[i]!]!
        const soft = -row.reduce((s, v, c) => s + v * weights[c]!, 0)
        return acc + 0.8 * hard + (0.2 / 3) * soft
      }, 0)
      close(learn.loss(logits, y).item(), sum / (1 + 2 + 4 + 1), 1e-5)
      assert.ok(F.crossEntropy(logits, y).item() > 0, 'F.crossEntropy(logits, y).item() > 0')
    })
  })
})

describe('going on', () => {
  const make = (options: Partial<LearnerOptions>) => learner({ averageSteps: 10, gradClip: 0.5, ...options })
  const fit = { lr: 0.01, factor: 3, cycleLen: 2 }
  const folder = mkdtempSync(join(tmpdir(), 'anneal-state-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** Runs two cycles of two epochs: stops after this step and continues in a new learner. */
  const run = async (options: Partial<LearnerOptions>, stopAt?: number) => {
    let learn = make(options)
    const epochs: unknown[] = []
    const told: Callback = { afterEpoch: ({ seconds, ...info }) => void epochs.push(info) }
    if (stopAt !== undefined) {
      const stop = new AbortController()
      const stopping: Callback = { afterBatch: ({ step }) => void (step === stopAt && stop.abort()) }
      await assert.rejects(learn.fit(2, { ...fit, signal: stop.signal, callbacks: [told, stopping] }), Stopped)
      writeState(join(folder, 'state'), learn.state())
      learn = make(options) // changes the random state of the process
      learn.loadState(readState(join(folder, 'state')))
    }
    await learn.fit(2, { ...fit, callbacks: [told] })
    return { weights: bits(learn), epochs, step: learn.step }
  }

  for (const optimizer of ['adamw', 'adam', 'sgd'] as const)
    test(`stopped at any step it ends with the same bits: ${optimizer}`, async () => {
      const whole = await run({ optimizer })
      assert.equal(whole.step, 24)
      // The first and last step, within an epoch, at its end (before validation), at a restart.
      for (const stopAt of [1, 3, 6, 12, 23, 24])
        assert.deepEqual(await run({ optimizer }, stopAt), whole, `at ${stopAt}`)
    })

  test('a state that was kept in memory is not changed by later steps, and can be gone back to twice', async () => {
    const learn = make({})
    let kept: LearnerState | undefined
    const keeping: Callback = { afterBatch: ({ step }, l) => void (step === 8 && (kept ??= l.state())) }
    await learn.fit(2, { ...fit, callbacks: [keeping] })
    const whole = bits(learn)
    for (const again of [1, 2]) {
      learn.loadState(kept!)
      assert.equal(learn.step, 8)
      await learn.fit(2, fit)
      assert.deepEqual(bits(learn), whole, `time ${again}`)
    }
  })

  test('a state of the end of an epoch goes on with the next one', async () => {
    const learn = make({})
    const kept: LearnerState[] = []
    await learn.fit(2, { ...fit, callbacks: [{ afterEpoch: (_, l) => void kept.push(l.state()) }] })
    const whole = bits(learn)
    for (const [i, state] of kept.entries()) {
      learn.loadState(state)
      const history = await learn.fit(2, fit)
      assert.deepEqual(
        history.map(({ epoch }) => epoch),
        [1, 2, 3, 4].slice(i + 1),
      )
      assert.deepEqual(bits(learn), whole, `after epoch ${i + 1}`)
    }
  })

  test('between two fits the next one is a new one; groups that are frozen and settings come back', async () => {
    const learn = make({})
    learn.freezeTo(1)
    learn.bnFreeze = 'body'
    learn.dropout = false
    await learn.fit(1, fit)
    const state = learn.state()
    assert.equal(state.fit, undefined)
    assert.ok(![...state.tensors.keys()].some(name => name.startsWith('optimizer')), String([...state.tensors.keys()]))
    await learn.fit(1, { lr: 1e-3 })
    const whole = bits(learn)
    const other = make({})
    other.loadState(state)
    assert.deepEqual([other.frozen, other.bnFreeze, other.dropout], [[true, false, false], 'body', false])
    await other.fit(1, { lr: 1e-3 })
    assert.deepEqual(bits(other), whole)
    assert.deepEqual([other.epoch, other.step], [learn.epoch, learn.step])
  })

  test('other options than those of the fit that goes on, another net, and a state without its file are refused', async () => {
    const learn = make({})
    let kept: LearnerState | undefined
    const keeping: Callback = {
      afterBatch(_, l) {
        kept = l.state()
        return 'stop'
      },
    }
    await learn.fit(2, { ...fit, callbacks: [keeping] })
    const before = bits(learn)
    for (const other of [
      { ...fit, lr: 0.02 },
      { ...fit, schedule: 'constant' as const },
      { ...fit, cycleLen: 1 },
    ]) {
      learn.loadState(kept!)
      await assert.rejects(learn.fit(2, other), /interrupted fit was called with .*give the same options/)
    }
    learn.loadState({ ...kept!, fit: undefined })
    assert.equal((await learn.fit(1, { ...fit, cycleLen: 1 })).length, 1)
    assert.notDeepEqual(bits(learn), before)
    assert.throws(() => make({}).loadState({ ...kept!, frozen: [false] }), /1 layer groups, this one has 3/)
    assert.throws(() => learner().loadState(kept!), /make the learner with averageSteps too/)
    const some = new Map(Array.from(kept!.tensors).filter(([name]) => name !== 'net.head.1.bias'))
    assert.throws(() => learn.loadState({ ...kept!, tensors: some }), /head\.1\.bias/)
    assert.throws(() => readState(join(folder, 'none')), /none\.json: no learner state can be read: it does not exist/)
    writeFileSync(join(folder, 'card.json'), '{"format":"anneal-classifier","version":1}')
    assert.throws(() => readState(join(folder, 'card')), /expected the format "anneal-learner-state"/)
  })
})

test('a hundred steps keep no tensor', async () => {
  const learn = new Learner(net(), { train: source(40), classes, batchSize: 8 })
  await learn.fit(1)
  const before = liveTensors()
  const optimizers: number[] = []
  await learn.fit(20, { callbacks: [{ afterEpoch: () => void optimizers.push(liveTensors()) }] })
  assert.ok(liveTensors() - before <= 2 * learn.network.net.parameters().length, 'at most one optimizer more')
  assert.equal(optimizers.at(-1), optimizers[1])
})
