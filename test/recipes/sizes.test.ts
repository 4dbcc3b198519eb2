import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { rng } from '../../src/base/random.ts'
import { model } from '../../src/models/index.ts'
import { batchThatFits, looker } from '../../src/recipes/prepare/batch-size.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { network } from '../../src/train/network.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { shapeFolder, workspace } from '../helpers/cli.ts'
import { runsFolder, small, type Trained } from '../helpers/recipe.ts'

const work = runsFolder()
// One cache: all runs use the same speed measurements, and so the same kernels.
const command = workspace({ cache: () => process.env.ANNEAL_CACHE })
// 38 training pictures in batches of 16: two steps an epoch. A head of two cycles and one epoch of the whole net are six
// steps a size.
const settings = { size: undefined, sizes: [32, 48], headCycles: 2, cycleLen: 1, epochs: 2 }
const train = (name: string, options = {}, hooks = {}) => work.train('shapes', name, { ...settings, ...options }, hooks)
let whole: Trained

before(async () => {
  await shapeFolder(work.path('shapes'), 16)
  whole = await train('whole')
})
after(() => {
  work.remove()
  command.remove()
})

/** A PNG of 64 pixels a side: noise, and on it a chessboard of single pixels. */
function chessboard(n: number, contrast: number): Promise<Buffer> {
  const random = rng(8, n, contrast)
  const level = (i: number) => 128 + contrast * ((i + (i >> 6)) % 2 ? 1 : -1) + random.uniform(-30, 30)
  const grey = Uint8Array.from({ length: 64 * 64 }, (_, i) => level(i))
  return sharp(grey, { raw: { width: 64, height: 64, channels: 1 } })
    .png()
    .toBuffer()
}

