import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import type { TrainOptions } from '../../src/api/index.ts'
import { checkFiles } from '../../src/export/check-files.ts'
import { checkFile, exportModel } from '../../src/export/export-model.ts'
import { type Card, readCard } from '../../src/onnx/index.ts'
import { load, type Prediction } from '../../src/runtime/node.ts'
import type { ModelCard } from '../../src/vision/inference/saved.ts'
import { allMarks, disc, marked, type RunsFolder, runsFolder } from '../helpers/recipe.ts'

let at: RunsFolder
before(async () => {
  at = runsFolder()
  const files: Record<string, Buffer> = {}
  const rows = ['file,labels']
  const ages = ['file,age']
  for (let n = 0; n < 24; n++) {
    const mark = allMarks[n % 3]!
    const side = 30 + 7 * (n % 5) // smaller and larger than the 37 pixels that the net's pictures are resized to
    // Enlarged alone: where noise is made smaller, a pixel of 255 levels may be one level off, and random weights of so
    // small a net make more of it than the bound.
    const few = 30 + (n % 8)
    files[`classes/${mark}/${n}.png`] = await marked(n, [mark], side)
    files[`grey/${mark}/${n}.png`] = await sharp(await marked(n, [mark], few))
      .removeAlpha()
      .toColourspace('b-w')
      .png()
      .toBuffer()
    const names = allMarks.filter((_, i) => (n >> i) & 1)
    files[`multi/${n}.png`] = await marked(100 + n, names, side)
    rows.push(`${n}.png,${names.join(' ')}`)
    files[`numbers/${n}.png`] = await disc(n, 40 + 8 * n, 6 + (n % 6), few)
    ages.push(`${n}.png,${1000 + 80 * n}`)
  }
  at.put({ ...files, 'multi.csv': rows.join('\n'), 'numbers.csv': ages.join('\n') })
})
after(() => at.remove())

const once: TrainOptions = { epochs: 1, seed: 3 }

/** Trains, exports with the check, and says what every export must hold. */
async function exported(data: string, name: string, options: TrainOptions = {}) {
  const { dir, card: own } = await at.train(data, name, { ...once, ...options })
  const { file, bytes, card } = await exportModel(dir)
  const content = readFileSync(file)
  assert.equal(content.length, bytes, 'bytes')
  assert.deepEqual(readCard(content, file), card, 'the card in the file')
  assert.deepEqual(
    card.checks!.map(c => c.runtime.split(' ')[0]),
    ['onnxruntime-node', 'onnxruntime-web'],
  )
  for (const check of card.checks!) {
    assert.ok(
      check.files > 0 && check.same === 1,
      `${check.runtime}: ${check.same} of ${check.files} labels are the same`,
    )
    assert.ok(check.differenceOnPixels! <= 1e-4, `${check.runtime}: ${check.differenceOnPixels} on equal pixels`)
    assert.ok(check.differenceOnFiles <= 0.02, `${check.runtime}: ${check.differenceOnFiles} on files`)
    assert.ok(Number.isFinite(check.trained) && Math.abs(check.trained - check.exported) < 1e-3, `${check.trained}`)
  }
  assert.deepEqual(card.classes, own.classes)
  await asOnValidation(dir, own, card, content)
  const { probes } = await checkFile(file, { run: dir })
  for (const { name, difference } of probes) assert.ok(difference < 1e-3, `${name}: the probe differs by ${difference}`)
  return { dir, file, card, content }
}

/** The card says what the exported model predicts on the validation pictures. */
async function asOnValidation(dir: string, own: ModelCard, card: Card, content: Uint8Array) {
  const { places, part } = await checkFiles(dir, own, { most: 1000 })
  if (part === 'train') return
  const model = await load(content, { kind: 'picture', threads: 1 })
  const answers = await model.predict(places.map(({ file }) => file))
  await model.dispose()
  const mean = (of: (one: Prediction) => number) => answers.reduce((sum, one) => sum + of(one), 0) / answers.length
  const { pictures, labels, confidence, values } = card.validation!
  assert.equal(pictures, places.length, 'pictures')
  const near = (a: number, b: number, what: string) =>
    assert.ok(Math.abs(a - b) <= 1e-3 * Math.max(1, Math.abs(b)), `${what}: the card has ${a}, the file gives ${b}`)
  for (const [c, name] of card.classes.entries())
    if (card.task === 'regression')
      near(
        values!.mean[c]!,
        mean(one => one.scores[c]!),
        name,
      )
    else {
      const given = (one: Prediction) =>
        'label' in one ? one.label === name : 'labels' in one && one.labels.includes(name)
      near(
        labels![c]!,
        mean(one => Number(given(one))),
        name,
      )
    }
  if (card.task === 'regression') return
  const sure = (one: Prediction) =>
    one.task === 'single' ? one.probability : one.scores.reduce((a, b) => a + b, 0) / one.scores.length
  near(confidence!, mean(sure), 'confidence')
}

