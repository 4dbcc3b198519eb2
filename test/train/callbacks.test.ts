import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aten, F, noGrad, scope } from '../../src/torch/index.ts'
import type { Callback, LossBatch } from '../../src/train/callback.ts'
import { type EventName, events } from '../../src/train/loop-events.ts'
import { lrFind } from '../../src/train/rates/finder.ts'
import { bits, learner } from '../helpers/train.ts'

const names = Object.keys(events) as EventName[]

/** A callback that records every event. `answers`: its return values for some events. */
function listener(heard: string[], answers: Partial<Record<EventName, (subject: never) => unknown>> = {}): Callback {
  const hook = (name: EventName) => (subject: unknown) => {
    heard.push(name)
    return answers[name]?.(subject as never)
  }
  return Object.fromEntries(names.map(name => [name, hook(name)])) as Callback
}

const step = [
  'beforeBatch',
  'afterPrediction',
  'afterLoss',
  'beforeBackward',
  'afterBackward',
  'beforeStep',
  'afterStep',
]
const batch = [...step, 'beforeZeroGrad', 'afterBatch']
const validation = ['beforeValidate', 'beforeValidationBatch', 'afterValidationBatch']
const valid = [...validation, 'beforeValidationBatch', 'afterValidationBatch', 'afterValidate']

/** The events of a fit of two epochs with two training and two validation batches each. */
async function heardOf(answers: Parameters<typeof listener>[1] = {}) {
  const heard: string[] = []
  const learn = learner({ batchSize: 23, evalBatchSize: 11 })
  const history = await learn.fit(2, { lr: 1e-3, callbacks: [listener(heard, answers)] })
  return { heard, history, learn }
}
const epoch = ['beforeEpoch', 'beforeTrain', ...batch, ...batch, 'afterTrain', ...valid, 'afterEpoch']

describe('events', () => {
  test('each is heard in its place', async () => {
    assert.deepEqual((await heardOf()).heard, ['beforeFit', ...epoch, ...epoch, 'afterFit'])
  })

  test('the loop that is shown has the same order, and who hears what', async () => {
    const learn = learner({
      gradClip: 1,
      averageSteps: 5,
      batchTransforms: [x => x],
      callbacks: [{ name: 'tell', afterEpoch() {} }],
    })
    const shown = learn.showTrainingLoop({ callbacks: [{ name: 'clip', afterBackward() {} }] })
    const order = shown.split('\n').flatMap(line => names.filter(name => line.trim().split(' ')[0] === name))
    assert.deepEqual(order, names)
    assert.match(shown, /afterBackward +← clip\n/)
    assert.match(shown, /afterEpoch +← tell\n/)
    assert.match(shown, /batchTransforms\(x\)\n.*beforeBatch\n/)
    assert.match(shown, /clip gradients to a norm of 1\n/)
    assert.match(shown, /average\.update\(\)\n/)
    assert.doesNotMatch(learner().showTrainingLoop(), /clip|average|batchTransforms|←/)
  })

  test('an epoch without validation samples tells of its beginning alone', async () => {
    const heard: string[] = []
    await learner({ batchSize: 23, valid: undefined }).fit(1, { callbacks: [listener(heard)] })
    assert.deepEqual(heard.slice(-4), ['afterTrain', 'beforeValidate', 'afterEpoch', 'afterFit'])
  })

  test('a batch is seen with its tensors and its place', async () => {
    const seen: unknown[] = []
    const look: Callback = {
      afterLoss({ samples, epoch, step, number, of, progress, x, y, prediction, loss }) {
        seen.push([samples.length, epoch, step, number, of, progress, x.shape, y.shape, prediction.shape, loss.shape])
      },
    }
    await learner({ batchSize: 23 }).fit(2, { callbacks: [look] })
    const shapes = (n: number) => [[n, 3, 8, 8], [n], [n, 3], []]
    assert.deepEqual(seen, [
      [23, 1, 1, 1, 2, 0, ...shapes(23)],
      [22, 1, 2, 2, 2, 0.25, ...shapes(22)],
      [23, 2, 3, 1, 2, 0.5, ...shapes(23)],
      [22, 2, 4, 2, 2, 0.75, ...shapes(22)],
    ])
  })

  test('a name that is no event, an answer that is none, and an async hook inside a step are refused', async () => {
    const fit = (callback: object) => learner().fit(1, { callbacks: [callback as Callback] })
    await assert.rejects(
      fit({ onBatchEnd() {} }),
      /there is no event "onBatchEnd".*The events are beforeFit, .*afterFit/s,
    )
    await assert.rejects(fit({ afterEpochs() {} }), /Did you mean "afterEpoch"/)
    await assert.rejects(fit({ name: 'mine', afterBatch: () => 'halt' }), /callback mine: afterBatch answered "halt"/)
    await assert.rejects(
      fit({ afterEpoch: () => 'skip batch' }),
      /afterEpoch answered "skip batch"; expected "stop", "cancel"/,
    )
    await assert.rejects(fit({ afterLoss: async () => 'stop' }), /afterLoss must not be async/)
    await assert.rejects(
      learner().fit(1, {
        callbacks: [
          new (class Mine {
            beforeStep = () => 'x'
          })() as object as Callback,
        ],
      }),
      /callback Mine/,
    )
  })
})

