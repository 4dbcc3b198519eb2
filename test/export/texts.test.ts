import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import { exportCommand } from '../../src/cli/export.ts'
import { checkFile, exportModel } from '../../src/export/export-model.ts'
import { load, runtimeNames } from '../../src/export/runtimes.ts'
import { tokensIn } from '../../src/export/text/check.ts'
import { checkTextFile, exportText } from '../../src/export/text/export-text.ts'
import { findTextCard, readCard } from '../../src/onnx/index.ts'
import { texts } from '../../src/text/domain/texts.ts'
import type { BertConfig } from '../../src/text/net/config.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import type { ModelCard } from '../../src/train/saved-model.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'
import { savedAverage, savedText } from './texts.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-texts-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Texts of no token, one, and as many as fill one window, several and more than are read; words that are not known. */
const some = [
  '\u200b',
  'good',
  'Überraschend gut – 最高です 🙂',
  ...[9, 10, 11, 20, 21, 49, 50, 51, 75, 400].map(
    words => madeTexts(1, { seed: words, least: words - 1, most: words })[0]!.text,
  ),
]

async function trainedAnswers(stem: string): Promise<Prediction[]> {
  const classifier = loadTextClassifier(stem, { precision: 'float32' })
  const found: Prediction[] = []
  for await (const prediction of classifier.predictAll(some.map(text => ({ text, name: text })))) found.push(prediction)
  classifier.close()
  return found
}

/** Feeds all texts at once, filled up on one side. */
function feedsOf(tokens: readonly Int32Array[], side: 'left' | 'right', [begin, end] = [1, 2]) {
  const longest = Math.max(...tokens.map(ids => ids.length)) + 2
  const ids = new BigInt64Array(tokens.length * longest).fill(59n) // what fills rows up is not read
  const mask = new BigInt64Array(tokens.length * longest)
  for (const [row, own] of tokens.entries()) {
    const from = row * longest + (side === 'left' ? longest - own.length - 2 : 0)
    ids.set([begin!, ...own, end!].map(BigInt), from)
    mask.fill(1n, from, from + own.length + 2)
  }
  const dims = [tokens.length, longest]
  return { input_ids: { data: ids, dims }, attention_mask: { data: mask, dims } }
}

const cases: [string, { config?: Partial<BertConfig>; card?: Partial<ModelCard>; maxTokens?: number }][] = [
  ['three classes, with a temperature', { card: { temperature: 1.7 } }],
  [
    'first tokens, RoBERTa’s positions, another GELU',
    {
      config: { pooling: 'first', kind: 'roberta', firstPosition: 3, positions: 20, types: 1, activation: 'gelu_tanh' },
    },
  ],
  [
    'no token types, ReLU, one layer, long texts read whole',
    {
      config: { kind: 'distilbert', types: 0, activation: 'relu', layers: 1 },
      maxTokens: 10_000,
    },
  ],
  [
    'several labels, a head of two layers',
    {
      card: { task: 'multi', thresholds: [0.2, 0.5, 0.7], head: { hidden: [8], dropout: 0.1 } },
    },
  ],
  [
    'numbers',
    { card: { task: 'regression', classes: ['stars'], scale: { mean: [1000], std: [250], decimals: [0] } } as never },
  ],
]

for (const [what, made] of cases)
  test(`${what}: texts of any length get the trained net's answers in each runtime, alone and together`, async () => {
    const stem = savedText(made)
    const trained = await trainedAnswers(stem)
    const { file, card } = await exportText(stem, { check: false })
    assert.equal(file, join(dirname(stem), 'model.onnx'))
    const bytes = readFileSync(file)
    const tokens = await tokensIn(card, some)
    const width = card.classes.length
    const unit = card.task === 'regression' ? 250 : 1
    const near = (a: number, b: number) => Math.abs(a - b) <= 1e-5 * unit
    for (const runtime of runtimeNames) {
      const loaded = await load(runtime, bytes)
      for (const side of ['right', 'left'] as const) {
        const found = await loaded.run(feedsOf(tokens, side))
        const numbers = (found.probabilities ?? found.values)!.data as Float32Array
        assert.equal(numbers.length, some.length * width, 'an answer for each text')
        for (const [i, { scores }] of trained.entries())
          for (let c = 0; c < width; c++)
            assert.ok(
              near(numbers[i * width + c]!, scores[c]!),
              `${runtime}, ${side}, text ${i}: ${numbers[i * width + c]}, ${scores[c]}`,
            )
        if (card.task === 'single')
          assert.deepEqual(
            [...(found.label!.data as string[])],
            trained.map(p => (p.task === 'single' ? p.label : '')),
          )
        if (card.task === 'multi')
          assert.deepEqual(
            Array.from(found.decided!.data as Uint8Array, Boolean),
            trained.flatMap(p => card.classes.map(name => p.task === 'multi' && p.labels.includes(name))),
          )
        assert.deepEqual(found.features!.dims, [some.length, card.features])
      }
      for (const [i, ids] of tokens.entries()) {
        const found = await loaded.run(feedsOf([ids], 'right'))
        const numbers = (found.probabilities ?? found.values)!.data as Float32Array
        for (let c = 0; c < width; c++)
          assert.ok(near(numbers[c]!, trained[i]!.scores[c]!), `${runtime}, text ${i} alone`)
      }
      await loaded.release()
    }
    assert.ok(new Set(trained.map(p => p.scores[0]!.toPrecision(4))).size > 8, 'the texts have different answers')
  })

