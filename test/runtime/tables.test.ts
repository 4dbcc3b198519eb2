import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import * as web from 'onnxruntime-web/wasm'
import { largestDifference } from '../../src/export/table/compare-rows.ts'
import { exportTable } from '../../src/export/table/export-table.ts'
import { load as loadOnEdge } from '../../src/runtime/edge.ts'
import { load, type Ort, type RunError, type TableModel, type TableRow } from '../../src/runtime/node.ts'
import { checkTableCard } from '../../src/runtime/table/card.ts'
import { rowTexts } from '../../src/runtime/table/texts.ts'
import { prepareFrame } from '../../src/tabular/prepare.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { type RowPrediction, rowPredictor } from '../../src/tabular/run/predict.ts'
import { embedder, otherRows, prepareReviews, reviewRows } from '../export/table-texts.make.ts'
import { prepare, rawRows, savedModel } from '../export/tables.make.ts'
import { runtimeSite } from '../helpers/browser.ts'
import { browserPath } from '../helpers/chromium.ts'
import { colourModel } from '../helpers/served.ts'

const frame = frameOfRows(rawRows(500))
const ort = web as unknown as Ort
const first = rawRows(1)[0]!

/** Rows that training did not have, with missing values and words that it did not have, as texts and as values. */
const others: TableRow[] = [
  ...rawRows(60, 2),
  { ...first, colour: 'ultraviolet', town: '', rooms: '3.0', garden: 'No', sold: '2024-02-29T23:59:59' },
  { ...first, colour: ' red ', town: 'NA', rooms: 'n/a', garden: 'YES', sold: '1969-12-31T23:59:59' },
  { ...first, colour: 're\u200bd', town: 'town aé'.normalize('NFD'), size: ' 12.5 ', heat: '-1e1', whole: '1,234,567' },
  { ...first, size: null, heat: null, whole: null, colour: null, town: null, rooms: null, sold: null, born: null },
  { ...first, size: Number.NaN, heat: Number.POSITIVE_INFINITY, rooms: 3, whole: 20_000_000n, sold: '31 Dec 2020' },
  { ...first, sold: new Date('2021-05-06T07:08:09Z'), born: new Date('2021-05-06'), rooms: '007' },
  { ...first, sold: '2021-05-06T07:08:09+02:00', born: '20210506', size: '3.50', rooms: '3.' },
]

/** What `rowPredictor` takes of a row: alone, since a row means the same beside any other. */
async function trained(stem: string): Promise<RowPrediction[]> {
  const predict = await rowPredictor(stem)
  const answers: RowPrediction[] = []
  for (const row of others)
    answers.push((await predict([row.born === '20210506' ? { ...row, born: '2021-05-06' } : row]))[0]!)
  return answers
}

const numbers = (one: RowPrediction) => Object.values(one.task === 'single' ? one.probabilities : one.values)

for (const name of ['trees', 'realmlp', 'both'] as const)
  for (const [what, target, card] of [
    ['two classes, decided by a threshold', 'cheap', { positive: 'dear', threshold: 0.3123, temperature: 1.37 }],
    ['three classes', 'kind', {}],
    ['two numbers', ['price', 'worth'], {}],
  ] as const)
    test(`${name}, ${what}: rows get the run's own answers in Node and by WebAssembly`, async () => {
      const stem = await savedModel(prepare(frame, target as string | string[]), name, { card })
      const { file } = await exportTable(stem, { check: false })
      const expected = await trained(stem)
      await using node = await load(file, { kind: 'table', threads: 1 })
      await using edge = await loadOnEdge(new Uint8Array(readFileSync(file)), { ort, kind: 'table' })
      for (const model of [node, edge]) {
        const together = await model.predict(others)
        const got: number[] = []
        for (const [i, row] of others.entries()) {
          const own = i % 20 === 0 || i > 58 ? await model.predict(row) : together[i]!
          assert.equal(own.task, expected[i]!.task)
          got.push(...numbers(own))
          const wanted = expected[i]!
          if (own.task === 'single' && wanted.task === 'single') {
            assert.equal(own.label, wanted.label, `row ${i}`)
            assert.equal(own.probability, own.probabilities[own.label], 'of the decided class')
          }
        }
        const difference = largestDifference(expected.flatMap(numbers), got, model.card)
        assert.ok(difference < 1e-5, `${model.device}: the largest difference is ${difference}`)
        assert.deepEqual(together[60]!.unknown, ['colour'], 'a word that training did not have is named')
        assert.deepEqual(together[61]!.unknown, [])
      }
    })

