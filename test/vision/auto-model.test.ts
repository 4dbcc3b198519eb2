// The model `auto`: which net a run takes, by probes on its pictures, its time here, and the weights that can be had.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { type ModelName, models } from '../../src/models/index.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { manualSeed, type Tensor } from '../../src/torch/index.ts'
import { planSeconds } from '../../src/vision/auto-model/plan.ts'
import { probeOf } from '../../src/vision/auto-model/probe.ts'
import { candidates } from '../../src/vision/auto-model/reach.ts'
import { type Contender, chooseNet, netReason, netTable, type Terms } from '../../src/vision/auto-model/rule.ts'
import { type StoredTensor, writeSafetensors } from '../../src/weights/index.ts'
import { allMarks, marked, runsFolder, type Trained } from '../helpers/recipe.ts'

const terms: Terms = { task: 'single', budget: 180, asked: false, pictures: 100, folds: 5 }

/** A net whose losses have this mean and differ from picture to picture by the same small amounts. */
function net(name: string, seconds: number, loss?: number, { spread = 0, score = 0.8, out = '' } = {}): Contender {
  const random = rng(5, name.length)
  const losses = Array.from({ length: 100 }, (_, i) => loss! + spread * (i % 2 ? 1 : -1) * random.uniform(0.9, 1))
  return {
    name,
    size: 224,
    speed: { step: 1000 / seconds, seconds },
    ...(loss === undefined ? {} : { probe: { score, losses } }),
    ...(out ? { out } : {}),
  }
}