/** The weights, cards and results, and the history without times. */
const outcome = (run: string) => ({
  ...Object.fromEntries(
    ['best.safetensors', 'last.safetensors', 'best.json', 'last.json', 'interpret.json'].map(file => [
      file,
      work.digest(run, file),
    ]),
  ),
  epochs: readFileSync(work.path(run, 'metrics.csv'), 'utf8').replace(/,[\d.]+,(\d)$/gm, ',$1'),
  steps: events(run).flatMap(e => (e.type === 'batch' ? [[e.phase, e.size, e.step, e.loss, e.smooth, ...e.lrs]] : [])),
  choices: events(run).flatMap(e => (e.type === 'choice' ? [`${e.what}: ${e.value}`] : [])),
})
const events = (run: string): RunEvent[] =>
  readFileSync(work.path(run, 'events.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
const sameAsWhole = (run: string) => assert.deepEqual(outcome(run), outcome('whole'))

describe('training through sizes', () => {
  test('each size takes the steps: its head, then the whole net', () => {
    const phases = whole.events.flatMap(e => (e.type === 'phase' ? [[e.phase, e.size]] : []))
    const at = (size: number, names: string[]) => names.map(name => [name, size])
    const first = [['scan', undefined], ...at(32, ['features', 'find', 'head', 'whole', 'whole'])]
    assert.deepEqual(phases, [...first, ...at(48, ['features', 'head', 'whole', 'whole'])])
    const epochs = whole.events.flatMap(e => (e.type === 'epoch' ? [e.epoch] : []))
    assert.deepEqual(
      epochs,
      epochs.map((_, i) => i + 1),
    )
    const steps = whole.events.flatMap(e => (e.type === 'batch' ? [e.step] : []))
    assert.deepEqual(
      steps,
      steps.map((_, i) => i + 1),
    )
    const head = whole.events.filter(e => e.type === 'choice' && e.what === 'head rate')
    assert.equal(head.length, 2)
    assert.match(JSON.stringify(head[1]), /that of the size before/)
  })

  test('the report knows both sizes, and the card the one that the best weights are of', async () => {
    const { interpretation, card, result } = whole
    const { sizes } = interpretation
    assert.deepEqual(
      sizes!.map(s => s.size),
      [32, 48],
    )
    const best = sizes!.reduce((a, b) => (b.accuracy >= a.accuracy ? b : a))
    assert.deepEqual([card.preprocessing.size, result.metrics.accuracy!], [best.size, best.accuracy])
    assert.equal(card.preprocessing.short, Math.round(best.size / (224 / 256)))
    const classifier = loadClassifier(whole.dir, { task: 'single' })
    const { topLosses } = interpretation
    for (const { file, predicted, probability } of topLosses.slice(0, 3)) {
      const found = await classifier.predict(work.path('shapes', file))
      assert.equal(found.label, predicted)
      assert.ok(Math.abs(found.probability - probability) < 1e-4, `${found.probability}, ${probability}`)
    }
  })

  test('where a later size is worse, the weights and the size of the earlier one stay', async () => {
    // A chessboard of single pixels, which is plain grey at half the size.
    for (const [name, contrast] of [
      ['fine', 50],
      ['flat', 0],
    ] as const)
      for (let n = 0; n < 16; n++) work.put({ [`fine/${name}/${n}.png`]: await chessboard(n, contrast) })
    const options = { ...settings, sizes: [64, 32], epochs: 0, augment: 'none' }
    const { interpretation, card, result } = await work.train('fine', 'worse', options)
    const [first, second] = interpretation.sizes!
    assert.ok(first!.accuracy > second!.accuracy, `${first!.accuracy}, ${second!.accuracy}`)
    assert.deepEqual([card.preprocessing.size, result.metrics.accuracy!], [64, first!.accuracy])
    assert.equal(work.json('worse', 'last.json').preprocessing.size, 32)
  })

  test('the best weights are tried at a test size, and stay at it where they validate no worse there', async () => {
    const options = { size: 32, sizes: undefined, epochs: 0 }
    for (const testSize of [48, 96]) {
      const { events, card, result } = await train(`test-${testSize}`, { ...options, testSize })
      const told = events.find(e => e.type === 'choice' && e.what === 'test size')!
      const [value, reason] = told.type === 'choice' ? [told.value, told.reason] : []
      const [larger, own] = Array.from(reason!.matchAll(/([\d.]+) %, loss ([\d.]+) at/g), ([, a, l]) => [
        Number(a),
        Number(l),
      ])
      const better = larger![0]! > own![0]! || (larger![0] === own![0] && larger![1]! <= own![1]!)
      assert.equal(value, `${better ? testSize : 32} px`)
      assert.equal(card.preprocessing.size, better ? testSize : 32)
      assert.equal((100 * result.metrics.accuracy!).toFixed(1), (better ? larger : own)![0]!.toFixed(1))
    }
  })

  test('a net that is built for one size refuses others, with the reason', async () => {
    const vit = (sizes: number[]) => train('vit', { model: 'vit_b_16', sizes })
    await assert.rejects(
      vit([32, 48]),
      /vit_b_16 learns a position embedding for each patch.*built for one size.*got 32, 48/,
    )
    await assert.rejects(vit([40]), /multiple of 16, got 40/)
  })
})

describe('a run that is stopped in its second size goes on to the same bits', () => {
  const moments: [string, (event: RunEvent, before: RunEvent[]) => boolean][] = [
    ['features', (e, before) => e.type === 'phase' && e.phase === 'features' && before.some(b => b.type === 'batch')],
    ['head', e => e.type === 'batch' && e.phase === 'head' && e.size === 48],
    ['steps', e => e.type === 'batch' && e.phase === 'whole' && e.size === 48],
    ['cycle', e => e.type === 'epoch' && e.phase === 'whole' && e.size === 48],
  ]
  for (const [name, when] of moments)
    test(`Ctrl-C in its ${name}`, async () => {
      const stop = new AbortController()
      const seen: RunEvent[] = []
      const onEvent = (event: RunEvent) => {
        if (when(event, seen)) stop.abort()
        seen.push(event)
      }
      await assert.rejects(train(name, {}, { signal: stop.signal, onEvent }), { name: 'AbortError' })
      await work.resume(name)
      sameAsWhole(name)
    })

  test('kill -9', async () => {
    const args = ['--model', small.model!, '--no-pretrained', '--batch', '16', '--views', '1', '--lr', '1e-3']
    args.push('--precision', 'float32', '--sizes', '32,48', '--head-cycles', '2', '--cycle-len', '1', '--epochs', '2')
    const killed = await command.run(['train', work.path('shapes'), ...args, '--json', '--out', work.path('killed')], {
      onLine(line, child) {
        const event = JSON.parse(line) as RunEvent
        if (event.type === 'epoch' && event.phase === 'whole' && event.size === 48) child.kill('SIGKILL')
      },
    })
    assert.equal(killed.signal, 'SIGKILL', killed.stderr)
    await work.resume('killed')
    sameAsWhole('killed')
  })
})

describe('a batch that fits into memory', () => {
  const net = network(model('squeezenet1_1').build({ classes: 0, size: 64 }), 3)
  const fitting = (size: number, free: number) => batchThatFits(net, { wanted: 32, shape: [3, size, size] }, free)

  test('is as wanted where there is room, and smaller with a reason where there is not', () => {
    assert.deepEqual(fitting(64, 16e9), { batchSize: 32 })
    const sizes = [64, 128, 256, 512].map(size => fitting(size, 100e6))
    assert.ok(
      sizes.some(({ batchSize }) => batchSize > 2 && batchSize < 32),
      'sizes.some(({ batchSize }) => batchSize > 2 && batchSize < 32)',
    )
    for (const [i, { batchSize, reason }] of sizes.entries()) {
      assert.ok(
        batchSize <= (sizes[i - 1]?.batchSize ?? 32),
        `batchSize <= (sizes[i - 1]?.batchSize ?? 32), got ${batchSize}`,
      )
      if (batchSize < 32) assert.match(reason!, /an input of [\d × ]+ takes about .* in a step, and .* are free/)
    }
    assert.equal(fitting(512, 1e6).batchSize, 2)
  })

  test('is found by a black picture once for a body, a size and a number of channels', () => {
    const { body } = net
    const seen: string[] = []
    const look = (channels: number, of = body) =>
      looker('a-net', of)(`bytes at ${channels}x64x64`, () => {
        seen.push(`${channels}`)
        return channels
      })
    assert.deepEqual([look(3), look(3), look(4), look(3)], [3, 3, 4, 3])
    assert.equal(look(3, model('mobilenet_v2').build({ classes: 0, size: 64 })), 3, 'other weights')
    assert.deepEqual(seen, ['3', '4', '3'])
    writeFileSync(work.path('cache', 'shapes', 'a-net.json'), 'torn {')
    assert.equal(look(3), 3)
    assert.equal(seen.length, 4)
    const bytes = (l?: ReturnType<typeof looker>) =>
      batchThatFits(net, { wanted: 32, shape: [3, 96, 96], ...(l ? { look: l } : {}) }, 5e7)
    assert.deepEqual(bytes(looker('a-net', body)), bytes())
    assert.deepEqual(bytes(looker('a-net', body)), bytes())
  })

  test('is said in a run, once, and stays when the run goes on with more', async () => {
    const before = os.freemem
    const free = (of: () => number) => {
      os.freemem = of
      syncBuiltinESMExports()
    }
    const stop = new AbortController()
    const onEvent = (event: RunEvent) => event.type === 'epoch' && event.phase === 'whole' && stop.abort()
    free(() => 4e6)
    try {
      await train('little', { sizes: [32] })
      await assert.rejects(train('less', { sizes: [32] }, { signal: stop.signal, onEvent }))
    } finally {
      free(before)
    }
    const said = (run: string) =>
      events(run).flatMap(e => (e.type === 'choice' && e.what === 'batch' ? [`${e.value} (${e.reason})`] : []))
    assert.equal(said('little').length, 1)
    assert.match(said('little')[0]!, /^\d pictures \(an input of 3 × 32 × 32 takes about .*, and 4.* MB are free\)$/)
    await work.resume('less')
    assert.deepEqual(outcome('less'), outcome('little'))
  })
})