test('texts: rows get the run’s own answers in Node and by WebAssembly, whatever stands beside them', async () => {
  const stem = await savedModel(await prepareReviews(reviewRows(120), 'verdict'), 'both')
  const { file, card } = await exportTable(stem, { embedder, runtimes: ['onnxruntime-web'] })
  assert.ok(card.checks![0]!.texts!.vectors < 1e-5, JSON.stringify(card.checks))
  const rows: TableRow[] = [
    ...otherRows,
    { ...otherRows[0]!, review: null, note: ' cafe\u200b ' },
    { ...otherRows[0]!, review: 4711, note: true },
  ]
  const own = await rowPredictor(stem, { embedder })
  const expected: RowPrediction[] = []
  for (const row of rows)
    expected.push((await own([{ ...row, review: row.review === 4711 ? '4711 ' : row.review }]))[0]!)
  await using node = await load(file, { kind: 'table', threads: 1 })
  await using edge = await loadOnEdge(new Uint8Array(readFileSync(file)), { ort, kind: 'table' })
  for (const model of [node, edge]) {
    const together = await model.predict(rows)
    const some = [0, 30, 31, 33, 34, 35, 36]
    const alone = await Promise.all(some.map(i => model.predict(rows[i]!)))
    for (const [list, of] of [
      [together, expected],
      [alone, some.map(i => expected[i]!)],
    ] as const) {
      const difference = largestDifference(of.flatMap(numbers), list.flatMap(numbers), model.card)
      assert.ok(difference < 1e-4, `${model.device}: the largest difference is ${difference}`)
    }
    assert.deepEqual(
      together.flatMap(({ unknown }) => unknown),
      ['shop'],
      'no text is an unknown word',
    )
    assert.equal((await model.predict(model.example)).task, 'single')
  }
  await assert.rejects(
    node.predict({ ...rows[0]!, review: ['a'] as never }),
    /the row, "review": a list is not a text; give a text/,
  )
  const broken = { ...card, texts: { ...card.texts!, tokenizer: '{}' } }
  assert.throws(
    () => checkTableCard({ ...card, texts: undefined as never }, 'm.onnx'),
    /its card says texts undefined, expected/,
  )
  await assert.rejects(rowTexts(broken, 'm.onnx'), /m\.onnx: the tokenizer in its card can not be used/)
})

let model: TableModel
before(async () => {
  const stem = await savedModel(prepare(frame, 'cheap'), 'trees')
  model = await load((await exportTable(stem, { check: false })).file, { kind: 'table', threads: 1 })
})

