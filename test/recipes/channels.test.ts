import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { evaluateFolder } from '../../src/api/evaluate.ts'
import { rng } from '../../src/base/random.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { npy, tiff } from '../helpers/channels.ts'
import { workspace } from '../helpers/cli.ts'
import { runsFolder } from '../helpers/recipe.ts'

const work = runsFolder()
const command = workspace()
after(() => {
  work.remove()
  command.remove()
})

const side = 36
const by = { epochs: 0, headCycles: 1 }
const near = (found: number, expected: number, what = '', within = 1e-5) =>
  assert.ok(Math.abs(found - expected) < within, `${what}: ${found}, expected ${expected}`)

/** Bytes [side, side, channels]: noise, brighter by 60 in the channels of the class. */
function values(n: number, channels: number, bright: readonly number[]): Uint8Array {
  const random = rng(21, n, channels)
  return Uint8Array.from(
    { length: side * side * channels },
    (_, i) => random.uniform(30, 150) + (bright.includes(i % channels) ? 60 : 0),
  )
}
const asNpy = (data: Uint8Array, channels: number) =>
  npy(`{'descr': '|u1', 'fortran_order': False, 'shape': (${side}, ${side}, ${channels}), }`, data)
const asPng = (data: Uint8Array, channels: 1 | 3) =>
  sharp(data, { raw: { width: side, height: side, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer()
const classes = ['left', 'right'] as const
/** Class folders of 18 pictures each. */
async function pictures(
  dir: string,
  make: (n: number, right: boolean) => Promise<Uint8Array> | Uint8Array,
  end: string,
) {
  for (let n = 0; n < 36; n++) work.put({ [`${dir}/${classes[n % 2]}/${n}.${end}`]: await make(n, n % 2 === 1) })
}

describe('grey pictures', () => {
  const grey = (n: number, right: boolean) => values(n, 1, right ? [0] : [])
  before(async () => {
    await pictures('grey', (n, right) => asPng(grey(n, right), 1), 'png')
    const three = (data: Uint8Array) => Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!)
    await pictures('colour', (n, right) => asPng(three(grey(n, right)), 3), 'png')
    await pictures('array', (n, right) => asNpy(grey(n, right), 1), 'npy')
  })

  test('are copied up to three channels: the same as pictures that are grey in colour', async () => {
    const [one, three] = [await work.train('grey', 'one', by), await work.train('colour', 'three', by)]
    assert.equal(work.digest('one', 'best.safetensors'), work.digest('three', 'best.safetensors'))
    assert.deepEqual(one.result.metrics, three.result.metrics)
    const { preprocessing } = one.card
    assert.deepEqual([preprocessing.channels, preprocessing.mode, preprocessing.mean.length], [3, undefined, 3])
    assert.ok(one.result.metrics.accuracy! > 0.9, `${one.result.metrics.accuracy!}`)
    assert.ok(!one.events.some(e => e.type === 'choice' && e.what === 'channels'), 'nothing to be said')
  })

  test('of an array are copied too, and a picture of another format is one like it', async () => {
    const found = await work.train('array', 'array-run', by)
    assert.equal(found.card.preprocessing.channels, 3)
    const [a, b] = [
      await loadClassifier(found.dir, { task: 'single' }).predict(work.path('grey/left/0.png')),
      await loadClassifier(found.dir, { task: 'single' }).predict(work.path('array/left/0.npy')),
    ]
    for (const name of classes) near(a.probabilities[name]!, b.probabilities[name]!, name)
  })

  test('of twelve bits are scaled by what they hold, and so is what is predicted', async () => {
    const deep = (n: number, right: boolean) =>
      tiff({ height: side, width: side, pages: [Uint16Array.from(grey(n, right), v => 16 * v + 15)] })
    await pictures('deep', deep, 'tif')
    const { card, dir, result } = await work.train('deep', 'deep-run', by)
    const { mode, channels, range } = card.preprocessing
    assert.deepEqual([mode, channels, range], ['copy', 3, [0, 4095]])
    assert.ok(result.metrics.accuracy! > 0.9, `${result.metrics.accuracy!}`)
    for (const [n, label] of classes.entries())
      assert.equal(
        (await loadClassifier(dir, { task: 'single' }).predict(work.path('deep', label, `${n}.tif`))).label,
        label,
      )
    assert.ok(
      (await evaluateFolder(dir, work.path('deep'))).metrics.accuracy! > 0.9,
      `(await evaluateFolder(dir, work.path('deep'))).metrics.accuracy! > 0.9`,
    )
  })

  test('are kept as one channel where that is asked for', async () => {
    const { card, events, dir } = await work.train('grey', 'kept-one', { ...by, channels: 'keep' })
    const { mode, channels, mean, std } = card.preprocessing
    assert.deepEqual([mode, channels, mean.length, std.length], ['keep', 1, 1, 1])
    const choice = events.find(e => e.type === 'choice' && e.what === 'channels')
    assert.match(JSON.stringify(choice), /keep, 1 channel of 8 bits.*as asked/)
    const predict = (file: string) => loadClassifier(dir, { task: 'single' }).predict(work.path(file))
    assert.equal((await predict('grey/right/1.png')).label, 'right')
    await assert.rejects(predict('colour/right/1.png'), /1\.png has 3 channels; the model was trained on 1/)
  })
})

describe('channels that are kept', () => {
  // The brighter of two channels shows the class.
  const data = (n: number, right: boolean, channels: number) => values(n, channels, right ? [channels - 1] : [0])
  const stacked = (n: number, right: boolean) => {
    const all = data(n, right, 6)
    const page = (c: number) => Uint8Array.from({ length: side * side }, (_, i) => all[6 * i + c]!)
    return tiff({ height: side, width: side, pages: [0, 1, 2, 3, 4, 5].map(page) })
  }
  const kinds: [channels: number, make: (n: number, right: boolean) => Uint8Array, end: string][] = [
    [2, (n, right) => asNpy(data(n, right, 2), 2), 'npy'],
    [4, (n, right) => asNpy(data(n, right, 4), 4), 'npy'],
    [6, stacked, 'tif'],
  ]
  for (const [channels, make, end] of kinds)
    test(`${channels} of them, found in .${end} files: head and whole net, the card, the prediction`, async () => {
      const dir = `of-${channels}`
      await pictures(dir, make, end)
      const run = await work.train(dir, `run-${channels}`, { ...by, epochs: 1, cycleLen: 1, augment: 'side-on' })
      const { mode, mean, std, ...card } = run.card.preprocessing
      assert.deepEqual([mode, card.channels, mean.length, std.length], ['keep', channels, channels, channels])
      assert.ok(run.result.metrics.accuracy! > 0.9, `${run.result.metrics.accuracy!}`)
      const told = run.events.flatMap(e => (e.type === 'choice' ? [`${e.what}: ${e.value}; ${e.reason}`] : []))
      assert.ok(
        told.some(t => new RegExp(`^channels: keep, ${channels} channels of 8 bits; all 36 examined pictures`).test(t)),
        `${told}`,
      )
      assert.ok(
        told.some(t => t.startsWith(`normalisation: ${channels} channels; the pictures' own over `)),
        `the normalisation of ${channels} channels is said`,
      )
      // Noise from 30 to 150 has the mean 90; a channel is brighter by 60 in half of the pictures, or in none.
      for (const [c, m] of mean.entries()) near(m, (c === 0 || c === channels - 1 ? 120 : 90) / 255, `mean ${c}`, 0.02)
      for (const [n, label] of classes.entries()) {
        const found = await loadClassifier(run.dir, { task: 'single' }).predict(work.path(dir, label, `${n}.${end}`))
        assert.equal(found.label, label)
      }
      const { metrics } = await evaluateFolder(run.dir, work.path(dir))
      assert.ok(metrics.accuracy! > 0.9, `metrics.accuracy! > 0.9, got ${metrics.accuracy!}`)
    })

  test('a picture with another number of them is refused by predict and evaluate', async () => {
    const wrong = work.path('of-4/left/0.npy')
    await assert.rejects(loadClassifier(work.path('run-2'), { task: 'single' }).predict(wrong), {
      name: 'AnnealError',
      message: /0\.npy has 4 channels; the model was trained on 2\. Use pictures like those of its training/,
    })
    const { code, stdout, stderr } = await command.run(['predict', work.path('run-2'), wrong])
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^anneal: .*0\.npy has 4 channels; the model was trained on 2/)
    for (const [run, dir] of [
      ['run-2', 'of-4'],
      ['run-6', 'of-2'],
    ] as const)
      await assert.rejects(evaluateFolder(work.path(run), work.path(dir)), {
        name: 'AnnealError',
        message: new RegExp(`${dir.at(-1)} channels.*the model was trained on ${run.at(-1)}`),
      })
  })

  test('of different numbers in one folder are refused before training, with who has which', async () => {
    await pictures('mixed', (n, right) => asNpy(data(n, right, n === 5 ? 5 : 4), n === 5 ? 5 : 4), 'npy')
    await assert.rejects(work.train('mixed', 'mixed-run', by), {
      name: 'AnnealError',
      message: /35 with 4 channels of 8 bits \(.*\), 1 with 5 channels of 8 bits \(.*right\/5\.npy\)/,
    })
  })
})

describe('one file a channel', () => {
  const endings = ['_DAPI', '_GFP']
  before(async () => {
    for (let n = 0; n < 36; n++)
      for (const [c, ending] of endings.entries()) {
        const bright = values(2 * n + c, 1, n % 2 === c ? [0] : [])
        work.put({ [`cells/${classes[n % 2]}/${n}${ending}.png`]: await asPng(bright, 1) })
      }
  })

  test('the files of a picture are its channels, in training, predict and evaluate', async () => {
    const { card, events, result, dir } = await work.train('cells', 'cells-run', { ...by, channelFiles: endings })
    const { bands, channels, mode } = card.preprocessing
    assert.deepEqual([bands, channels, mode], [endings, 2, 'keep'])
    const scan = events.find(e => e.type === 'scan')!
    assert.equal(
      scan.classes.reduce((sum, c) => sum + c.train + c.valid, 0),
      36,
    )
    assert.ok(result.metrics.accuracy! > 0.9, `${result.metrics.accuracy!}`)
    const classifier = loadClassifier(dir, { task: 'single' })
    const [a, b] = [
      await classifier.predict(work.path('cells/left/0_DAPI.png')),
      await classifier.predict(work.path('cells/left/0_GFP.png')),
    ]
    assert.equal(a.label, 'left')
    assert.deepEqual(b.probabilities, a.probabilities)
    const { samples: pictures, metrics } = await evaluateFolder(dir, work.path('cells'))
    assert.equal(pictures, 36)
    assert.ok(metrics.accuracy! > 0.9, `metrics.accuracy! > 0.9, got ${metrics.accuracy!}`)
    const listed = await command.run(['predict', dir, work.path('cells/right'), '--json'])
    const labels = listed.stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line).label)
    assert.equal(labels.length, 18)
    assert.ok(labels.filter(l => l === 'right').length > 16, `labels.filter(l => l === 'right').length > 16`)
  })

  test('a file alone says which one is missing', async () => {
    work.put({ 'lonely/1_DAPI.png': await asPng(values(1, 1, []), 1) })
    const predict = loadClassifier(work.path('cells-run'), { task: 'single' }).predict(work.path('lonely/1_DAPI.png'))
    await assert.rejects(
      predict,
      /1_GFP\.png is not there; the model was trained on pictures with one file per channel/,
    )
  })
})