describe('what a hook leaves out', () => {
  const once = (answer: string) => {
    let calls = 0
    return () => (++calls === 1 ? answer : undefined)
  }
  const without = (list: readonly string[], left: readonly string[]) => list.filter(name => !left.includes(name))
  const rest = ['beforeFit', ...epoch, ...epoch, 'afterFit']
  /** The events, without this many events after the first `from`. */
  const leaves = (from: string, until: string) => {
    const [a, b] = [rest.indexOf(from), rest.indexOf(until, rest.indexOf(from))]
    return [...rest.slice(0, a + 1), ...rest.slice(b)]
  }

  for (const at of step.slice(0, 4) as EventName[])
    test(`skip batch in ${at}: the next batch follows`, async () => {
      const { heard, learn } = await heardOf({ [at]: once('skip batch') })
      const second = rest.indexOf('beforeBatch', rest.indexOf('beforeBatch') + 1)
      assert.deepEqual(heard, [...rest.slice(0, rest.indexOf(at) + 1), ...rest.slice(second)])
      assert.equal(learn.step, 4)
    })
  for (const at of ['afterBackward', 'beforeStep', 'afterStep', 'beforeZeroGrad'] as const)
    test(`skip batch in ${at}: afterBatch is told, for there is a loss`, async () => {
      assert.deepEqual((await heardOf({ [at]: once('skip batch') })).heard, leaves(at, 'afterBatch'))
    })

  test('skip backward, step and zero-grad leave out that alone', async () => {
    assert.deepEqual((await heardOf({ beforeBackward: once('skip backward') })).heard, rest)
    assert.deepEqual((await heardOf({ beforeStep: once('skip step') })).heard, leaves('beforeStep', 'beforeZeroGrad'))
    assert.deepEqual((await heardOf({ beforeZeroGrad: once('skip zero-grad') })).heard, rest)
    const { learn } = await heardOf({ beforeStep: () => 'skip step' })
    assert.deepEqual(
      [...bits(learn)].filter(([name]) => name.endsWith('weight')),
      [...bits(learner())].filter(([name]) => name.endsWith('weight')),
    )
  })

  test('skip train goes to validation', async () => {
    const before = await heardOf({ beforeTrain: once('skip train') })
    assert.deepEqual(before.heard, leaves('beforeTrain', 'afterTrain'))
    assert.ok(Number.isNaN(before.history[0]!.trainLoss), String(before.history[0]!.trainLoss))
    assert.ok(before.history[0]!.validLoss > 0, String(before.history[0]!.validLoss))
    for (const at of ['afterLoss', 'afterBatch'] as const) {
      const { heard, learn } = await heardOf({ [at]: once('skip train') })
      assert.deepEqual(heard, leaves(at, 'afterTrain'))
      assert.equal(learn.step, 3)
    }
  })

  test('skip validate leaves the epoch without validation', async () => {
    for (const at of ['beforeValidate', 'beforeValidationBatch', 'afterValidationBatch'] as const) {
      const { heard, history } = await heardOf({ [at]: once('skip validate') })
      assert.deepEqual(heard, leaves(at, 'afterEpoch'))
      assert.deepEqual(
        history.map(({ validLoss }) => Number.isNaN(validLoss)),
        [true, false],
      )
    }
  })

  test('skip epoch leaves out its end too, and rates go on where the next epoch begins', async () => {
    for (const at of [
      'beforeEpoch',
      'beforeTrain',
      'afterLoss',
      'afterBatch',
      'afterTrain',
      'beforeValidate',
      'afterValidate',
    ] as const) {
      const { heard, history, learn } = await heardOf({ [at]: once('skip epoch') })
      assert.deepEqual(heard, [...rest.slice(0, rest.indexOf(at) + 1), ...epoch, 'afterFit'], at)
      assert.deepEqual([history.length, history[0]!.epoch, learn.epoch], [1, 2, 2], at)
    }
    const progress: number[] = []
    const skips = once('skip epoch')
    const callback: Callback = {
      beforeEpoch: () => skips() as 'skip epoch',
      beforeBatch: b => void progress.push(b.progress),
    }
    await learner({ batchSize: 23 }).fit(2, { callbacks: [callback] })
    assert.deepEqual(progress, [0.5, 0.75])
  })

  test('stop finishes the batch and validates; cancel ends at once', async () => {
    for (const at of [...step, 'beforeZeroGrad', 'afterBatch'] as EventName[]) {
      const { heard, history } = await heardOf({ [at]: once('stop') })
      assert.deepEqual(
        heard,
        [
          'beforeFit',
          ...without(epoch, batch).slice(0, 2),
          ...batch,
          ...epoch.slice(epoch.indexOf('afterTrain')),
          'afterFit',
        ],
        at,
      )
      assert.equal(history.length, 1)
    }
    for (const at of without(epoch, ['afterEpoch']) as EventName[]) {
      const { heard, history } = await heardOf({ [at]: once('cancel') })
      const told = step.slice(4).includes(at) || at === 'beforeZeroGrad' ? ['afterBatch'] : []
      assert.deepEqual(heard, [...rest.slice(0, rest.indexOf(at) + 1), ...told, 'afterFit'], at)
      assert.equal(history.length, 0)
    }
  })

  test('of two answers both hold', async () => {
    const heard: string[] = []
    const both: Callback[] = [{ beforeStep: () => 'skip step' }, { beforeStep: () => 'stop' }, listener(heard)]
    await learner({ batchSize: 23 }).fit(2, { callbacks: both })
    assert.ok(!heard.includes('afterStep') && heard.includes('afterValidate'), heard.join())
    assert.equal(heard.filter(name => name === 'beforeBatch').length, 1)
  })
})