test('a row that does not fit is refused, with its place, its column and what to do', async () => {
  const bad: [unknown, RegExp][] = [
    [{ ...first, size: 'large' }, /^row 2, "size": "large" is not a number; give a number, or null/],
    [{ ...first, size: true }, /"size": true is not a number/],
    [{ ...first, size: new Date() }, /"size": a Date is not a number/],
    [{ ...first, heat: [1] }, /"heat": a list is not a number/],
    [{ ...first, heat: '1,5' }, /"heat": "1,5" is not a number/],
    [{ ...first, sold: 'yesterday' }, /"sold": "yesterday" is not a date; give a text such as "2024-07-01"/],
    [
      { ...first, sold: 1_719_792_000 },
      /"sold": 1719792000 is not a date \(of numbers, years and dates such as 20240701/,
    ],
    [{ ...first, sold: '2023-02-29' }, /"2023-02-29" is not a date/],
    [
      { ...first, sold: '03/04/2023' },
      /"03\/04\/2023" may be day 3 of month 4 or day 4 of month 3.*write the year first/,
    ],
    [{ ...first, sold: new Date('no') }, /an invalid Date; give null/],
    [{ ...first, sold: false }, /"sold": false is not a date/],
    [{ ...first, garden: true }, /"garden": true is none of its words; give one of "no", "yes"/],
    [{ ...first, colour: { red: 1 } }, /"colour": an object is not a word/],
    [
      { ...first, color: 'red' },
      /^row 2 has the column "color", which the model does not know\. Did you mean "colour"\?/,
    ],
    [{ ...first, colour: undefined }, /^row 2 lacks the column "colour", which the model takes; give null/],
    [{}, /^row 2 lacks the columns "size", "heat", .* which the model takes/],
    ['a,b', /^row 2 is a string; expected an object with a value for each column, such as \{"size":/],
    [null, /^row 2 is null/],
    [[1, 2], /^row 2 is a list/],
    [new Uint8Array(3), /^row 2 is Uint8Array/],
  ]
  for (const [row, message] of bad)
    await assert.rejects(model.predict([first, row] as TableRow[]), (error: RunError) => {
      assert.equal(error.kind, 'row')
      assert.match(error.message, message)
      return true
    })
  await assert.rejects(model.predict({ ...first, size: '', heat: 'x' }), /^RunError: the row, "heat"/)
})

test('columns that training left out may be there; the example is a row of usual values', async () => {
  assert.ok(
    ['price', 'worth', 'kind', 'cheap'].every(name => model.card.unused?.includes(name)),
    String(model.card.unused),
  )
  const { price, worth, kind, cheap, ...own } = first
  assert.deepEqual(await model.predict(own), await model.predict({ ...own, price, worth, kind, cheap } as TableRow))
  const { example } = model
  assert.deepEqual(
    Object.keys(example),
    model.card.inputs.map(({ name }) => name),
  )
  assert.match(String(example.sold), /^\d{4}-\d\d-\d\d(T|$)/)
  assert.deepEqual((await model.predict(example)).unknown, [])
  assert.deepEqual(await model.predict([]), [])
})

test('words for a missing value that the run was given are missing, others are not; decimal commas and dates as in training', async () => {
  const rows = Array.from({ length: 120 }, (_, i) => ({
    height: `${1 + (i % 7)},${i % 10}5`,
    day: `${String(1 + (i % 28)).padStart(2, '0')}/0${1 + (i % 9)}/2023`,
    sign: ['+', '-', 'gone'][i % 3]!,
    y: i % 2 ? 'a' : 'b',
  }))
  const prepared = prepareFrame(frameOfRows(rows, { missing: ['gone', '-999'] }), {
    target: 'y',
    as: { height: 'number' },
  })
  const stem = await savedModel(prepared, 'trees', { card: { reading: { missing: ['gone', '-999'] } } })
  await using own = await load((await exportTable(stem, { check: false })).file, { kind: 'table', threads: 1 })
  const cells = (row: TableRow) => own.read(row).cells
  const order = own.card.inputs.map(({ name }) => name)
  assert.deepEqual(order, ['height', 'day', 'sign'])
  const day = Date.UTC(2023, 3, 3) / 1000
  assert.deepEqual(cells({ height: '2,5', day: '03/04/2023', sign: '-' }), [2.5, day, '-'])
  assert.deepEqual(cells({ height: 2.5, day: '2023-04-03', sign: 'gone' }), [2.5, day, ''])
  assert.deepEqual(cells({ height: -999, day: 'gone', sign: 'NA' }), [Number.NaN, Number.NaN, 'NA'])
  assert.throws(
    () => cells({ height: 'NA', day: null, sign: null }),
    /"NA" is not a number; give a number, with a comma/,
  )
})

test('the unit of training is kept: another one is refused, by the run too', async () => {
  const rows = Array.from({ length: 120 }, (_, i) => ({
    weight: `${20 + (i % 50)} kg`,
    price: `$${1 + ((i * 7) % 97)},500`,
    share: `${i % 100}%`,
    plain: String((i * 37) % 101),
    y: i % 2 ? 'a' : 'b',
  }))
  const stem = await savedModel(prepareFrame(frameOfRows(rows), { target: 'y' }), 'trees')
  await using own = await load((await exportTable(stem, { check: false })).file, { kind: 'table', threads: 1 })
  const predict = await rowPredictor(stem)
  const first = { weight: '25 kg', price: '$1,500', share: '7%', plain: '3' }
  const [{ cells }, names] = [own.read(first), own.card.inputs.map(({ name }) => name)]
  assert.deepEqual(Object.fromEntries(names.map((name, i) => [name, cells[i]])), {
    weight: 25,
    price: 1500,
    share: 7,
    plain: 3,
  })
  assert.deepEqual(
    own.read({ weight: 25, price: '1500', share: 7, plain: 3 }).cells,
    cells,
    'without a unit it is that of training',
  )
  for (const [name, value, message] of [
    ['weight', '25 lb', /"25 lb" is in "lb", and training had numbers in "kg"/],
    ['price', '€1,500', /in "€", and training had numbers in "\$"/],
    ['share', '7 kg', /in "kg", and training had numbers in "%"/],
    ['plain', '50%', /"50%" is in "%", and training had plain numbers/],
  ] as const) {
    assert.throws(() => own.read({ ...first, [name]: value }), message)
    await assert.rejects(predict([{ ...first, [name]: value }]), new RegExp(`row 1: .*${name}|"${name}"`))
  }
})

test('times of day are seconds, in training, in predictions of the run and in its file', async () => {
  const rows = Array.from({ length: 120 }, (_, i) => ({
    at: `${i % 24}:${String((i * 7) % 60).padStart(2, '0')}${i % 3 ? '' : ':30'}`,
    n: i * 1.5,
    y: (i % 24) * 60 + ((i * 7) % 60) > 700 ? 'late' : 'early',
  }))
  const stem = await savedModel(prepareFrame(frameOfRows(rows), { target: 'y' }), 'trees')
  await using own = await load((await exportTable(stem, { check: false })).file, { kind: 'table', threads: 1 })
  const predict = await rowPredictor(stem)
  assert.equal(own.read({ at: '18:30', n: 1 }).cells[0], 66_600)
  for (const row of [
    { at: '7:05', n: 3 },
    { at: '18:30:15', n: 4 },
    { at: '', n: 4 },
    { at: 66_600, n: 1 },
  ]) {
    const [found, [wanted]] = [await own.predict(row), await predict([row])]
    assert.ok(found.task === 'single' && wanted!.task === 'single', 'classes')
    assert.equal(found.label, wanted!.label, JSON.stringify(row))
  }
  assert.throws(() => own.read({ at: '18:75', n: 1 }), /"18:75" is not a number/)
  await assert.rejects(predict([{ at: '18:75', n: 1 }]), /"18:75" is not a number/)
})

test('a card with the classes in another order than the graph, or with a range of one number, is refused', async () => {
  const stem = await savedModel(prepare(frame, 'cheap'), 'trees')
  const { file } = await exportTable(stem, { check: false })
  const text = readFileSync(file).toString('latin1')
  const changed = (from: RegExp, to: string) => {
    assert.match(text, from)
    return Uint8Array.from(
      Buffer.from(
        text.replace(from, found => to.padEnd(found.length)),
        'latin1',
      ),
    )
  }
  await (await load(file, { threads: 1 })).dispose()
  await assert.rejects(
    load(changed(/"classes":\["cheap","dear"\]/, '"classes":["dear","cheap"]'), { threads: 1 }),
    /its card has the classes \["dear","cheap"\], but the graph has \["cheap","dear"\]/,
  )
  await assert.rejects(
    load(changed(/"range":\[[^\]]*\]/, '"range":7'), { threads: 1 }),
    /its card says inputs .*the range of two numbers/,
  )
})

test('the kind that is asked for is checked; aborting, disposing, devices', async () => {
  const stem = await savedModel(prepare(frame, 'price'), 'trees')
  const { file } = await exportTable(stem, { check: false })
  await assert.rejects(
    load(file, { kind: 'picture' }),
    /is a model of tables, and kind: "picture" expects one of pictures/,
  )
  await assert.rejects(load(colourModel(), { kind: 'table' }), /is a model of pictures, and kind: "table"/)
  await assert.rejects(
    load(file, { kind: 'video' as 'table' }),
    /kind: got "video", expected "picture", "table", "text" or "sound"/,
  )
  await assert.rejects(load(file, { device: 'webgpu' }), /does not run on WebGPU/)
  const any = await load(file)
  assert.equal(any.kind, 'table')
  if (any.kind !== 'table') return
  const found = await any.predict(first)
  assert.equal(found.task === 'regression' && found.values.price, found.scores[0])
  const gone = AbortSignal.abort(new Error('no longer'))
  await assert.rejects(any.predict(first, { signal: gone }), /no longer/)
  await any.dispose()
  await assert.rejects(any.predict(first), /was disposed/)
})

if (browserPath)
  test('in Chromium: rows, also with dates and missing values, get the same answers; errors name row and column', async () => {
    const stem = await savedModel(prepare(frame, 'kind'), 'both')
    const { file } = await exportTable(stem, { check: false })
    const expected = await trained(stem)
    const site = await runtimeSite(readFileSync(file))
    try {
      const page = await site.page()
      const plain = others.filter(row => Object.values(row).every(value => ['string', 'number'].includes(typeof value)))
      const places = plain.map(row => others.indexOf(row))
      const [found, date, refused] = await page.evaluate<[RowPrediction[], number[], string]>(`(async () => {
        const model = await run.load('/model.onnx')
        const rows = ${JSON.stringify(plain)}
        const answers = await model.predict(rows)
        const read = model.read({ ...rows[0], sold: new Date('2021-05-06T07:08:09Z'), colour: null })
        return [answers, read.cells, await reason(() => model.predict([rows[0], { ...rows[0], size: 'large' }]))]
      })()`)
      const wanted = places.map(i => expected[i]!)
      const difference = largestDifference(wanted.flatMap(numbers), found.flatMap(numbers), {
        task: 'single',
        classes: ['', '', ''],
      })
      assert.ok(difference < 1e-5, `the largest difference is ${difference}`)
      assert.deepEqual(
        found.map(one => one.task === 'single' && one.label),
        wanted.map(one => one.task === 'single' && one.label),
      )
      assert.ok(date.includes(Date.parse('2021-05-06T07:08:09Z') / 1000), String(date))
      assert.match(refused, /RunError: row 2, "size": "large" is not a number/)
      assert.deepEqual(site.foreign, [])
    } finally {
      await site.close()
    }
  })