describe('the rule', () => {
  const small = net('small', 60, 0.5)
  const cases: [what: string, nets: Contender[], chosen: string, verdicts: Record<string, RegExp>][] = [
    [
      'a slower net that is clearly better is taken',
      [small, net('large', 90, 0.4)],
      'large',
      { small: /large is better/ },
    ],
    [
      'one that is a little better is taken too: slower candidates are the better ones on ImageNet',
      [small, net('large', 90, 0.48, { spread: 0.5 })],
      'large',
      { small: /^no: large is better$/ },
    ],
    ['an equal one is not', [small, net('large', 90, 0.5)], 'small', { large: /^no: not better/ }],
    ['a worse one is not', [small, net('large', 90, 0.6)], 'small', { large: /^no: not better/ }],
    [
      'the third has to be better than the second, which was better than the first',
      [small, net('middle', 70, 0.4), net('large', 90, 0.45)],
      'middle',
      { large: /not better than middle/, small: /middle is better/ },
    ],
    [
      'one that is too slow was not compared',
      [small, net('middle', 90, 0.4), net('large', 300)],
      'middle',
      { large: /^left out: its run would take longer than 3:00$/ },
    ],
    [
      'one whose weights are missing is named with the reason',
      [small, { name: 'far', size: 224, out: 'its host does not answer' }],
      'small',
      { far: /^left out: its host does not answer$/ },
    ],
    ['none fits: the fastest', [net('large', 900), net('small', 600)], 'small', { large: /longer than 3:00/ }],
    [
      'the fastest has no weights: the next one',
      [net('small', 60, undefined, { out: 'gone' }), net('large', 90)],
      'large',
      { small: /gone/ },
    ],
  ]
  for (const [what, nets, name, verdicts] of cases)
    test(what, () => {
      const found = chooseNet([...nets].reverse(), terms) // the order of the list says nothing
      assert.equal(found.chosen.name, name)
      assert.equal(found.chosen.verdict, 'chosen')
      assert.equal(found.rows.length, nets.length)
      for (const [other, verdict] of Object.entries(verdicts))
        assert.match(found.rows.find(row => row.name === other)!.verdict, verdict, other)
    })

  test('the reason has both nets, their times and the budget, and says how to take another', () => {
    const nets = [net('small', 60, 0.5, { score: 0.75 }), net('large', 130, 0.4, { score: 0.8 })]
    const reason = netReason(chooseNet(nets, terms), terms)
    for (const part of [
      /accuracy 80.0 % \(small: 75.0 %\)/,
      /log loss 0.400 \(small: 0.500\)/,
      /130 ms \(small: 60 ms\)/,
    ])
      assert.match(reason, part)
    for (const part of [
      /about 2:10 of the 3:00 that a run has by default/,
      /100 training pictures/,
      /model takes another/,
    ])
      assert.match(reason, part)
    const asked = { ...terms, budget: 600, asked: true }
    assert.match(netReason(chooseNet(nets, asked), asked), /10:00 that minutes gives/)
  })

  test('a net that was not compared has a reason that fits', () => {
    const reason = (...nets: Contender[]) => netReason(chooseNet(nets, terms), terms)
    assert.match(reason(net('a', 90), net('b', 99, undefined, { out: 'gone' })), /the only candidate whose weights/)
    assert.match(reason(net('a', 90), net('b', 200)), /a is the only candidate whose run ends within the 3:00/)
    assert.match(
      reason(net('a', 200), net('b', 300)),
      /the fastest candidate; its run takes about 3:20 here, longer than/,
    )
    assert.match(reason(net('a', 90, undefined, { out: 'gone' })), /no candidate's weights can be had; gone/)
  })

  test('the table has one line for each net, the fastest first', () => {
    const nets = [net('large', 90, 0.4), net('small', 60, 0.5), { name: 'far', size: 96, out: 'no host' }]
    const lines = netTable(chooseNet(nets, terms).rows, terms)
    assert.deepEqual(
      lines.map(line => line.split(/ {2,}/)[0]),
      ['model', 'small', 'large', 'far'],
    )
    assert.match(lines[2]!, /large +224 px +80.0 % +0.400 +0.100 ± 0.000 +90 ms +1:30 +chosen/)
    assert.match(lines[3]!, /far +96 px +left out: no host/)
  })
})

test('a plan counts views, epochs, validation and sizes', () => {
  const items = (['train', 'valid', 'test'] as const).flatMap(split =>
    Array.from({ length: { train: 1000, valid: 200, test: 100 }[split] }, () => ({ file: '', labels: [0], split })),
  )
  const plan = (options: object, sizes = [100]) =>
    planSeconds({ step: 10, frozen: 100 }, { items }, { options, sizes, measured: 100 })
  const none = plan({ epochs: 0, views: 0 })
  assert.equal(plan({ epochs: 0, views: 4 }) - none, 40)
  assert.equal(plan({ epochs: 0 }) - none, 40)
  assert.equal(plan({ epochs: 0, augment: 'none' }), none)
  assert.equal(plan({ epochs: 3, views: 0 }) - none, 3 * (100 + 2))
  assert.equal(plan({ views: 0 }) - none, 7 * (100 + 2)) // the usual epochs of 1,000 pictures
  const features = 10 + 2
  assert.equal(plan({ epochs: 0, views: 0 }, [100, 200]) - none, 4 * features + 3 * 1)
})

test('a probe judges pictures that it has not learnt from: one label, several labels, targets', async () => {
  const random = rng(3, 1)
  const [n, width] = [60, 90]
  const values = Array.from({ length: n }, () => random.normal())
  const seen = Float32Array.from({ length: n * width }, (_, i) =>
    i % width === 0 ? 3 * values[Math.floor(i / width)]! : random.normal(),
  )
  const blind = Float32Array.from({ length: n * width }, () => random.normal())
  const label = (v: number) => (v > 0 ? 1 : 0)
  const items = {
    single: values.map(v => ({ labels: [label(v) + 4] })),
    multi: values.map(v => ({ labels: [...(v > 0 ? [2] : []), ...(v > 0.5 ? [7] : [])] })),
    regression: values.map(v => ({ labels: [], values: [1e6 + 50 * v] })),
  }
  for (const task of ['single', 'multi', 'regression'] as const) {
    const [good, bad] = await Promise.all([seen, blind].map(x => probeOf(x, items[task], { task, seed: 1 })))
    const mean = (losses: readonly number[]) => losses.reduce((a, b) => a + b, 0) / n
    assert.equal(good!.losses.length, n, task)
    assert.ok(good!.score > bad!.score + 0.2, `${task}: ${good!.score} and ${bad!.score}`)
    assert.ok(mean(good!.losses) < mean(bad!.losses), `${task}: ${mean(good!.losses)} and ${mean(bad!.losses)}`)
  }
})

describe('a run with --model auto', () => {
  const work = runsFolder()
  after(() => work.remove())
  const settings = {
    model: 'auto',
    pretrained: true,
    epochs: 0,
    headCycles: 1,
    views: 0,
    minutes: 30,
    size: 32,
  } as const
  before(async () => {
    for (let n = 0; n < 48; n++)
      work.put({ [`marks/${allMarks[n % 3]}/${n}.png`]: await marked(n, [allMarks[n % 3]!]) })
    for (const name of ['tf_efficientnet_lite0', 'tf_efficientnet_lite1'] as const) {
      manualSeed(7)
      keepWeights(name)
    }
  })

  /** Puts random weights where a run looks for those that it has fetched. */
  function keepWeights(name: 'tf_efficientnet_lite0' | 'tf_efficientnet_lite1') {
    const state = models[name].build({ classes: 0 }).stateDict()
    const tensors = Array.from(state, ([key, t]: [string, Tensor]): [string, StoredTensor] => {
      const { buffer, byteOffset, byteLength } = t.data()
      const data = new Uint8Array(buffer, byteOffset, byteLength)
      return [key, { dtype: t.dtype as StoredTensor['dtype'], shape: t.shape, data }]
    })
    const path = join(process.env.ANNEAL_CACHE!, 'weights', weightFiles[name])
    mkdirSync(dirname(path), { recursive: true })
    writeSafetensors(path, new Map(tensors))
  }
  const weightFiles = {
    tf_efficientnet_lite0: 'efficientnet-lite0-57934424.pth',
    tf_efficientnet_lite1: 'efficientnet-lite1-77cc7160.pth',
  }
  /** No host answers, and there is no Python. */
  function offline(t: TestContext) {
    t.mock.method(globalThis, 'fetch', async () => {
      throw new TypeError('fetch failed')
    })
    const path = process.env.PATH
    process.env.PATH = '/nowhere'
    t.after(() => {
      process.env.PATH = path
    })
  }
  const linesOf = ({ events }: Pick<Trained, 'events'>) =>
    events.flatMap(event => (event.type === 'line' ? [event.text] : []))
  const choiceOf = (events: readonly RunEvent[]) =>
    events.flatMap(event => (event.type === 'choice' && event.what === 'model' ? [event] : []))

  test('compares the nets whose weights are here, and names the others', async t => {
    offline(t)
    const run = await work.train('marks', 'auto', settings)
    const [choice] = choiceOf(run.events)
    assert.ok(['tf_efficientnet_lite0', 'tf_efficientnet_lite1'].includes(choice!.value), choice!.value)
    assert.equal(run.result.model, choice!.value)
    assert.equal(run.card.architecture, choice!.value)
    assert.match(
      choice!.reason,
      /in 5-fold probes on 39 training pictures: accuracy [\d.]+ % \(tf_efficientnet_lite[01]:/,
    )
    const table = linesOf(run)
    const row = (name: string) => table.find(line => line.startsWith(`${name} `))!
    for (const name of candidates) assert.ok(row(name), `${name} is not in the table`)
    for (const name of ['tf_efficientnet_lite0', 'tf_efficientnet_lite1'])
      assert.match(row(name), /32 px +[\d.]+ % +\d/)
    assert.match(row('tf_efficientnet_lite2'), /left out: its weights are not here, and there is no Python/)
    assert.match(row('resnet34'), /left out: its weights are not here, and download.pytorch.org does not answer/)
    const order = run.events.map(({ type }) => type)
    assert.ok(order.indexOf('scan') < order.indexOf('line'), 'the pictures are scanned before nets are compared')
    assert.equal(order.filter(type => type === 'scan').length, 1)
    const same = await work.train('marks', 'named', { ...settings, model: choice!.value as ModelName })
    assert.equal(work.digest('auto', 'best.safetensors'), work.digest('named', 'best.safetensors'), 'the same weights')
    assert.equal(choiceOf(same.events)[0]!.reason, 'as asked')
  })

  test('a resumed run does not choose again', async t => {
    offline(t)
    const stop = new AbortController()
    const seen: RunEvent[] = []
    const stopped = work.train('marks', 'stopped', settings, {
      signal: stop.signal,
      onEvent(event) {
        seen.push(event)
        if (event.type === 'phase' && event.phase !== 'scan') stop.abort()
      },
    })
    await assert.rejects(stopped)
    const [before] = choiceOf(seen)
    // Now the other net is the only one whose weights are here: a new choice would take it.
    const other = before!.value.endsWith('0') ? 'tf_efficientnet_lite1' : 'tf_efficientnet_lite0'
    const state = work.path('stopped', 'resume', 'state.json')
    assert.ok(existsSync(state), state)
    const kept = JSON.parse(readFileSync(state, 'utf8'))
    assert.equal(kept.answers.model.name, before!.value)
    kept.answers.model.name = other
    writeFileSync(state, JSON.stringify(kept))
    const resumed = await work.resume('stopped')
    assert.equal(resumed.result.model, other, 'the kept answer counts')
    assert.deepEqual(
      linesOf(resumed).filter(line => line.startsWith('tf_')),
      linesOf({ events: seen }).filter(line => line.startsWith('tf_')),
    )
  })

  test('the folds take the net of the first one', async t => {
    offline(t)
    const run = await work.train('marks', 'folds', { ...settings, folds: 2 })
    const choices = choiceOf(run.events)
    assert.equal(choices.length, 2)
    assert.equal(choices[1]!.value, choices[0]!.value)
    assert.equal(choices[1]!.reason, 'the first fold chose it')
    assert.equal(linesOf(run).filter(line => line.startsWith('model ')).length, 1, 'one table')
  })

  test('few pictures are not compared', async t => {
    offline(t)
    for (let n = 0; n < 18; n++) work.put({ [`few/${allMarks[n % 3]}/${n}.png`]: await marked(n, [allMarks[n % 3]!]) })
    const run = await work.train('few', 'few-run', settings)
    const [choice] = choiceOf(run.events)
    assert.equal(choice!.value, 'tf_efficientnet_lite0')
    assert.match(choice!.reason, /1\d training pictures are too few to compare nets by \(at least 20 are needed\)/)
    assert.deepEqual(
      linesOf(run).filter(line => line.startsWith('tf_')),
      [],
    )
  })

  test('the only net that can be had is taken without a probe', async t => {
    offline(t)
    rmSync(join(process.env.ANNEAL_CACHE!, 'weights', weightFiles.tf_efficientnet_lite0))
    t.after(() => keepWeights('tf_efficientnet_lite0'))
    const run = await work.train('marks', 'only', settings)
    const [choice] = choiceOf(run.events)
    assert.equal(choice!.value, 'tf_efficientnet_lite1')
    assert.match(choice!.reason, /the only candidate whose weights are here or can be fetched/)
  })

  test('weights that are cut off leave their net out', async t => {
    offline(t)
    const file = join(process.env.ANNEAL_CACHE!, 'weights', 'efficientnet-lite2-9656183e.pth')
    writeFileSync(file, 'no weights')
    t.after(() => rmSync(file))
    const run = await work.train('marks', 'cut', settings)
    const row = linesOf(run).find(line => line.startsWith('tf_efficientnet_lite2'))!
    assert.match(row, /left out: its weights can't be used: .*efficientnet-lite2/)
  })

  test('weights that cannot be fetched leave their net out, and their source is not asked again at once', async t => {
    offline(t)
    const { weights } = models.tf_efficientnet_lite2
    t.mock.method(weights, 'available', async () => true)
    const fetched = t.mock.method(weights, 'fetch', weights.fetch)
    const first = await work.train('marks', 'unfetched', settings)
    const row = (run: Trained) => linesOf(run).find(line => line.startsWith('tf_efficientnet_lite2'))!
    assert.match(row(first), /left out: its weights are not here: .*pip is not on the PATH/)
    const second = await work.train('marks', 'unfetched-again', settings)
    assert.match(row(second), /pip could not fetch any within the last hour/)
    assert.equal(fetched.mock.callCount(), 1)
  })
})
