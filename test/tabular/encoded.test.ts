import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { datePartsWriter, partsOf } from '../../src/tabular/columns/date-parts.ts'
import { encode, encodeLater } from '../../src/tabular/encode.ts'
import { blocksOf, encodedPart, watched } from '../../src/tabular/encoded.ts'
import { digestBlock, RowsDigest, rowsDigest } from '../../src/tabular/models/state.ts'
import { partOf, type RunTable, withoutTraining } from '../../src/tabular/run/run-table.ts'
import { RowHashes } from '../../src/tabular/run/seen-rows.ts'
import type { Encoding, Frame } from '../../src/tabular/types.ts'

const rows = 5000
const random = rng(7, 0)
const dates = Float64Array.from({ length: rows }, () =>
  random.chance(0.1) ? Number.NaN : random.uniform(-3e9, 3e9) + (random.chance(0.5) ? 0.25 : 0),
)
const frame: Frame = {
  source: 't',
  rows,
  columns: [
    { name: 'n', type: 'number', values: Float64Array.from({ length: rows }, (_, i) => (i % 7 ? i / 3 : Number.NaN)) },
    { name: 'd', type: 'date', values: dates },
    {
      name: 'w',
      type: 'words',
      values: { codes: Int32Array.from({ length: rows }, (_, i) => (i % 5) - 1), words: ['a', 'b', 'c', 'd'] },
    },
  ],
}
const { origin, parts } = partsOf(dates)
const placed = partsOf(dates, 'places')
const encoding: Encoding = {
  columns: [
    { column: 'w', kind: 'category', words: ['d', 'b', 'x'] },
    { column: 'd', kind: 'date', origin, parts },
    { column: 'd', kind: 'date', ...placed },
    { column: 'n', kind: 'number' },
  ],
}

test('rows that are encoded later are those that are encoded at once: whole, some of them, in blocks', () => {
  const chosen = Int32Array.from({ length: 3000 }, (_, i) => (i * 17) % rows)
  const [now, later] = [encode(frame, encoding, chosen), encodeLater(frame, encoding, chosen)]
  const some = Int32Array.of(2999, 5, 5, 0)
  assert.deepEqual(encodedPart(later, some), encodedPart(now, some))
  for (const size of [1, 999, 3000, 5000]) {
    let at = 0
    for (const block of blocksOf(later, size)) {
      const own = encodedPart(
        now,
        Int32Array.from({ length: block.rows }, (_, i) => at + i),
      )
      assert.deepEqual([block.numbers, block.categories], [own.numbers, own.categories], `from row ${at}`)
      at += block.rows
    }
    assert.equal(at, 3000)
  }
  assert.deepEqual([later.numbers, later.categories], [now.numbers, now.categories])
  const { numberNames, categoryNames, cardinalities } = now
  assert.deepEqual(
    [later.numberNames, later.categoryNames, later.cardinalities],
    [numberNames, categoryNames, cardinalities],
  )
})

test('parts of dates are those of the calendar, before and after 1970', () => {
  assert.equal(parts.length, 18, 'all parts are there')
  const write = datePartsWriter(origin, parts)
  const into = new Float32Array(parts.length)
  const of = (name: string) => into[parts.indexOf(name)]!
  for (const seconds of dates) {
    write(into, 0, seconds)
    if (Number.isNaN(seconds)) {
      assert.ok(into.every(Number.isNaN), 'a missing date has no parts')
      continue
    }
    const date = new Date(seconds * 1000)
    const said = date.toISOString()
    const hours = date.getUTCHours() + date.getUTCMinutes() / 60 + date.getUTCSeconds() / 3600
    const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
    const expected = {
      'elapsed days': (seconds - origin) / 86_400,
      'hour sin': Math.sin((2 * Math.PI * hours) / 24),
      'hour cos': Math.cos((2 * Math.PI * hours) / 24),
      'weekday sin': Math.sin((2 * Math.PI * ((date.getUTCDay() + 6) % 7)) / 7),
      'month cos': Math.cos((2 * Math.PI * date.getUTCMonth()) / 12),
      'day sin': Math.sin((2 * Math.PI * (date.getUTCDate() - 1)) / last),
      'month end': Number(date.getUTCDate() === last),
      year: date.getUTCFullYear(),
    }
    for (const [name, value] of Object.entries(expected))
      assert.equal(of(name), Math.fround(value), `${name} of ${said}`)
  }
})

