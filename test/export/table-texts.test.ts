import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Tokenizer } from '@huggingface/tokenizers'
import { exportCommand } from '../../src/cli/export.ts'
import { load, type RuntimeName, type Value } from '../../src/export/runtimes.ts'
import { largestDifference } from '../../src/export/table/compare-rows.ts'
import { checkTableFile, exportTable } from '../../src/export/table/export-table.ts'
import { openTableModel, trainedAnswers } from '../../src/export/table/open.ts'
import { refuseForWorker } from '../../src/export/targets/worker.ts'
import { readInitializers, type TableFileCard } from '../../src/onnx/index.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { readCard, writeCard } from '../../src/tabular/run/card.ts'
import type { TableModelName } from '../../src/tabular/types.ts'
import { noGrad } from '../../src/torch/index.ts'
import { embedder, otherRows, prepareReviews, reviewRows } from './table-texts.make.ts'
import { prepare, type RawRow, rawRows, readRows, savedModel } from './tables.make.ts'

const rows = reviewRows(120)

/** What a program feeds for raw rows: by hand, from what the card says of the tokens. */
function feedsOf({ inputs, texts }: TableFileCard, rows: readonly RawRow[]): Record<string, Value> {
  const tokenizer = new Tokenizer(JSON.parse(texts!.tokenizer), {})
  const missing = (cell: unknown) => cell === '' || cell === 'NA' || cell === null
  return Object.fromEntries(
    inputs.flatMap(({ name, type, tokens }): [string, Value][] => {
      const cells = rows.map(row => row[name] ?? '')
      if (tokens) {
        const all = cells.map(cell => {
          const { ids } = tokenizer.encode(String(cell), { add_special_tokens: false })
          return missing(cell) ? [] : [texts!.begin, ...ids, texts!.end]
        })
        const longest = Math.max(2, ...all.map(({ length }) => length))
        const dims = [rows.length, longest]
        const filled = (of: (own: number[], i: number) => number) =>
          BigInt64Array.from(all.flatMap(own => Array.from({ length: longest }, (_, i) => BigInt(of(own, i)))))
        return [
          [tokens.ids, { data: filled((own, i) => own[i] ?? 0), dims }],
          [tokens.mask, { data: filled((own, i) => Number(i < own.length)), dims }],
        ]
      }
      const dims = [rows.length, 1]
      if (type === 'string') return [[name, { data: cells.map(String), dims }]]
      return [[name, { data: Float32Array.from(cells, c => (missing(c) ? Number.NaN : Number(c))), dims }]]
    }),
  )
}

// In onnxruntime-web, too: test/runtime/tables.test.ts, whose process has started it.
const runtimes: readonly RuntimeName[] = ['onnxruntime-node']
const cases: [TableModelName, string][] = [
  ['both', 'verdict'],
  ['realmlp', 'kind'],
  ['mlp', 'price'],
]
for (const [name, target] of cases)
  test(`${name}, ${target}: rows with texts get the trained model's answers from the tokens that its card describes`, async () => {
    const stem = await savedModel(await prepareReviews(rows, target), name)
    const { file, card } = await exportTable(stem, { embedder, runtimes })
    for (const { texts } of card.checks!) assert.ok(texts!.vectors < 1e-5, JSON.stringify(card.checks))
    assert.ok(card.probe!.rows.length > 12, `${card.probe!.rows.length} rows in the card`)
    const model = await openTableModel(stem, { embedder })
    const trained = await trainedAnswers(model, readRows(otherRows, readCard(stem)))
    for (const runtime of runtimes) {
      const loaded = await load(runtime, readFileSync(file))
      const found = await loaded.run(feedsOf(card, otherRows))
      await loaded.release()
      const got = (found.probabilities ?? found.values)!.data as Float32Array
      const difference = largestDifference(trained, got, card)
      assert.ok(difference < 1e-4, `${runtime}: the largest difference is ${difference}`)
      const vectors = found['review/vectors']!.data as Float32Array
      assert.ok(Number.isNaN(vectors[30 * 64]!) && !Number.isNaN(vectors[31 * 64]!), 'a missing text has no vector')
    }
    const { checks, probes } = await checkTableFile(file, { run: stem, embedder, runtimes })
    assert.equal(checks.length + probes.length, 2, 'checked again')
  })