test('one label: the file, its card, the keys of other tools, and fewer bytes', async () => {
  const { dir, file, card, content } = await exported('classes', 'single')
  assert.equal(card.task, 'single')
  assert.equal(card.licence, 'BSD-3-Clause')
  assert.ok(card.metrics.valid.accuracy?.interval, 'accuracy has an interval')
  assert.match(card.digests.data!, /^[0-9a-f]{64}$/)
  const head = content.subarray(0, 6000).toString()
  assert.ok(head.includes("{0: 'blue', 1: 'green', 2: 'red'}") && head.includes('[32, 32]'), head.slice(0, 300))
  const half = await exportModel(dir, { out: at.path('half.onnx'), weights: 'float16' })
  assert.ok(half.bytes < 0.6 * content.length, `${half.bytes} of ${content.length} bytes`)
  const net = await exportModel(dir, { net: true })
  assert.ok(net.file.endsWith('net.onnx') && net.card.input.name === 'pixels', net.file)
  await assert.rejects(checkFile(net.file), /holds the net alone/)
  assert.ok(existsSync(file), 'the whole model is still there')
})

test('several labels, with thresholds', async () => {
  const { card, content } = await exported('multi', 'many', { labels: at.path('multi.csv'), task: 'multi' })
  assert.equal(card.task, 'multi')
  assert.equal(card.thresholds!.length, 3)
  const text = content.toString('latin1')
  const other = text.replace(/("thresholds":\[0\.)(\d)/, (_, head, digit) => `${head}${(Number(digit) + 3) % 10}`)
  writeFileSync(at.path('other.onnx'), Buffer.from(other, 'latin1'))
  await assert.rejects(checkFile(at.path('other.onnx')), /its card is not its own: the card has the thresholds 0\./)
})

test('numbers, in their units', async () => {
  const { card } = await exported('numbers', 'numbers-run', { labels: at.path('numbers.csv'), targets: ['age'] })
  assert.equal(card.task, 'regression')
  assert.ok(card.probe!.outputs[0]! > 100, `the probe is ${card.probe!.outputs[0]}, in years`)
})

test('an average of folds is one file, checked on training pictures', async () => {
  const { card } = await exported('classes', 'folds', { folds: 2 })
  assert.equal(card.architectures.length, 2)
  assert.equal(card.digests.weights.length, 2)
  assert.equal(card.features, undefined)
  assert.equal(card.checks![0]!.part, 'train')
})

test('grey pictures with one channel', async () => {
  const { card } = await exported('grey', 'grey-run', { channels: 'keep' })
  assert.equal(card.input.channels, 1)
})

test('bad input: what is wrong, and what to do', async () => {
  mkdirSync(at.path('empty'))
  await assert.rejects(exportModel(at.path('empty')), /there is no saved model here/)
  const { dir, file, content } = await exported('classes', 'bad')
  const put = (name: string, bytes: Uint8Array) => {
    writeFileSync(at.path(name), bytes)
    return at.path(name)
  }
  for (const share of [0.1, 0.5, 0.9, 0.999]) {
    const cut = put('cut.onnx', content.subarray(0, Math.floor(share * content.length)))
    await assert.rejects(checkFile(cut), /cut off/, `${share} of the file`)
  }
  await assert.rejects(checkFile(put('text.onnx', Buffer.from('not a model'))), /is no ONNX file/)
  await assert.rejects(checkFile(put('none.onnx', Buffer.alloc(0))), /is no ONNX file/)
  await assert.rejects(checkFile(at.path('missing.onnx')), /missing\.onnx/)
  const foreign = put('foreign.onnx', Buffer.from('mine'))
  await assert.rejects(exportModel(dir, { out: foreign }), /exists and is no exported model/)
  assert.equal(readFileSync(foreign, 'utf8'), 'mine', 'it is as it was')
  const newer = put(
    'newer.onnx',
    Buffer.from(content.toString('latin1').replace('"version":1', '"version":9'), 'latin1'),
  )
  await assert.rejects(checkFile(newer), /its card has version 9/)
  // A pair of weights is other than that of the run: the check of the file finds it.
  const other = await at.train('classes', 'other', { ...once, seed: 4, lr: 0.05 })
  await assert.rejects(checkFile(file, { run: other.dir }), /does not answer as/)
  await assert.rejects(exportModel(dir, { data: at.path('multi') }), /./)
  const alone = at.path('alone')
  mkdirSync(alone)
  for (const name of ['best.json', 'best.safetensors']) copyFileSync(`${dir}/${name}`, `${alone}/${name}`)
  await assert.rejects(exportModel(`${alone}/best.json`), /--no-check/)
  assert.deepEqual(readdirSync(alone).sort(), ['best.json', 'best.safetensors'], 'nothing is written')
  const unchecked = await exportModel(`${alone}/best.json`, { check: false })
  assert.equal(unchecked.card.checks, undefined)
})