test('an average of nets answers as the trained ones, each with windows of its own', async () => {
  const stem = savedAverage([{}, { config: { window: 10 }, card: { temperature: 0.8 } }], { temperature: 1.3 })
  const trained = await trainedAnswers(stem)
  const { file, card } = await exportText(stem, { check: false })
  assert.equal(card.features, undefined)
  assert.deepEqual(card.temperatures, [1, 0.8])
  const loaded = await load('onnxruntime-node', readFileSync(file))
  const found = await loaded.run(feedsOf(await tokensIn(card, some), 'right'))
  await loaded.release()
  const numbers = found.probabilities!.data as Float32Array
  for (const [i, { scores }] of trained.entries())
    for (const [c, score] of scores.entries()) assert.ok(Math.abs(numbers[i * 3 + c]! - score) < 1e-5, `text ${i}`)
})

test('a run is exported by the command, checked from text to label on its validation texts, and checked again', async t => {
  const rows = madeTexts(120).map(({ text, good }) => `"${text}",${good ? 'good' : 'bad'}`)
  const data = join(folder, 'reviews.csv')
  writeFileSync(data, `review,verdict\n${rows.join('\n')}\n`)
  const run = join(folder, 'run')
  const model = littleCheckpoint(folder)
  await recipeFor(texts).train(data, { text: 'review', target: ['verdict'], model, epochs: 0, out: run })
  let out = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    out += text
    return true
  })
  await exportCommand(run, {})
  assert.match(out, /in {3}input_ids, attention_mask {2}int64/)
  assert.match(
    out,
    /2\d validation texts, from text to answer, against the trained net in float32 \(accepted: 0\.0001\)/,
  )
  assert.match(out, /onnxruntime-node \S+ +100\.0 % +100\.0 %/)
  assert.match(out, /onnxruntime-web \(wasm\) \S+ +100\.0 % +100\.0 %/)
  const file = join(run, 'model.onnx')
  const bytes = readFileSync(file)
  const card = findTextCard(bytes, file)!
  assert.deepEqual(card.classes, ['bad', 'good'])
  assert.deepEqual(card.columns, { text: 'review', target: ['verdict'] })
  assert.deepEqual([card.input.begin, card.input.end, card.input.window, card.input.maxTokens], [1, 2, 40, 1016])
  assert.equal(card.checks!.length, 2)
  for (const { difference, same, tokens, trained, exported } of card.checks!) {
    assert.ok(difference < 1e-5, `${difference}`)
    assert.deepEqual([same, tokens, exported], [1, 1, trained])
  }
  assert.equal(card.licence, undefined, 'the licence of a person’s own checkpoint is not known')
  assert.ok(card.validation!.texts > 20, 'what the run answered on its validation texts')
  out = ''
  await exportCommand(undefined, { check: file })
  assert.match(out, /^onnxruntime-node \S+: the answers to the texts of the card differ by \d/)
  out = ''
  await exportCommand(run, { check: file })
  assert.match(out, /validation texts/)

  await assert.rejects(exportModel(run), /is a model of texts, and a model of pictures is expected here/)
  await assert.rejects(checkFile(file), /is a model of texts/)
  assert.throws(() => readCard(bytes, file), /is a model of texts, and a model of pictures is expected here/)

  const half = await exportText(run, { weights: 'float16', out: join(folder, 'half.onnx') })
  assert.ok(half.bytes < bytes.length, 'smaller')
  assert.ok(
    half.card.checks!.every(check => check.difference < 0.01 && check.tolerance === 0.05),
    'near',
  )
  assert.equal((await exportText(run)).file, file, 'an exported model is written over')

  // The classes of the texts are found by their names, and a run that answers otherwise is another one.
  const path = join(run, 'best.json')
  const saved = JSON.parse(readFileSync(path, 'utf8')) as ModelCard
  const as = (other: Partial<ModelCard>) => writeFileSync(path, JSON.stringify({ ...saved, ...other }))
  as({ classes: ['good', 'bad'] })
  const turned = await exportText(run, { out: join(folder, 'turned.onnx') })
  for (const { trained, exported } of turned.card.checks!) assert.deepEqual([trained, exported], [0, 0])
  await assert.rejects(checkTextFile(file, { run }), /is another model than/)
  as({ temperature: 3 })
  await assert.rejects(
    checkTextFile(file, { run }),
    /is not the model of .*: in onnxruntime-node \S+ it does not answer as the trained net does: .*the largest difference is 0\.\d+/,
  )
  as({})
})

test('a file that is not the model of its card or run is refused, and so are places without texts', async () => {
  const stem = savedText()
  const { file } = await exportText(stem, { check: false })
  const run = join(folder, 'run')
  await assert.rejects(
    checkTextFile(file, { run }),
    /is another model than .*: it answers single with bad, good, 최고, the run single with bad, good/,
  )
  await assert.rejects(
    exportText(stem, { out: join(folder, 'x.onnx') }),
    /no run that keeps a list of its texts.*--no-check/,
  )
  const bytes = readFileSync(file)
  const wrong = Buffer.from(bytes)
  wrong.write('9', wrong.indexOf('"outputs":[0.') + 13)
  writeFileSync(join(folder, 'wrong.onnx'), wrong)
  await assert.rejects(
    checkTextFile(join(folder, 'wrong.onnx')),
    /its answers to the texts of its card differ by 0\.\d+; expected at most 0\.0001/,
  )
  writeFileSync(join(folder, 'gone.txt'), 'mine')
  await assert.rejects(exportText(run, { out: join(folder, 'gone.txt') }), /exists and is no exported model/)
  await assert.rejects(checkTextFile(join(folder, 'gone.txt')), /no exported model of texts/)
  rmSync(join(folder, 'reviews.csv'))
  await assert.rejects(exportText(run), /its texts were in .*reviews\.csv, which no longer exists.*data/)
})