test('folds take vectors of one net: its weights are in the file once, each fold has its own directions', async () => {
  const stems = await Promise.all(
    [0, 1].map(async fold => {
      const prepared = await prepareReviews(rows, 'verdict', { fold, folds: 2, ...(fold ? { drop: ['note'] } : {}) })
      return savedModel(prepared, fold ? 'realmlp' : 'trees', { card: { temperature: 1 + fold } })
    }),
  )
  const dir = dirname(stems[0]!)
  for (const [fold, from] of stems.entries()) {
    cpSync(from, join(dir, `fold-${fold + 1}`), { recursive: true })
    cpSync(`${from}.json`, join(dir, `fold-${fold + 1}.json`))
  }
  const { temperature: _, ...whole } = readCard(stems[0]!)
  const average = join(dir, 'average')
  writeCard(average, { ...whole, members: ['fold-1', 'fold-2'] })
  const { file, card } = await exportTable(average, { embedder, check: false, out: join(dir, 'average.onnx') })
  const model = await openTableModel(average, { embedder })
  const trained = await trainedAnswers(model, readRows(otherRows, whole))
  const loaded = await load('onnxruntime-node', readFileSync(file))
  const found = await loaded.run(feedsOf(card, otherRows))
  await loaded.release()
  const difference = largestDifference(trained, found.probabilities!.data as Float32Array, card)
  assert.ok(difference < 1e-5, `the largest difference is ${difference}`)
  const names = [...readInitializers(readFileSync(file), file).keys()]
  assert.equal(
    names.filter(name => name.includes('word_embeddings')).length,
    1,
    'one copy for two columns and two folds',
  )
  assert.equal(
    names.filter(name => name.startsWith('numbers/mean')).length,
    3,
    'two columns of one fold, one of the other',
  )
})

test('weights in fewer bits make the file smaller, and its card says so; the net alone is stored so', async () => {
  const stem = await savedModel(await prepareReviews(rows, 'verdict'), 'trees')
  const whole = await exportTable(stem, { embedder, check: false })
  for (const weights of ['float16', 'int8'] as const) {
    const { card, bytes, file } = await exportTable(stem, { embedder, weights, runtimes })
    assert.equal(card.texts!.weights, weights)
    assert.ok(bytes < whole.bytes - 10_000, `${bytes} of ${whole.bytes} bytes`)
    assert.equal(card.checks![0]!.same, 1, 'from vectors to labels it is the trained model')
    assert.equal((await checkTableFile(file, { runtimes })).probes.length, 1, 'the rows of its card get their answers')
  }
  const numbers = await savedModel(prepare(frameOfRows(rawRows(200)), 'cheap'), 'trees')
  await assert.rejects(exportTable(numbers, { weights: 'int8' }), /This model reads no texts, so it is small/)
  await assert.rejects(exportCommand(stem, { quantize: true }), /--quantize: is an option for models of pictures/)
})

test('a column of texts that the model does not take is no input, and no net is needed', async () => {
  const stem = await savedModel(await prepareReviews(rows, 'verdict', { drop: ['review', 'note'] }), 'trees')
  const { card, bytes } = await exportTable(stem, { check: false })
  assert.deepEqual([card.texts, card.inputs.map(({ name }) => name)], [undefined, ['stars', 'shop']])
  assert.ok(card.unused!.includes('review') && bytes < 100_000, `${bytes} bytes, unused ${card.unused}`)
})

test('a net with other weights is found by the check; one of another digest is refused before', async () => {
  const stem = await savedModel(await prepareReviews(rows, 'verdict'), 'realmlp')
  const net = await embedder()
  const weights = new Map(net.parts.weights)
  const name = 'encoder.layer.1.output.dense.weight'
  const changed = weights.get(name)!.clone()
  noGrad(() => changed.mul_(1.02))
  weights.set(name, changed)
  const other = { ...net, parts: { ...net.parts, weights } }
  await assert.rejects(
    exportTable(stem, { embedder: async () => other, runtimes }),
    /its net for texts does not answer as the trained one does\. The vectors of texts differ by up to 0\.0\d+/,
  )
  const another = { ...net, digest: 'other'.padEnd(64) }
  await assert.rejects(exportTable(stem, { embedder: async () => another }), /the texts of "review" by little \(/)
})

test('a worker of Cloudflare has too little memory for a large net, and a little one fits', async () => {
  const stem = await savedModel(await prepareReviews(rows, 'verdict'), 'trees')
  const { card, bytes } = await exportTable(stem, { embedder, check: false })
  refuseForWorker({ card, bytes })
  const large = { ...card, texts: { ...card.texts!, parameters: 22_565_376 } }
  assert.throws(() => refuseForWorker({ card: large, bytes }), /22,565,376 weights take 90 MB of memory.*--drop|drop/s)
})
