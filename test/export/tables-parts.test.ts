import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, runtimeNames, type Value } from '../../src/export/runtimes.ts'
import { addFeatures, addInputs } from '../../src/export/table/columns.ts'
import { missingDate } from '../../src/export/table/dates.ts'
import { addForests } from '../../src/export/table/trees.ts'
import { Graph } from '../../src/onnx/index.ts'
import { datePartsWriter, partsOf } from '../../src/tabular/columns/date-parts.ts'
import { encode, readingOf } from '../../src/tabular/encode.ts'
import { Forest } from '../../src/tabular/models/forest.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import type { Encoding } from '../../src/tabular/types.ts'
import { golden } from '../tabular/models/tables.make.ts'

/** The outputs of a graph in each runtime. */
async function inEach(graph: Graph, feeds: Record<string, Value>): Promise<[string, Record<string, Value>][]> {
  const file = graph.encode({ producer: 'anneal', version: '0' })
  const found: [string, Record<string, Value>][] = []
  for (const runtime of runtimeNames) {
    const loaded = await load(runtime, file)
    found.push([runtime, await loaded.run(feeds)])
    await loaded.release()
  }
  return found
}

test('all parts of a date have the bits of training, from 1583 to 2400 and at every second of a day', async () => {
  const day = 86_400
  const first = Date.UTC(1583, 0, 1) / 1000
  const last = Date.UTC(2400, 11, 31) / 1000
  const dates = [
    ...Array.from(
      { length: 12_000 },
      (_, i) => first + day * Math.floor((i * (last - first)) / day / 12_000) + ((i * 7919) % day),
    ),
    ...[1900, 1999, 2000, 2001, 2024, 2100].flatMap(year =>
      Array.from({ length: 366 }, (_, i) => Date.UTC(year, 0, 1 + i) / 1000),
    ),
    ...Array.from({ length: day / 60 }, (_, minute) => 60 * minute),
    ...Array.from({ length: 3600 }, (_, second) => -day + 11 * 3600 + second),
    Number.NaN,
  ]
  const spans = [0, 1e9 + 1]
  const parts = [...new Set([...partsOf(spans).parts, ...partsOf(spans, 'places').parts])]
  const origin = 1_234_567_890.5
  const graph = new Graph()
  const encoding: Encoding = { columns: [{ column: 'when', kind: 'date', origin, parts }] }
  const { numbers } = addFeatures(graph, addInputs(graph, [encoding]), { encoding })
  graph.output(numbers!, 'float', ['N', parts.length])
  const expected = new Float32Array(dates.length * parts.length)
  const write = datePartsWriter(origin, parts)
  for (const [i, seconds] of dates.entries()) write(expected, i * parts.length, seconds)
  const data = BigInt64Array.from(dates, date => (Number.isNaN(date) ? missingDate : BigInt(date)))
  assert.equal(parts.length, 23, 'all parts are there')
  for (const [runtime, found] of await inEach(graph, { when: { data, dims: [dates.length, 1] } })) {
    const got = found[numbers!]!.data as Float32Array
    const wrong = expected.findIndex((value, i) => !Object.is(value, got[i]) && !(value === got[i]))
    assert.equal(
      wrong,
      -1,
      `${runtime}: "${parts[wrong % parts.length]}" of ${dates[Math.floor(wrong / parts.length)]} is ${got[wrong]}, not ${expected[wrong]}`,
    )
  }
})

test('texts of a category get the code that the reader of tables gives them', async () => {
  const encoding: Encoding = {
    columns: [
      { column: 'state', kind: 'category', words: ['New York', 'Zürich', 'none', '+', '-'] },
      { column: 'rooms', kind: 'category', words: ['0', '2', '2.5', '007', '-3'] },
      { column: 'paid', kind: 'category', words: ['no', 'Yes'] },
    ],
  }
  const texts = {
    state: ['New York', ' New York', 'Zürich', 'new york', '', 'NA', 'n/a', 'NaN', '?', '-', '+', 'none', ' ', 'x'],
    rooms: ['2', '2.0', '2.00', '+2', '2.5', '2.50', '007', '7', '-3', '-3.0', '0', '0.0', 'null', ''],
    paid: ['no', 'NO', 'No', 'yes', 'Yes', 'YES', 'true', '', 'N/A', 'nO', 'y', 'n', ' yes', 'nan'],
  }
  const count = 14
  const rows = Array.from({ length: count }, (_, row) => ({
    state: texts.state[row]!,
    rooms: texts.rooms[row]!,
    paid: texts.paid[row]!,
  }))
  const expected = encode(frameOfRows(rows, readingOf(encoding)), encoding).categories
  const graph = new Graph()
  const { codes } = addFeatures(graph, addInputs(graph, [encoding]), { encoding })
  graph.output(codes!, 'int64', ['N', 3])
  const feeds = Object.fromEntries(Object.entries(texts).map(([name, data]) => [name, { data, dims: [count, 1] }]))
  for (const [runtime, found] of await inEach(graph, feeds)) {
    const got = Array.from(found[codes!]!.data as unknown as BigInt64Array, Number)
    for (const [row, cells] of rows.entries())
      for (const [c, [name, text]] of Object.entries(cells).entries())
        assert.equal(got[3 * row + c], expected[3 * row + c], `${runtime}: "${text}" in ${name}`)
  }
  assert.ok(new Set(expected).size > 6, `the texts reach many codes: ${[...new Set(expected)]}`)
})

