import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { exportCommand } from '../../src/cli/export.ts'
import { checkFile, exportModel } from '../../src/export/export-model.ts'
import { load, runtimeNames, type Value } from '../../src/export/runtimes.ts'
import { largestDifference } from '../../src/export/table/compare-rows.ts'
import { checkTableFile, exportTable } from '../../src/export/table/export-table.ts'
import { openTableModel, trainedAnswers } from '../../src/export/table/open.ts'
import type { TableFileCard } from '../../src/onnx/index.ts'
import { load as loadForPictures } from '../../src/runtime/node.ts'
import type { Trees } from '../../src/tabular/models/trees.ts'
import { prepareFrame } from '../../src/tabular/prepare.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { readCard, writeCard } from '../../src/tabular/run/card.ts'
import { decide } from '../../src/tabular/run/metrics.ts'
import type { TableModelName } from '../../src/tabular/types.ts'
import { prepare, type RawRow, rawRows, readRows, savedModel } from './tables.make.ts'

const frame = frameOfRows(rawRows(500))
/** Rows that training did not have, with words that it did not have. */
const others: RawRow[] = [
  ...rawRows(120, 2),
  { ...rawRows(1)[0]!, colour: 'ultraviolet', town: '', rooms: '3.0', garden: 'No', sold: '2024-02-29T23:59:59' },
  { ...rawRows(1)[0]!, colour: ' red', town: 'NA', rooms: 'n/a', garden: 'YES', sold: '1969-12-31T23:59:59' },
  { ...rawRows(1)[0]!, size: null, heat: null, whole: null, colour: null, town: null, rooms: null, sold: null },
]

/** What a program feeds for raw rows: by hand, from the types that the card names. */
function feedsOf({ inputs }: TableFileCard, rows: readonly RawRow[]): Record<string, Value> {
  return Object.fromEntries(
    inputs.map(({ name, type }): [string, Value] => {
      const cells = rows.map(row => row[name] ?? '')
      const dims = [rows.length, 1]
      if (type === 'string') return [name, { data: cells.map(String), dims }]
      if (type === 'float32')
        return [name, { data: Float32Array.from(cells, cell => (cell === '' ? Number.NaN : Number(cell))), dims }]
      const seconds = cells.map(cell =>
        cell === '' ? -(2n ** 63n) : BigInt(Date.parse(`${cell}${String(cell).length > 10 ? 'Z' : ''}`) / 1000),
      )
      return [name, { data: BigInt64Array.from(seconds), dims }]
    }),
  )
}

const cases: [TableModelName, string, string | string[]][] = (
  ['trees', 'realmlp', 'tabm', 'mlp', 'both'] as const
).flatMap(model => [
  [model, 'two classes', 'cheap'],
  [model, 'three classes', 'kind'],
  [model, 'two numbers, one on a log scale', ['price', 'worth']],
])
for (const [name, what, target] of cases)
  test(`${name}, ${what}: raw rows get the trained model's answers in each runtime`, async () => {
    const prepared = prepare(frame, target)
    if (Array.isArray(target)) (prepared.target.info as { log?: boolean[] }).log = [false, true]
    const decided = what === 'two classes' ? { positive: 'dear', threshold: 0.3123 } : {}
    const temperature = prepared.target.info.task === 'single' ? { temperature: 1.37 } : {}
    const stem = await savedModel(prepared, name, { card: { ...decided, ...temperature } })
    const { file, card } = await exportTable(stem)
    assert.equal(card.checks!.length, 2, 'checked in both runtimes')
    const model = await openTableModel(stem)
    const trained = await trainedAnswers(model, readRows(others, readCard(stem)))
    const { classes } = card
    for (const runtime of runtimeNames) {
      const loaded = await load(runtime, readFileSync(file))
      const found = await loaded.run(feedsOf(card, others))
      await loaded.release()
      const got = (found.probabilities ?? found.values)!.data as Float32Array
      assert.equal(got.length, others.length * classes.length, 'an answer for each row')
      const difference = largestDifference(trained, got, card)
      assert.ok(difference < 1e-5, `${runtime}: the largest difference is ${difference}`)
      if (card.task === 'single') {
        const labels = decide(trained, classes.length, model.decision)
        assert.deepEqual(
          [...(found.label!.data as string[])],
          Array.from(labels, c => classes[c]),
          'labels',
        )
      }
    }
  })

test('the average of folds is exported with the columns of all folds, each with its own words', async () => {
  const stems = [0, 1].map(fold =>
    savedModel(prepare(frame, 'kind', { fold, folds: 2 }), fold ? 'mlp' : 'trees', { card: { temperature: 1 + fold } }),
  )
  const dir = dirname(await stems[0]!)
  for (const [fold, from] of (await Promise.all(stems)).entries()) {
    cpSync(from, join(dir, `fold-${fold + 1}`), { recursive: true })
    cpSync(`${from}.json`, join(dir, `fold-${fold + 1}.json`))
  }
  const { temperature: _, ...whole } = readCard(await stems[0]!)
  writeCard(join(dir, 'best'), { ...whole, members: ['fold-1', 'fold-2'] })
  const { file, card } = await exportTable(join(dir, 'best'))
  const trained = await trainedAnswers(await openTableModel(join(dir, 'best')), readRows(others, whole))
  const loaded = await load('onnxruntime-node', readFileSync(file))
  const found = await loaded.run(feedsOf(card, others))
  await loaded.release()
  assert.equal(card.members, 2)
  assert.ok(
    largestDifference(trained, found.probabilities!.data as Float32Array, card) < 1e-6,
    'the mean of both models',
  )
})