test('places of dates for trees: the hour, weekday, day, month and day of the year as one number each', () => {
  assert.deepEqual(placed.parts, [
    'elapsed days',
    'hour',
    'weekday',
    'day',
    'month end',
    'year',
    'month',
    'day of year',
  ])
  const write = datePartsWriter(0, placed.parts)
  const of = (text: string) => {
    const into = new Float32Array(placed.parts.length)
    write(into, 0, Date.parse(text) / 1000)
    return [...into.slice(1)]
  }
  assert.deepEqual(of('2024-12-31T18:30:00Z'), [18.5, 1, 31, 1, 2024, 12, 366])
  assert.deepEqual(of('1969-03-01T00:00:00Z'), [0, 5, 1, 0, 1969, 3, 60])
  assert.deepEqual(partsOf([0, 86_400 * 10], 'places').parts, ['elapsed days', 'weekday'], 'as far as the dates go')
})

test('a number that float32 does not hold is refused with its row and column', () => {
  const values = Float64Array.from({ length: rows }, (_, i) => (i === 41 ? 1e39 : i))
  const large: Frame = { ...frame, columns: [{ name: 'n', type: 'number', values }] }
  const only: Encoding = { columns: [{ column: 'n', kind: 'number' }] }
  const says = /t, row 42: the number of "n" is too large/
  assert.throws(() => encode(large, only), says)
  assert.throws(() => encodeLater(large, only, Int32Array.of(40, 41)).numbers, says)
})

test('who watches rows sees each block once, also when a pass ends early; then no pass of its own is needed', () => {
  const all = Int32Array.from({ length: rows }, (_, i) => i)
  const x = encodeLater(frame, encoding, all)
  const seen: number[] = []
  const shown = watched(x, block => seen.push(...block.numbers))
  let blocks = 0
  for (const _ of blocksOf(shown, 512)) if (++blocks === 3) break
  for (const _ of blocksOf(shown, 512)) blocks++
  for (const _ of blocksOf(shown, 512)) blocks++
  assert.deepEqual(Float32Array.from(seen), encode(frame, encoding).numbers)
  assert.deepEqual(encodedPart(shown, [7, 3]), encodedPart(x, [7, 3]), 'some rows are those of what is watched')

  const passes = { own: 0 }
  const counted = {
    ...encode(frame, encoding),
    *blocks() {
      passes.own++
      yield encode(frame, encoding)
    },
  }
  const [noted, alone] = [new RowHashes(rows), new RowHashes(rows)]
  for (const block of blocksOf(x, 700)) noted.add(block)
  assert.deepEqual([noted.of(counted), passes.own], [alone.of(x), 0])
  const half = new RowHashes(rows)
  for (const block of blocksOf(x, 2000)) {
    half.add(block)
    break
  }
  assert.deepEqual([half.of(counted), passes.own], [alone.of(x), 1], 'a pass that ended early is made anew')
})

test('the digest of rows is the same whether it is made on the way or in a pass of its own', () => {
  const all = Int32Array.from({ length: rows }, (_, i) => i)
  const y = { task: 'regression' as const, columns: ['y'], classes: ['y'], values: Float64Array.from(all, v => v / 3) }
  const part = { x: encodeLater(frame, encoding, all), y }
  const digest = new RowsDigest()
  const shown = watched(part.x, block => digest.block(block))
  for (const _ of blocksOf(shown, digestBlock));
  digest.targets(y)
  assert.equal(digest.text([part]), rowsDigest(part))
})

test('a table without its training rows has the same validation and test rows', () => {
  const own: Frame = { ...frame, columns: frame.columns.map(column => ({ ...column })) }
  const pick = (k: number) => Int32Array.from({ length: rows }, (_, i) => i).filter(i => i % 5 === k)
  const table: RunTable = {
    frame: own,
    columns: [],
    targets: { task: 'regression', columns: ['y'], classes: ['y'], values: Float64Array.from(dates.keys()) },
    parts: { train: pick(0), valid: pick(3), test: pick(1) },
    encoding,
    encode,
    leaks: [],
  }
  const parts = (of: RunTable) =>
    [of.parts.valid, of.parts.test!].map(numbers => {
      const { frame, x, y } = partOf(of, numbers)
      return { frame, numbers: x.numbers, categories: x.categories, y }
    })
  const before = parts(table)
  const rest = withoutTraining(table)
  assert.deepEqual(parts(rest), before)
  assert.deepEqual(
    [own.rows, own.columns[0]!.values, rest.parts.train.length],
    [2000, rest.frame.columns[0]!.values, 0],
  )
})

test('rows that were freed say so when they are asked for again', () => {
  const x = encodeLater(
    frame,
    encoding,
    Int32Array.from({ length: rows }, (_, i) => i),
  )
  x.free!()
  for (const ask of [() => x.numbers, () => x.part!([0]), () => [...x.blocks!(64)]])
    assert.throws(ask, /5000 encoded rows were freed, and are asked for again/)
})