test('words that a run took as missing are missing, and the usual ones are words then', async () => {
  const encoding: Encoding = { columns: [{ column: 'c', kind: 'category', words: ['a', 'NA'] }] }
  const graph = new Graph()
  const { codes } = addFeatures(graph, addInputs(graph, [encoding]), { encoding, missing: ['gone', 'a b'] })
  graph.output(codes!, 'int64', ['N', 1])
  const data = ['a', 'NA', 'gone', 'a b', '', 'nan']
  for (const [runtime, found] of await inEach(graph, { c: { data, dims: [6, 1] } }))
    assert.deepEqual(Array.from(found[codes!]!.data as unknown as BigInt64Array, Number), [2, 3, 0, 0, 0, 1], runtime)
})

for (const { name, text, rows, raw } of golden.forests.filter(({ name }) => name !== 'zeros'))
  test(`LightGBM's own forest "${name}" decides alike in the graph: thresholds, sets, missing values`, async () => {
    const forest = new Forest(text)
    const categories = categoriesOf(forest)
    const from = forest.features - categories
    const graph = new Graph()
    if (from > 0) graph.input('numbers', 'float', ['N', from])
    if (categories > 0) graph.input('codes', 'int64', ['N', categories])
    const sums = addForests(
      graph,
      { ...(from > 0 ? { numbers: 'numbers' } : {}), ...(categories > 0 ? { codes: 'codes' } : {}) },
      { forests: [forest], cardinalities: Array(categories).fill(64) },
    )
    graph.output(sums, 'double', ['N', forest.outputs])
    const whole = rows.filter(row => row.slice(from).every(code => code !== null && code >= 0 && code < 64))
    const at = whole.map(row => rows.indexOf(row))
    const cells = (a: number, b: number) => whole.flatMap(row => row.slice(a, b).map(cell => cell ?? Number.NaN))
    const feeds: Record<string, Value> = {
      ...(from > 0 ? { numbers: { data: Float32Array.from(cells(0, from)), dims: [whole.length, from] } } : {}),
      ...(categories > 0
        ? {
            codes: {
              data: BigInt64Array.from(cells(from, forest.features).map(BigInt)),
              dims: [whole.length, categories],
            },
          }
        : {}),
    }
    assert.ok(whole.length > 10, `${whole.length} rows`)
    for (const [runtime, found] of await inEach(graph, feeds)) {
      const got = found[sums]!.data as unknown as Float64Array
      for (const [i, row] of at.entries())
        for (let o = 0; o < forest.outputs; o++) {
          const value = raw[row * forest.outputs + o]!
          const own = got[i * forest.outputs + o]!
          assert.ok(
            Math.abs(own - value) <= 1e-6 * Math.max(1, Math.abs(value)),
            `${runtime}, row ${row}: ${own}, not ${value}`,
          )
        }
    }
  })

test('trees that take 0 as a missing value are refused, with the reason', () => {
  const { text } = golden.forests.find(({ name }) => name === 'zeros')!
  const add = () => addForests(new Graph(), { numbers: 'x' }, { forests: [new Forest(text)], cardinalities: [] })
  assert.throws(add, /trees that take 0 as a missing value can not be exported/)
})

/** How many of the last features are categories. */
function categoriesOf({ trees, features }: Forest): number {
  const first = trees.flatMap(tree => [...tree.feature].filter((_, node) => tree.decision[node]! & 1))
  return first.length === 0 ? 0 : features - Math.min(...first)
}
