import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import type { TrainOptions } from '../../src/api/index.ts'
import { quantization } from '../../src/cli/quantization.ts'
import { checkFile, exportModel } from '../../src/export/export-model.ts'
import { readCard } from '../../src/onnx/index.ts'
import { readWeights, writeSafetensors } from '../../src/weights/index.ts'
import { allMarks, disc, marked, type RunsFolder, runsFolder } from '../helpers/recipe.ts'

let at: RunsFolder
before(async () => {
  at = runsFolder()
  const files: Record<string, Buffer> = {}
  const rows = ['file,labels']
  const ages = ['file,age']
  for (let n = 0; n < 45; n++) {
    const mark = allMarks[n % 3]!
    const side = 30 + 7 * (n % 5)
    files[`classes/${mark}/${n}.png`] = await marked(n, [mark], side)
    files[`grey/${mark}/${n}.png`] = await sharp(await marked(n, [mark], side))
      .removeAlpha()
      .toColourspace('b-w')
      .png()
      .toBuffer()
    const names = allMarks.filter((_, i) => (n >> i) & 1)
    files[`multi/${n}.png`] = await marked(100 + n, names, side)
    rows.push(`${n}.png,${names.join(' ')}`)
    files[`numbers/${n}.png`] = await disc(n, 40 + 3 * n, 6 + (n % 6), side)
    ages.push(`${n}.png,${1000 + 80 * n}`)
  }
  at.put({ ...files, 'multi.csv': rows.join('\n'), 'numbers.csv': ages.join('\n') })
})
after(() => at.remove())

/** After four epochs the decisions of a net are close to even, and which of them rounding turns depends on the kernels in use. */
const sure = { epochs: 12 }

/** Trains, quantises, and says what every quantised file must hold. */
async function quantised(data: string, name: string, options: TrainOptions = {}, net = false) {
  const { dir } = await at.train(data, name, { epochs: 4, seed: 3, precision: 'float32', ...options })
  const whole = await exportModel(dir, { check: false })
  const { file, bytes, card } = await exportModel(dir, { quantize: true, net, out: at.path(`${name}.onnx`) })
  const q = card.quantization!
  assert.deepEqual(readCard(readFileSync(file), file), card, 'the card in the file')
  assert.equal(card.weights, 'quantized')
  assert.ok(bytes < whole.bytes, `${bytes} of ${whole.bytes} bytes`)
  assert.ok(q.bytes.quantized < q.bytes.float32, `the net alone: ${JSON.stringify(q.bytes)}`)
  assert.ok(q.loss.cost[1] <= q.loss.allowed && q.loss.cost[0] <= q.loss.cost[1], JSON.stringify(q.loss))
  assert.ok(q.metric.cost[1] <= q.metric.allowed, JSON.stringify(q.metric))
  assert.ok(q.float32.length <= q.layers / 2, `${q.float32}`)
  assert.deepEqual(
    q.milliseconds.map(({ runtime }) => runtime.split(' ')[0]),
    ['onnxruntime-node', 'onnxruntime-web'],
  )
  for (const check of card.checks!) {
    const by = check.loss!.after - check.loss!.before
    assert.ok(by <= check.loss!.allowed, `${check.runtime}: ${JSON.stringify(check)}`)
    assert.ok(Math.abs(by - (q.loss.after - q.loss.before)) < 0.1, `${check.runtime} as on the net alone: ${by}`)
  }
  const said = quantization(q, card.task)
  assert.ok(said.includes(`${q.layers}`) && said.includes('ms per picture'), said)
  return { dir, card, q, file }
}

test('one label: integers on training pictures, checked on validation pictures', async () => {
  const { dir, q, card, file } = await quantised('classes', 'single', sure)
  assert.equal(q.part, 'valid')
  assert.equal(q.layers, 26)
  assert.equal(q.calibration, 36, 'all training pictures, and no others')
  assert.equal(q.samples, card.checks![0]!.files)
  assert.ok(q.float32.length > 0 || q.bytes.quantized < 0.35 * q.bytes.float32, JSON.stringify(q.bytes))
  const { checks } = await checkFile(file, { run: dir })
  assert.ok(checks.length === 2 && checks[0]!.loss, 'it can be checked again')
  await assert.rejects(exportModel(dir, { quantize: true, weights: 'float16' }), /weights: "float16".* quantize/)
})

test('several labels', async () => {
  const { q } = await quantised('multi', 'many', { labels: at.path('multi.csv'), task: 'multi', ...sure })
  assert.equal(q.metric.name, 'mAP')
})

test('numbers, in their units', async () => {
  const { card } = await quantised('numbers', 'regression', { labels: at.path('numbers.csv'), targets: ['age'] })
  assert.ok(card.checks![0]!.differenceOnFiles < 1, 'in standard deviations')
})

test('an average of folds, which leave no validation pictures', async () => {
  const { q } = await quantised('classes', 'folds', { folds: 2 })
  assert.equal(q.part, 'train')
  assert.equal(q.layers, 52)
})

test('grey pictures with one channel, the net alone', async () => {
  const { card } = await quantised('grey', 'grey-run', { channels: 'keep', ...sure }, true)
  assert.deepEqual([card.input.channels, card.input.name], [1, 'pixels'])
})

test('a net that does not bear it is refused, and the error shows the best; no file is written', async () => {
  const { dir } = await at.train('classes', 'fragile', { epochs: 4, seed: 3 })
  // The same function in float32: a channel that is 100,000 times as large as the others, and weights as much smaller.
  const path = `${dir}/best.safetensors`
  const tensors = readWeights(path)
  const scale = (name: string, by: number, chosen: (i: number, shape: readonly number[]) => boolean) => {
    const stored = tensors.get(name)!
    const values = new Float32Array(stored.data.slice().buffer)
    for (let i = 0; i < values.length; i++) if (chosen(i, stored.shape)) values[i]! *= by
    tensors.set(name, { ...stored, data: new Uint8Array(values.buffer) })
  }
  for (const name of [...tensors.keys()]) {
    const fire = /^(.*)\.squeeze\.weight$/.exec(name)?.[1]
    if (fire === undefined) continue
    const few = tensors.get(name)!.shape[0]! / 4
    scale(`${fire}.squeeze.weight`, 1e5, (i, shape) => Math.floor(i / shape[1]!) < few)
    scale(`${fire}.squeeze.bias`, 1e5, i => i < few)
    for (const expand of ['expand1x1', 'expand3x3'])
      scale(`${fire}.${expand}.weight`, 1e-5, (i, [, depth, a, b]) => Math.floor(i / (a! * b!)) % depth! < few)
  }
  writeSafetensors(path, tensors)
  const out = at.path('fragile.onnx')
  await assert.rejects(
    exportModel(dir, { quantize: true, out }),
    /nothing is written.*The best that was found.*layers in float32.*loss .* → .*accuracy .* → .*same labels.* without quantize/,
  )
  assert.equal(existsSync(out), false, 'no file')
  const whole = await exportModel(dir, { out })
  assert.equal(whole.card.quantization, undefined)
})