test('the card has usual values and ranges of the training rows, also without a check; cards without figures are exported', async () => {
  const prepared = prepare(frame, 'cheap')
  const stem = await savedModel(prepared, 'trees')
  const { card } = await exportTable(stem, { check: false })
  const rows = rawRows(500)
  const of = (name: string) => Array.from(prepared.split.train, row => rows[row]![name]!).filter(cell => cell !== '')
  const seconds = (cell: string | number) =>
    typeof cell === 'number' ? cell : Date.parse(`${cell}${cell.length > 10 ? 'Z' : ''}`) / 1000
  for (const { name, kind, usual, range } of card.inputs) {
    if (kind === 'category') {
      assert.equal(range, undefined, `${name}: words have no range`)
      const counts = new Map<string, number>()
      for (const cell of of(name).filter(cell => cell !== 'N/A'))
        counts.set(String(cell), (counts.get(String(cell)) ?? 0) + 1)
      assert.equal(
        counts.get(String(usual)),
        Math.max(...counts.values()),
        `${name}: ${usual} is the most frequent word`,
      )
      continue
    }
    const sorted = of(name)
      .map(seconds)
      .sort((a, b) => a - b)
    assert.equal(usual, sorted[(sorted.length - 1) >> 1], `${name}: the median`)
    assert.deepEqual(range, [sorted[0], sorted.at(-1)], `${name}: the range`)
  }
  const { figures: _, ...older } = readCard(stem)
  writeCard(stem, older)
  const made = await exportTable(stem, { check: false })
  assert.deepEqual(
    made.card.inputs.map(({ range }) => range),
    card.inputs.map(() => undefined),
    'a card of an older run has no ranges',
  )
})

test('a file that answers otherwise is refused, also later, and other files are not overwritten', async () => {
  const prepared = prepare(frame, 'cheap')
  const [stem, other] = [
    await savedModel(prepared, 'trees'),
    await savedModel(prepared, 'trees', { fit: { epochs: 4 } }),
  ]
  const { file, card } = await exportTable(stem)
  assert.equal((await checkTableFile(file, { run: stem })).checks.length, 2, 'its own run')
  await assert.rejects(
    checkTableFile(file, { run: other }),
    /is not the model of .*the largest difference is 0\.\d+, expected at most 0\.0001/,
  )
  const third = await savedModel(prepare(frame, 'kind'), 'trees')
  await assert.rejects(checkTableFile(file, { run: third }), /is another model than .*: it answers single with/)
  await exportTable(stem) // over its own file
  const text = join(dirname(stem), 'notes.onnx')
  writeFileSync(text, 'mine')
  await assert.rejects(exportTable(stem, { out: text }), /exists and is no exported model/)
  await assert.rejects(exportModel(`${stem}.json`), /is a model of a table, and a model of pictures is expected/)
  await assert.rejects(checkFile(file), /is a model of a table/)
  await assert.rejects(
    loadForPictures(file, { kind: 'picture' }),
    /it is a model of tables, and kind: "picture" expects/,
  )
  // The leaves of the first tree are changed: the answers to the rows of the card are other ones.
  const bytes = readFileSync(file)
  const weights = await openTableModel(stem).then(
    ({ members }) => (members[0]!.model as Trees).forests[0]!.trees[0]!.leaves,
  )
  for (const weight of weights) {
    const at = bytes.indexOf(Buffer.from(Float64Array.of(weight).buffer))
    assert.ok(at > 0, 'the leaf is in the file')
    bytes.writeDoubleLE(weight + 0.5, at)
  }
  writeFileSync(text, bytes)
  await assert.rejects(checkTableFile(text), /its answers to the rows of its card differ by/)
  assert.equal(card.probe!.rows.length, 24)
})

test('a column may have the name of an output', async () => {
  const rows = rawRows(300).map(row => ({ label: row.heat!, probabilities: row.colour!, kind: row.kind! }))
  const stem = await savedModel(prepareFrame(frameOfRows(rows), { target: 'kind' }), 'trees')
  const { card } = await exportTable(stem)
  assert.deepEqual(
    card.inputs.map(({ name }) => name),
    ['label', 'probabilities'],
  )
  assert.deepEqual(card.outputs, { probabilities: 'probabilities_1', label: 'label_1' })
})

test('options of pictures are refused for a run on a table', async () => {
  const stem = await savedModel(prepare(frame, 'price'), 'trees')
  await assert.rejects(
    exportCommand(stem, { net: true, quantize: true }),
    /--net, --quantize: are options for models of pictures, texts and sounds, and this is a model of a table\. Leave them out/,
  )
  await assert.rejects(
    exportCommand(stem, { weights: 'int8' }),
    /weights: "int8": .* This model reads no texts.* trees need their thresholds exactly/,
  )
  await assert.rejects(
    exportCommand(stem, { to: 'transformers', out: join(stem, 'hub') }),
    /transformers.* reads of a model of pictures, and this is a model of a table\. Take .*docker.*lambda.*worker/,
  )
  await assert.rejects(exportCommand(stem, { to: 'docker', net: true }), /--net/)
  await assert.rejects(exportCommand(stem, { to: 'docker', check: 'model.onnx' }), /leave out --check FILE/)
})
