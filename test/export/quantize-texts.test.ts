import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import { exportCommand } from '../../src/cli/export.ts'
import { numbersOf } from '../../src/export/compare.ts'
import { load } from '../../src/export/runtimes.ts'
import { checkTextFile, exportText } from '../../src/export/text/export-text.ts'
import { findTextCard } from '../../src/onnx/index.ts'
import { load as loadModel } from '../../src/runtime/node.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { readWeights, writeSafetensors } from '../../src/weights/index.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-quantize-texts-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const run = join(folder, 'run')
before(async () => {
  // Windows have 38 words: some texts have several.
  const all = [...madeTexts(120), ...madeTexts(24, { seed: 9, least: 60, most: 100 })]
  const rows = all.map(({ text, good }) => `"${text}",${good ? 'good' : 'bad'}`)
  const data = join(folder, 'reviews.csv')
  writeFileSync(data, `review,verdict\n${rows.join('\n')}\n`)
  const model = littleCheckpoint(folder)
  await recipeFor(texts).train(data, { text: 'review', target: ['verdict'], model, epochs: 0, out: run })
})

test('integers: ranges from training texts, the cost on validation texts, checked in both runtimes', async t => {
  let out = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    out += text
    return true
  })
  const file = join(folder, 'quantised.onnx')
  await exportCommand(run, { quantize: true, out: file })
  assert.match(out, /weights quantized/)
  assert.match(out, /quantised: .* layers compute with integers.*; ranges by \w+ on 1\d\d training texts/)
  assert.match(out, /onnxruntime-web \(wasm\) \S+: \d+\.\d → \d+\.\d ms per text/)
  const { weights, quantization: q, checks, probe } = findTextCard(readFileSync(file), file)!
  assert.equal(weights, 'quantized')
  assert.equal(q!.layers, 13, 'six products of each of two layers, and the head')
  assert.ok(q!.bytes.quantized < 0.7 * q!.bytes.float32, JSON.stringify(q!.bytes))
  assert.ok(q!.loss.cost[1] <= q!.loss.allowed, JSON.stringify(q!.loss))
  assert.equal(checks!.length, 2)
  for (const { loss, tokens, tolerance } of checks!) {
    assert.ok(loss!.after - loss!.before <= loss!.allowed, JSON.stringify(loss))
    assert.deepEqual([tokens, tolerance], [1, undefined])
  }
  assert.ok(checks![0]!.difference > 1e-5, 'it is no float32')
  assert.equal(probe!.texts.length, 4)
  const found = await checkTextFile(file, { run })
  assert.ok(
    found.probes.length === 2 && found.probes.every(({ difference }) => difference < 0.1),
    JSON.stringify(found.probes),
  )
  await assert.rejects(exportText(run, { quantize: true, weights: 'int8' }), /weights: "int8".* quantize/)
})

test('a net that does not bear it is refused, and the error shows the best; no file is written', async () => {
  const stem = join(run, 'best')
  const [card, weights] = [readFileSync(`${stem}.json`), readFileSync(`${stem}.safetensors`)]
  // The same function: of the values that attention mixes, eight are 100,000 times as large, and the weights after them as much smaller.
  const tensors = readWeights(`${stem}.safetensors`)
  const scale = (name: string, by: number, chosen: (i: number, width: number) => boolean) => {
    const stored = tensors.get(name)!
    const values = new Float32Array(stored.data.slice().buffer)
    for (let i = 0; i < values.length; i++) if (chosen(i, stored.shape.at(-1)!)) values[i]! *= by
    tensors.set(name, { ...stored, data: new Uint8Array(values.buffer) })
  }
  for (const layer of [0, 1]) {
    const at = `body.encoder.layer.${layer}.attention`
    scale(`${at}.self.value.weight`, 1e5, (i, width) => i < 8 * width)
    scale(`${at}.self.value.bias`, 1e5, i => i < 8)
    scale(`${at}.output.dense.weight`, 1e-5, (i, width) => i % width < 8)
  }
  writeSafetensors(`${stem}.safetensors`, tensors)
  writeFileSync(`${stem}.json`, JSON.stringify({ ...JSON.parse(card.toString()), temperature: 0.02 }))
  try {
    const out = join(folder, 'fragile.onnx')
    await assert.rejects(
      exportText(run, { quantize: true, out, runtimes: ['onnxruntime-node'] }),
      /nothing is written.*The best that was found.*layers in float32.*loss .* → .*same labels of 28 texts.* without quantize/,
    )
    assert.equal(existsSync(out), false, 'no file')
  } finally {
    writeFileSync(`${stem}.json`, card)
    writeFileSync(`${stem}.safetensors`, weights)
  }
})

test('the net alone answers as the whole model for texts of one window; what needs more says so', async () => {
  const whole = await exportText(run, { out: join(folder, 'whole.onnx'), check: false })
  for (const quantize of [false, true]) {
    const { file, card } = await exportText(run, { net: true, quantize, out: join(folder, `net-${quantize}.onnx`) })
    assert.equal(card.input.net, true)
    assert.ok(
      card.checks!.every(({ texts }) => texts > 10 && texts < 29),
      'only texts of one window are checked',
    )
    await checkTextFile(file, { run })
    await assert.rejects(loadModel(file, { kind: 'text' }), /is a net alone .* takes tokens of one window/)
  }
  // Rows of two lengths: what fills the second one up is not read.
  const ids = BigInt64Array.from([1n, 7n, 8n, 9n, 10n, 2n, 1n, 11n, 2n, 59n, 59n, 59n])
  const mask = BigInt64Array.from([1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 0n, 0n, 0n])
  const feeds = { input_ids: { data: ids, dims: [2, 6] }, attention_mask: { data: mask, dims: [2, 6] } }
  const answers: Float32Array[] = []
  for (const file of [whole.file, join(folder, 'net-false.onnx')]) {
    const loaded = await load('onnxruntime-node', readFileSync(file))
    answers.push(numbersOf(await loaded.run(feeds)).slice())
    await loaded.release()
  }
  const [a, b] = answers as [Float32Array, Float32Array]
  for (const [i, p] of a.entries()) assert.ok(Math.abs(p - b[i]!) < 1e-6, `${a} and ${b}`)
  assert.ok(Math.abs(a[0]! - a[2]!) > 1e-4, 'two texts, two answers')
})

test('words of eight bits make `int8` a quarter of the whole, near the trained net', async () => {
  const out = join(folder, 'int8.onnx')
  const { card } = await exportText(run, { weights: 'int8', out })
  assert.ok(
    card.checks!.every(({ difference }) => difference > 1e-6 && difference < 0.05),
    JSON.stringify(card.checks),
  )
  assert.ok(readFileSync(out).includes('word_embeddings.weight.int8'), 'the table of words has 8 bits')
})
