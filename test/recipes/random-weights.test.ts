import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { TrainHooks, TrainOptions } from '../../src/api/index.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { shapeFolder } from '../helpers/cli.ts'
import { runsFolder, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
after(() => work.remove())

// 57 training pictures in batches of 16: four steps an epoch.
const settings: TrainOptions = { size: 32, views: undefined, lr: undefined, epochs: 3, seed: 1 }
const train = (name: string, options: TrainOptions = {}, hooks: TrainHooks = {}) =>
  work.train('shapes', name, { ...settings, ...options }, hooks)

const phases = (events: readonly RunEvent[]) => events.flatMap(e => (e.type === 'phase' ? [e.phase] : []))
const choices = (events: readonly RunEvent[], what: string) =>
  events.flatMap(e => (e.type === 'choice' && e.what === what ? [`${e.value}: ${e.reason}`] : []))

let whole: Trained
before(async () => {
  await shapeFolder(work.path('shapes'))
  whole = await train('whole', { model: 'resnet18' }) // with BatchNorm; the others are smaller, and quicker
})

describe('a net from random weights', () => {
  test('is trained as a whole from its first step, at a rate that is found for it, without an average', () => {
    assert.deepEqual(phases(whole.events), ['scan', 'find', 'whole', 'whole'])
    const find = whole.events.find(e => e.type === 'lrFind')!
    assert.ok(find.type === 'lrFind' && find.phase === 'whole', `find.type === 'lrFind' && find.phase === 'whole'`)
    assert.ok(
      Math.abs(find.lrs[0]! - 1e-5) < 1e-12 && find.lrs.at(-1)! <= 1 + 1e-9 && find.lrs.length <= 30,
      'Math.abs(find.lrs[0]! - 1e-5) < 1e-12 && find.lrs.at(-1)! <= 1 + 1e…',
    )
    const rates = whole.events.flatMap(e => (e.type === 'batch' && e.step === 1 ? [e.lrs] : []))[0]!
    for (const rate of rates) assert.ok(Math.abs(rate - Math.min(find.chosen, 3e-3)) < 1e-12, `${rates}`)
    assert.match(choices(whole.events, 'unfreeze')[0]!, /from random weights trains all layers from the start/)
    assert.match(choices(whole.events, 'weights')[0]!, /^not averaged/)
    assert.match(choices(whole.events, 'weights kept')[0]!, /^from epoch \d/)
    const losses = whole.events.flatMap(e => (e.type === 'epoch' ? [e.trainLoss] : []))
    assert.equal(losses.length, 3)
    assert.ok(Math.abs(find.losses[0]! - Math.log(3)) < 0.2, `of three classes, with outputs near 0: ${find.losses[0]}`)
    assert.ok(losses.at(-1)! < losses[0]!, `${losses}`)
    assert.ok(existsSync(work.path('whole', 'best.safetensors')), `existsSync(work.path('whole', 'best.safetensors'))`)
  })

  test('has a head of its own first where the settings ask for one', async () => {
    for (const asked of [{ views: 0 }, { headCycles: 1 }, { headLr: 1e-2 }, { epochs: 0 }] satisfies TrainOptions[]) {
      const name = Object.keys(asked)[0]!
      const { events } = await train(name, { epochs: 1, lr: 1e-3, ...asked })
      assert.ok(phases(events).includes('head'), name)
    }
  })

  test('goes on after Ctrl-C in its search and in its first epoch, to the same bits', async () => {
    const moments: Record<string, (e: RunEvent) => boolean> = {
      search: e => e.type === 'phase' && e.phase === 'find',
      epoch: e => e.type === 'batch' && e.step === 2,
    }
    const uninterrupted = await train('uninterrupted')
    for (const [name, when] of Object.entries(moments)) {
      const stop = new AbortController()
      const onEvent = (event: RunEvent) => when(event) && stop.abort()
      await assert.rejects(train(name, {}, { signal: stop.signal, onEvent }), { name: 'AbortError' })
      const { result } = await work.resume(name)
      assert.equal(result.epochs, uninterrupted.result.epochs)
      for (const file of ['best.safetensors', 'last.safetensors'])
        assert.equal(work.digest(name, file), work.digest('uninterrupted', file), `${name}: ${file}`)
      const history = (run: string) =>
        readFileSync(work.path(run, 'metrics.csv'), 'utf8').replace(/,[\d.]+,(\d)$/gm, ',$1')
      assert.equal(history(name), history('uninterrupted'), name)
    }
  })

  test('at the next size goes on as a trained one: a head of its own, its rate from that, an average', async () => {
    const { events, result } = await train('sizes', { size: undefined, sizes: [32, 48], epochs: 1 })
    assert.deepEqual(
      phases(events).filter(phase => phase !== 'test'),
      ['scan', 'find', 'whole', 'features', 'find', 'head', 'whole'],
    )
    assert.match(choices(events, 'rates')[1]!, /of the head's/)
    assert.match(choices(events, 'weights').at(-1)!, /^averaged/)
    assert.ok(result.epochs > 2, `result.epochs > 2, got ${result.epochs}`)
  })

  test('and too little time for one epoch is an error that says so', async () => {
    await assert.rejects(
      train('hurry', { minutes: 1e-3, epochs: undefined }),
      /leaves no time for one epoch, which takes about \d+ s here; give more minutes/,
    )
  })
})
