import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { load, runtimeNames, type Value } from '../../src/export/runtimes.ts'
import { largestDifference } from '../../src/export/table/check.ts'
import { exportTable } from '../../src/export/table/export-table.ts'
import { openTableModel, trainedAnswers } from '../../src/export/table/open.ts'
import type { TableFileCard } from '../../src/onnx/index.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { readCard } from '../../src/tabular/run/card.ts'
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

const cases: [TableModelName, string, string | string[]][] = (['trees', 'realmlp', 'mlp', 'both'] as const).flatMap(
  model => [
    [model, 'two classes', 'cheap'],
    [model, 'three classes', 'kind'],
    [model, 'two numbers, one on a log scale', ['price', 'worth']],
  ],
)
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
