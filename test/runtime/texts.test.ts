import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import * as web from 'onnxruntime-web/wasm'
import { exportText } from '../../src/export/text/export-text.ts'
import { load as loadOnEdge } from '../../src/runtime/edge.ts'
import { load, type Ort, type RunError } from '../../src/runtime/node.ts'
import { batchesOf } from '../../src/runtime/text/batches.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import { savedText } from '../export/texts.make.ts'
import { colourModel } from '../helpers/served.ts'
import { madeTexts } from '../helpers/texts.ts'

const ort = web as unknown as Ort

/** Texts of other lengths, letters and blanks; one is longer than what is tokenised at once, one without known words. */
const some = [
  'good',
  '  the film\twas\n\ngood \r\n',
  'cafe\u0301, CAFÉ, café',
  'Überraschend gut – 最高です 🙂 привет',
  '\u200b',
  `${'vu the '.repeat(4000)}cafe`,
  ...madeTexts(40, { seed: 3, least: 1, most: 80 }).map(({ text }) => text),
]

const cases = [
  ['three classes', {}],
  ['several labels', { task: 'multi', thresholds: [0.2, 0.5, 0.7] }],
  [
    'numbers',
    { task: 'regression', classes: ['stars', 'likes'], scale: { mean: [3, 900], std: [1, 250], decimals: [0, 0] } },
  ],
] as const

for (const [what, card] of cases)
  test(`${what}: texts get the run's own answers in Node and by WebAssembly`, async () => {
    const stem = savedText({ card: card as never })
    const { file } = await exportText(stem, { check: false })
    const trained = loadTextClassifier(stem, { precision: 'float32' })
    await using node = await load(file, { kind: 'text', threads: 1 })
    await using edge = await loadOnEdge(new Uint8Array(readFileSync(file)), { ort, kind: 'text' })
    for (const model of [node, edge]) {
      const together = await model.predict(some)
      for (const [i, text] of some.entries()) {
        const expected = await trained.predict(text)
        const alone = i % 8 < 2 ? await model.predict(text) : together[i]!
        for (const found of [alone, together[i]!]) {
          assert.equal(found.task, expected.task)
          for (const [c, score] of expected.scores.entries()) {
            const unit = model.card.task === 'regression' ? 250 : 1
            assert.ok(
              Math.abs(found.scores[c]! - score) < 1e-5 * unit,
              `${model.device}, text ${i}: ${found.scores[c]}, ${score}`,
            )
          }
          if (found.task === 'single' && expected.task === 'single') assert.equal(found.label, expected.label)
          if (found.task === 'multi' && expected.task === 'multi') assert.deepEqual(found.labels, expected.labels)
          if (found.task === 'regression' && expected.task === 'regression')
            assert.deepEqual(Object.keys(found.values), ['stars', 'likes'])
        }
      }
      assert.deepEqual(await model.predict([]), [])
      const { features } = await model.predict('good film', { features: true })
      assert.equal(features!.length, 32, 'the features, if they are asked for')
      assert.equal((await model.predict('good film')).features, undefined)
    }
    trained.close()
  })

test('what is no text is refused, with its place', async () => {
  const { file } = await exportText(savedText(), { check: false })
  await using model = await load(file, { kind: 'text', threads: 1 })
  const bad: [unknown, RegExp][] = [
    ['', /^text 2 is empty; expected a text\.$/],
    [' \n\t', /^text 2 is empty/],
    [7, /^text 2 is a number; expected a text \(a string\)/],
    [null, /^text 2 is null/],
    [undefined, /^text 2 is undefined/],
    [['good'], /^text 2 is a list/],
    [{ text: 'good' }, /^text 2 is Object/],
    [new Uint8Array(3), /^text 2 is Uint8Array/],
  ]
  for (const [text, message] of bad)
    await assert.rejects(model.predict(['good', text as string]), (error: RunError) => {
      assert.equal(error.kind, 'text')
      assert.match(error.message, message)
      return true
    })
  await assert.rejects(model.predict(5 as never), /^RunError: the text is a number/)
})

test('the kind that is asked for is checked; aborting, disposing, devices, damaged cards', async () => {
  const stem = savedText()
  const { file } = await exportText(stem, { check: false })
  await assert.rejects(
    load(file, { kind: 'picture' }),
    /is a model of texts, and kind: "picture" expects one of pictures/,
  )
  await assert.rejects(load(colourModel(), { kind: 'text' }), /is a model of pictures, and kind: "text"/)
  await assert.rejects(load(file, { device: 'webgpu' }), /does not run on WebGPU/)
  const any = await load(file, { threads: 1 })
  assert.equal(any.kind, 'text')
  if (any.kind !== 'text') return
  assert.equal(any.card.input.maxTokens, 50)
  await assert.rejects(any.predict('good', { signal: AbortSignal.abort(new Error('no longer')) }), /no longer/)
  await any.dispose()
  await assert.rejects(any.predict('good'), /was disposed/)
  // The card in other words of the same length.
  const changed = (from: string, to: string) => {
    const bytes = readFileSync(file)
    const at = bytes.indexOf(from)
    assert.ok(at > 0 && from.length === to.length, from)
    bytes.write(to, at)
    const path = join(dirname(stem), 'changed.onnx')
    writeFileSync(path, bytes)
    return load(path)
  }
  await assert.rejects(
    changed('"task":"single"', '"task":"simple"'),
    /its card says task "simple", expected single, multi/,
  )
  await assert.rejects(changed('"version":1', '"version":2'), /has version 2; this runtime reads version 1/)
  await assert.rejects(
    changed('"ids":"input_ids"', '"ids":"input_idz"'),
    /its inputs are input_idz, attention_mask, but the graph has the inputs input_ids, attention_mask/,
  )
  await assert.rejects(
    changed('\\"type\\": \\"WordPiece\\"', '\\"type\\": \\"WordPuzzl\\"'),
    /the tokenizer in its card can not be used/,
  )
  await assert.rejects(changed('"classes":["bad","good"', '"classes":["bad" "good"'), /its card is no JSON/)
})

test('batches hold texts of like length, in few tokens, and every text once', () => {
  const lengths = [5, 3, 900, 5000, 0, 3, ...Array.from({ length: 100 }, (_, i) => i)]
  const tokens = lengths.map(length => new Int32Array(length).fill(7))
  const batches = batchesOf(tokens, { begin: 1, end: 2 })
  assert.deepEqual(
    batches.flatMap(({ rows }) => [...rows]).sort((a, b) => a - b),
    [...lengths.keys()],
  )
  for (const { rows, ids, mask, dims } of batches) {
    assert.ok(rows.length <= 32 && (rows.length === 1 || dims[0] * dims[1] <= 4096), `${dims}`)
    for (const [r, row] of rows.entries()) {
      const own = ids.slice(r * dims[1], (r + 1) * dims[1])
      assert.deepEqual([own[0], own[lengths[row]! + 1], own.filter(id => id === 7n).length], [1n, 2n, lengths[row]])
      assert.equal(Number(mask.slice(r * dims[1], (r + 1) * dims[1]).reduce((a, b) => a + b, 0n)), lengths[row]! + 2)
    }
  }
})