describe('what a hook changes', () => {
  const halves = (parts: number): Callback => ({
    name: 'accumulate',
    afterLoss(b) {
      b.loss = b.loss.div(parts)
    },
    beforeStep: b => (b.number % parts && b.number < b.of ? 'skip batch' : undefined),
  })
  /** Without BatchNorm statistics of the batch and without dropout, the gradient of a batch is the mean over its halves. */
  const plain = (batchSize: number) => {
    const learn = learner({ batchSize, optimizer: 'sgd', weightDecay: 0, classWeights: undefined })
    learn.bnFreeze = true
    learn.dropout = false
    return learn
  }
  const furthest = (a: ReturnType<typeof plain>, b: ReturnType<typeof plain>) => {
    const theirs = b.network.net.stateDict()
    return Math.max(
      ...Array.from(a.network.net.stateDict(), ([name, t]) =>
        scope(() => t.to('float32').sub(theirs.get(name)!).abs().max().item()),
      ),
    )
  }

  test('accumulation over two batches is a batch twice as large', async () => {
    const train = learner().train
    const even = { count: 40, batch: train.batch }
    const [large, small] = [plain(20), plain(10)]
    ;[large.train, small.train] = [even, even]
    await large.fit(1, { lr: 0.1, schedule: 'constant' })
    await small.fit(1, { lr: 0.1, schedule: 'constant', callbacks: [halves(2)] })
    const start = plain(20)
    assert.ok(furthest(large, start) > 1e-3, 'it learned')
    assert.ok(furthest(large, small) < 1e-6, String(furthest(large, small)))
    assert.equal(small.optimizer!.state().step, 2)
  })

  test('accumulated gradients are part of the state', async () => {
    const fit = { lr: 0.1, callbacks: [halves(3)] }
    const whole = plain(5)
    await whole.fit(1, fit)
    for (const at of [1, 2, 3, 4]) {
      const learn = plain(5)
      let state: ReturnType<typeof learn.state> | undefined
      await learn.fit(1, {
        ...fit,
        callbacks: [...fit.callbacks, { afterBatch: (i, l) => void (i.step === at && (state = l.state())) }],
      })
      assert.equal(
        [...state!.tensors.keys()].some(name => name.startsWith('gradient.')),
        at % 3 > 0,
        `after ${at}`,
      )
      const on = plain(5)
      on.loadState(state!)
      await on.fit(1, fit)
      assert.deepEqual(bits(on), bits(whole), `after ${at}`)
    }
  })

  test('clipping by a callback is gradClip', async () => {
    const clip: Callback = {
      afterBackward(_, { network }) {
        const grads = network.net.parameters().flatMap(p => p.grad ?? [])
        const norm = Math.sqrt(grads.reduce((sum, g) => sum + g.mul(g).sum().item(), 0))
        if (norm > 0.05) noGrad(() => aten._foreach_mul_(grads, 0.05 / norm))
      },
    }
    const [built, own, without] = [
      learner({ gradClip: 0.05, optimizer: 'sgd' }),
      learner({ optimizer: 'sgd' }),
      learner({ optimizer: 'sgd' }),
    ]
    await built.fit(1, { lr: 0.1 })
    own.seed()
    await own.fit(1, { lr: 0.1, callbacks: [clip] })
    without.seed()
    await without.fit(1, { lr: 0.1 })
    assert.notDeepEqual(bits(built), bits(without))
    assert.ok(furthest(built, own) < 1e-6, String(furthest(built, own)))
  })

  test('x, y, prediction and loss of a batch: the step goes on with what is put there', async () => {
    const run = async (callback: Callback) => {
      const learn = plain(23)
      await learn.fit(1, { lr: 0.1, callbacks: [callback] })
      return bits(learn)
    }
    const same = await run({})
    const changes: Record<string, Callback> = {
      x: { beforeBatch: b => void (b.x = b.x.mul(0.5)) },
      y: { beforeBatch: b => void (b.y = aten.zeros_like(b.y)) },
      prediction: { afterPrediction: b => void (b.prediction = b.prediction.mul(2)) },
      loss: { afterLoss: b => void (b.loss = b.loss.mul(2)) },
    }
    for (const [name, callback] of Object.entries(changes)) assert.notDeepEqual(await run(callback), same, name)
    // Targets as rows give the same loss as class numbers, up to rounding; identity changes nothing at all.
    assert.deepEqual(await run({ afterLoss: b => void (b.loss = F.crossEntropy(b.prediction, b.y)) }), same)
  })

  test('validation batches can be changed: a hook that blanks them is seen in the loss', async () => {
    const fit = async (callback: Callback) => (await plain(23).fit(1, { lr: 0.1, callbacks: [callback] }))[0]!
    const seen = await fit({})
    const blank = await fit({ beforeValidationBatch: b => void (b.x = b.x.mul(0)) })
    const flat = await fit({ afterValidationBatch: b => void (b.prediction = b.prediction.mul(0)) })
    assert.equal(blank.trainLoss, seen.trainLoss)
    assert.notEqual(blank.validLoss, seen.validLoss)
    assert.ok(Math.abs(flat.validLoss - Math.log(3)) < 1e-6, String(flat.validLoss))
  })

  test("the rate finder goes through the learner's callbacks, and leaves on stop", async () => {
    const seen: LossBatch[] = []
    const learn = learner({ callbacks: [{ afterLoss: b => void seen.push(b) }] })
    const { losses } = await lrFind(learn, { steps: 8 })
    assert.equal(seen.length, losses.length)
    const stops = learner({ callbacks: [{ beforeStep: b => (b.number === 3 ? 'stop' : undefined) }] })
    assert.equal((await lrFind(stops, { steps: 8 })).losses.length, 2)
  })
})
