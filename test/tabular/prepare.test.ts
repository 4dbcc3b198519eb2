import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { rng } from '../../src/base/random.ts'
import { encode, fitEncoding, readingOf } from '../../src/tabular/encode.ts'
import type { Leak } from '../../src/tabular/leaks.ts'
import { auc } from '../../src/tabular/one-column.ts'
import {
  labelledRows,
  type PreparedTable,
  type PrepareOptions,
  prepareFrame,
  prepareTable,
} from '../../src/tabular/prepare.ts'
import { readTable } from '../../src/tabular/read/read-table.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { skewness } from '../../src/tabular/target.ts'
import { put, tempFolder } from '../helpers/data.ts'

const vega = (name: string) => fileURLToPath(new URL(`../../node_modules/vega-datasets/data/${name}`, import.meta.url))

type Row = Record<string, string | number | boolean | null | Date>

/** A table of `n` rows, made by a function of the row number and random numbers. */
function made(n: number, row: (i: number, random: ReturnType<typeof rng>) => Row) {
  const random = rng(7)
  return frameOfRows(Array.from({ length: n }, (_, i) => row(i, random)))
}

const prepare = (frame: ReturnType<typeof made>, options: PrepareOptions): PreparedTable => prepareFrame(frame, options)
const named = (leaks: readonly Leak[]) => leaks.map(({ kind, column }) => `${kind} ${column ?? ''}`.trim())
const said = ({ choices }: PreparedTable) => choices.map(one => `${one.what}: ${one.value} (${one.reason})`).join('\n')
const uses = ({ uses }: PreparedTable) =>
  Object.fromEntries(uses.map(one => [one.name, `${one.kind}${one.used ? '' : ', not used'}`]))

const words = 'red green blue'.split(' ')
const letters = 'abcdefghij'
const basic = (n = 200) =>
  made(n, (i, random) => ({
    row: i + 1,
    CustomerId: `c${1000 + i}x`,
    x: random.normal(),
    stars: random.integer(5),
    year: 2000 + random.integer(10),
    colour: words[random.integer(3)]!,
    yes: random.chance(0.5) ? 'Yes' : 'No',
    flag: random.integer(2),
    same: 'a',
    empty: null,
    when: new Date(Date.UTC(2020, 0, 1 + random.integer(900))),
    note: Array.from({ length: 6 }, () => letters[random.integer(10)]).join(' '),
    y: random.chance(0.3) ? 'good' : 'bad',
  }))

test('kinds of columns by their content', () => {
  const prepared = prepare(basic(), { target: 'y' })
  assert.deepEqual(uses(prepared), {
    row: 'id, not used',
    CustomerId: 'id, not used',
    x: 'number',
    stars: 'category',
    year: 'number',
    colour: 'category',
    yes: 'boolean',
    flag: 'boolean',
    same: 'constant, not used',
    empty: 'constant, not used',
    when: 'date',
    note: 'text, not used',
    y: 'category, not used',
  })
  for (const { reason } of prepared.uses) assert.ok(reason.length > 0, 'each kind has its reason')
})

test('the user says what columns are, and which are used; a wrong name gets the nearest one', () => {
  const options = { target: 'y', as: { stars: 'number', row: 'number' }, drop: ['x'] } as const
  const own = uses(prepare(basic(), options))
  assert.deepEqual([own.stars, own.row, own.x], ['number', 'number', 'number, not used'])
  const only = prepare(basic(), { target: 'y', only: ['x', 'colour'] }).uses.filter(({ used }) => used)
  assert.deepEqual(
    only.map(({ name }) => name),
    ['x', 'colour'],
  )
  for (const [wrong, says] of [
    [{ drop: ['colur'] }, /drop: "colur": the table has no column "colur"\. Did you mean "colour"\?/],
    [{ only: ['X1'] }, /only: "X1"/],
    [{ as: { stars: 'numbr' } }, /"numbr" is not a kind of column\. Did you mean "number"/],
    [{ as: { star: 'number' } }, /Did you mean "stars"/],
    [{ target: 'yy' }, /target: "yy"/],
    [{ groupColumn: 'customerid' }, /Did you mean "CustomerId"/],
    [{ only: ['x'], drop: ['x'] }, /both name "x"/],
  ] as const)
    assert.throws(() => prepare(basic(), { target: 'y', ...wrong } as PrepareOptions), says)
})

test('targets: two classes, many, numbers, several columns, a log scale that is proposed', () => {
  const frame = made(300, (i, random) => ({
    x: random.normal(),
    two: i % 3 ? 1 : 0,
    many: words[i % 3]!,
    small: 3 + random.integer(5),
    price: Math.exp(2 * random.normal()),
    other: random.normal(),
    gap: i % 10 ? random.normal() : null,
  }))
  const infoOf = (options: PrepareOptions) => prepare(frame, options).target.info
  assert.deepEqual(infoOf({ target: 'two' }), { task: 'single', columns: ['two'], classes: ['0', '1'] })
  assert.deepEqual(infoOf({ target: 'many' }).classes, ['blue', 'green', 'red'])
  assert.deepEqual(infoOf({ target: ['price', 'other'] }), {
    task: 'regression',
    columns: ['price', 'other'],
    classes: ['price', 'other'],
  })
  assert.throws(
    () => infoOf({ target: 'small' }),
    /5 different whole numbers: 3, 4, 5, 6, 7\. They may be classes or amounts\. task: "single".*task: "regression"/,
  )
  assert.equal(infoOf({ target: 'small', task: 'regression' }).task, 'regression')
  assert.equal(infoOf({ target: 'small', task: 'single' }).classes.length, 5)
  assert.equal(infoOf({ target: 'small', as: { small: 'category' } }).task, 'single')
  assert.equal(infoOf({ target: 'small', as: { small: 'number' } }).task, 'regression')
  assert.match(said(prepare(frame, { target: 'price' })), /"price" is skewed.*log: true/)
  assert.deepEqual(infoOf({ target: 'price', log: true }).log, [true])
  const gap = prepare(frame, { target: 'gap' })
  assert.match(said(gap), /missing targets: 30 rows left out/)
  assert.equal(gap.split.train.length + gap.split.valid.length, 270)
  assert.equal(labelledRows(gap, gap.split.train).y.values.some(Number.isNaN), false)
})

test('targets that can not be predicted are errors', () => {
  const frame = made(60, i => ({
    x: i % 7,
    one: 'a',
    text: `t${i}`,
    none: null,
    when: new Date(1e12 + 1e9 * i),
    rare: i ? (i % 2 ? 'a' : 'b') : 'c',
  }))
  for (const [target, says] of [
    ['one', /has one class: every row .* holds "a"/],
    ['text', /60 classes in 60 rows: it looks like names/],
    ['none', /no row of .* holds a value of the target/],
    ['when', /holds dates/],
    [['x', 'one'], /several targets are numbers, and "one" holds words/],
    [[], /no target is given/],
  ] as const)
    assert.throws(() => prepare(frame, { target }), says)
  assert.match(said(prepare(frame, { target: 'rare' })), /class in one row: "c"/)
})

test('random parts are stratified, the same for a seed, and never only random in silence', () => {
  const frame = made(1000, (i, random) => ({
    user_id: `u${random.integer(90)}`,
    when: new Date(1e12 + i * 864e5),
    x: random.normal(),
    y: i % 10 ? 'b' : 'a',
    n: random.normal() ** 3,
  }))
  const prepared = prepare(frame, { target: 'y', test: 0.2 })
  const { train, valid, test: last } = prepared.split
  assert.deepEqual([train.length, valid.length, last.length], [600, 200, 200])
  const share = (rows: Int32Array) => rows.filter(row => row % 10 === 0).length / rows.length
  assert.deepEqual([share(train), share(valid), share(last)], [0.1, 0.1, 0.1])
  assert.deepEqual(new Set([...train, ...valid, ...last]).size, 1000)
  assert.deepEqual(prepare(frame, { target: 'y', test: 0.2 }).split, prepared.split)
  assert.notDeepEqual(prepare(frame, { target: 'y', test: 0.2, seed: 1 }).split.valid, valid)
  assert.match(said(prepared), /split by time: proposed, not done .*timeColumn: "when"/)
  assert.match(said(prepared), /split by group: proposed, not done .*groupColumn: "user_id"/)
  const numbers = prepare(frame, { target: 'n' }).split
  const mean = (rows: Int32Array) =>
    rows.reduce((sum, row) => sum + (frame.columns[4]!.values as Float64Array)[row]!, 0) / rows.length
  assert.ok(Math.abs(mean(numbers.train) - mean(numbers.valid)) < 0.3, 'small and large targets are on both sides')
})

test('splits by group, by time, by folds and by a column', () => {
  const frame = made(500, (i, random) => ({
    patient: `p${random.integer(40)}`,
    n: random.integer(30),
    t: (i * 7919) % 500,
    part: i < 400 ? 'train' : i < 450 ? 'VAL' : 'test',
    x: random.normal(),
    y: random.chance(0.4) ? 'a' : 'b',
  }))
  const codes = (name: string) => frame.columns.find(column => column.name === name)!.values
  const patients = (codes('patient') as { codes: Int32Array }).codes
  const group = prepare(frame, { target: 'y', groupColumn: 'patient', test: 0.2 }).split
  const of = (rows: Int32Array) => new Set(Array.from(rows, row => patients[row]!))
  assert.equal([...of(group.train)].filter(p => of(group.valid).has(p) || of(group.test).has(p)).length, 0)
  assert.ok(Math.abs(group.valid.length - 100) < 30, `${group.valid.length} validate`)
  const times = codes('t') as Float64Array
  const time = prepare(frame, { target: 'y', timeColumn: 't', test: 0.1 }).split
  const range = (rows: Int32Array) => [
    Math.min(...Array.from(rows, row => times[row]!)),
    Math.max(...Array.from(rows, row => times[row]!)),
  ]
  assert.deepEqual(
    [range(time.train), range(time.valid), range(time.test)],
    [
      [0, 349],
      [350, 449],
      [450, 499],
    ],
  )
  const folds = [0, 1, 2].map(fold => prepare(frame, { target: 'y', folds: 3, fold }).split)
  assert.deepEqual(
    folds.flatMap(({ valid }) => [...valid]).sort((a, b) => a - b),
    Array.from({ length: 500 }, (_, i) => i),
  )
  const given = prepare(frame, { target: 'y', splitColumn: 'part' })
  assert.deepEqual([given.split.train.length, given.split.valid.length, given.split.test.length], [400, 50, 50])
  assert.equal(given.uses.find(({ name }) => name === 'part')!.used, false)
  for (const [options, says] of [
    [{ valid: 0 }, /between 0 and 1; got 0/],
    [{ valid: 0.6, test: 0.5 }, /less than 1 together/],
    [{ groupColumn: 'patient', timeColumn: 't' }, /leave all but one out/],
    [{ folds: 3, timeColumn: 't' }, /contradict/],
    [{ folds: 3, fold: 3 }, /from 0 to 2; got 3/],
    [{ timeColumn: 'patient' }, /holds words/],
    [{ splitColumn: 'y' }, /is no part; expected train, valid or test/],
  ] as const)
    assert.throws(() => prepare(frame, { target: 'y', ...options }), says)
})

test('features: columns by name, unknown words, missing values, numbers as words, dates by parts', () => {
  const train = frameOfRows([
    { n: 1, k: 3, w: 'a', d: new Date(Date.UTC(2020, 0, 1)), z: 'u' },
    { n: null, k: 4, w: 'b', d: new Date(Date.UTC(2021, 11, 31)), z: 'v' },
    { n: 3, k: 3, w: null, d: null, z: 'v' },
  ])
  const all = Int32Array.of(0, 1, 2)
  const use = (name: string, kind: 'number' | 'category' | 'date') => ({ name, kind, used: true, reason: '' })
  const encoding = fitEncoding(
    train,
    [use('n', 'number'), use('k', 'category'), use('w', 'category'), use('d', 'date')],
    all,
  )
  assert.deepEqual(JSON.parse(JSON.stringify(encoding)), encoding)
  const first = encode(train, encoding)
  assert.deepEqual(first.categoryNames, ['k', 'w'])
  assert.deepEqual([...first.categories], [2, 2, 3, 3, 2, 0])
  assert.deepEqual(first.cardinalities, [4, 4])
  const parts = Object.fromEntries(
    first.numberNames.map((name, j) => [name, first.numbers[j + first.numberNames.length]!]),
  )
  assert.equal(parts['d elapsed days'], 0)
  assert.equal(first.numbers[first.numberNames.indexOf('d elapsed days')], -730)
  assert.deepEqual([parts['d year'], parts['d year end'], parts['d month end'], parts['d year start']], [2021, 1, 1, 0])
  assert.ok(
    Math.abs(parts['d weekday sin']! - Math.sin((2 * Math.PI * 4) / 7)) < 1e-6,
    'the last day of 2021 is a Friday, 4 from Monday',
  )
  assert.ok(Number.isNaN(first.numbers[first.numbers.length - 1]), 'a missing date has no parts')
  const later = frameOfRows([
    { extra: 1, d: '2020-01-01', w: 'new', k: '3.0', n: '1.5' },
    { d: null, w: 'b', k: 'x', n: null, extra: 2 },
  ])
  const second = encode(later, encoding)
  assert.deepEqual([...second.categories], [2, 1, 1, 3])
  assert.deepEqual([second.numbers[0], second.numbers[1]], [1.5, -730])
  assert.deepEqual([...encode(train, encoding, Int32Array.of(2, 0)).categories], [2, 0, 2, 2])
  assert.throws(
    () => encode(frameOfRows([{ n: 1, k: 3, w: 'a' }]), encoding),
    /has no column "d", which the model takes/,
  )
  assert.throws(() => encode(frameOfRows([{ n: 1 }]), encoding), /lacks 3 columns that the model takes: "k", "w", "d"/)
  assert.throws(
    () => encode(frameOfRows([{ n: 'x', k: 3, w: 'a', d: null }]), encoding),
    /row 1: "x" in "n" is not a number/,
  )
})

test('a later table is read as the training table was: decimal commas, the order of dates, zeros in front', async t => {
  const dir = tempFolder(t)
  put(dir, {
    'a.csv': `d;v;zip\n${Array.from({ length: 20 }, (_, i) => `${i + 5}/12/2020;${i},125;0${1000 + (i % 3)}`).join('\n')}\n25/12/2020;1,5;01000\n`,
  })
  const first = await readTable(join(dir, 'a.csv'), { threads: 1 })
  const kinds = [
    { name: 'd', kind: 'date' },
    { name: 'v', kind: 'number' },
    { name: 'zip', kind: 'category' },
  ] as const
  const encoding = fitEncoding(
    first,
    kinds.map(one => ({ ...one, used: true, reason: '' })),
    Int32Array.from({ length: 21 }, (_, i) => i),
  )
  put(dir, { 'b.csv': 'zip;v;d\n01002;2,125;01/02/2021\n' })
  const later = await readTable(join(dir, 'b.csv'), { threads: 1, ...readingOf(encoding) })
  const { numbers, numberNames, categories } = encode(later, encoding)
  assert.equal(numbers[numberNames.indexOf('v')], 2.125)
  const origin = (encoding.columns[0] as { origin: number }).origin
  assert.equal(numbers[0]! * 86_400 + origin, Date.UTC(2021, 1, 1) / 1000)
  assert.deepEqual([...categories], [4])
})

test('rare words of a large vocabulary share the code of unknown words', () => {
  const frame = made(900, i => ({ w: i < 800 ? `w${i % 80}` : `rare${i}`, x: i }))
  const { columns } = fitEncoding(
    frame,
    [{ name: 'w', kind: 'category', used: true, reason: '' }],
    Int32Array.from({ length: 900 }, (_, i) => i),
  )
  const [one] = columns
  assert.equal(one?.kind === 'category' && one.words.length, 80)
  const { categories } = encode(frame, { columns })
  assert.equal(categories[850], 1)
})

test('planted leaks are found, each with the option that takes it away', () => {
  const frame = made(1500, (i, random) => {
    const y = random.chance(0.2)
    return {
      a: random.normal(),
      copy: y ? random.uniform(5, 6) : random.uniform(0, 5),
      is_churned: y === random.chance(0.95) ? 'u' : 'v',
      refund: y && random.chance(0.3) ? random.uniform(1, 9) : 0,
      closed: y ? new Date(1e12 + i * 1e8) : null,
      user_id: `u${y ? random.integer(40) : 40 + random.integer(100)}`,
      opened: new Date(1e12 + i * 1e8),
      churned: y ? 'yes' : 'no',
    }
  })
  const { leaks } = prepare(frame, { target: 'churned' })
  assert.deepEqual(named(leaks), [
    'group user_id',
    'tells copy',
    'name is_churned',
    'tells-part refund',
    'tells closed',
    'future opened',
  ])
  assert.equal(leaks.find(({ column }) => column === 'copy')!.remedy, 'drop: "copy"')
  assert.equal(leaks.find(({ kind }) => kind === 'future')!.remedy, 'timeColumn: "opened"')
})

test('planted leaks of other kinds: a copy of a skewed number, rows on both sides, groups, a column that is missing with a class', () => {
  const rows: Row[] = []
  const random = rng(3)
  const base = Array.from({ length: 60 }, () => random.normal())
  for (let i = 0; i < 900; i++) {
    const store = random.integer(60)
    const price = Math.exp(2 * base[store]! + 0.5 * random.normal())
    const grade = words[random.integer(3)]!
    rows.push({
      store_id: store,
      a: random.normal(),
      b: random.normal(),
      euros: 1.1 * price,
      grade,
      score: grade === 'red' ? null : random.normal(),
      price,
    })
  }
  const frame = frameOfRows([...rows, ...rows.slice(0, 200)])
  const number = prepare(frame, { target: 'price', drop: ['grade'] }).leaks
  assert.deepEqual(named(number), ['group store_id', 'tells euros', 'same-rows'])
  assert.deepEqual(
    named(prepare(frame, { target: 'price', drop: ['euros', 'grade'], groupColumn: 'store_id' }).leaks).filter(one =>
      one.startsWith('group'),
    ),
    [],
  )
  assert.deepEqual(named(prepare(frameOfRows(rows), { target: 'grade' }).leaks), ['missing score'])
})

test('no alarm on clean tables', async () => {
  const penguins = await prepareTable(vega('penguins.json'), { target: 'Species', threads: 1 })
  assert.deepEqual(penguins.leaks, [])
  // Passengers as on the Titanic, and blocks of houses as in California: the columns that tempt a check.
  const titanic = made(891, (i, random) => {
    const [sex, first] = [random.chance(0.65) ? 'male' : 'female', random.integer(3) + 1]
    const lived = random.chance(sex === 'female' ? 0.9 - 0.13 * first : 0.35 - 0.07 * first)
    const name = `N${i}, ${sex === 'male' ? 'Mr.' : 'Mrs.'} A${random.integer(400)} B${i}`
    return {
      PassengerId: i + 1,
      Pclass: first,
      Name: name,
      Sex: sex,
      Age: random.chance(0.2) ? null : random.integer(80),
      SibSp: random.chance(0.7) ? 0 : 1 + random.integer(4),
      Ticket: `${random.integer(681)}`,
      Fare: 7 + random.integer(9),
      Cabin: random.chance(first === 1 ? 0.8 : 0.05) ? `C${random.integer(140)}` : null,
      Survived: Number(lived),
    }
  })
  assert.deepEqual(prepare(titanic, { target: 'Survived' }).leaks, [])
  const houses = made(2000, (_, random) => {
    const income = Math.exp(1.2 + 0.5 * random.normal())
    return {
      longitude: random.uniform(-124, -114),
      latitude: random.uniform(32, 42),
      median_income: income,
      housing_median_age: random.integer(52),
      total_bedrooms: random.chance(0.01) ? null : random.integer(3000),
      ocean: words[random.integer(3)]!,
      median_house_value: Math.min(500_001, 45_000 * income * Math.exp(0.3 * random.normal())),
    }
  })
  assert.deepEqual(prepare(houses, { target: 'median_house_value' }).leaks, [])
})

test('birdstrikes: the costs of a damage, the time, and None as a class', async () => {
  const prepared = await prepareTable(vega('birdstrikes.csv'), { target: 'Effect Amount of damage', threads: 1 })
  assert.deepEqual(named(prepared.leaks), [
    'tells-part Cost Other',
    'tells-part Cost Repair',
    'tells-part Cost Total $',
    'future Flight Date',
  ])
  assert.match(said(prepared), /class: "None" \(8,939 rows/)
  assert.match(said(prepared), /timeColumn: "Flight Date"/)
  const time = await prepareTable(vega('birdstrikes.csv'), {
    target: 'Effect Amount of damage',
    timeColumn: 'Flight Date',
    drop: ['Cost Other', 'Cost Repair', 'Cost Total $'],
    threads: 1,
  })
  assert.deepEqual(time.leaks, [])
})

test('scores equal those of scikit-learn and SciPy', () => {
  const golden = JSON.parse(readFileSync(new URL('../golden/tabular-read.json', import.meta.url), 'utf8'))
  for (const { y, scores, value } of golden.auc)
    assert.ok(
      Math.abs(auc(Float64Array.from(scores), Float64Array.from(y), new Float64Array(y.length).fill(1)) - value) <
        1e-12,
      `AUC ${value}`,
    )
  for (const { values, value } of golden.skewness)
    assert.ok(Math.abs(skewness(Float64Array.from(values)) - value) < 1e-9, `skewness ${value}`)
})

test('a target whose classes have one row each is refused for that reason', () => {
  const rows = (classes: number) =>
    frameOfRows(Array.from({ length: 16 }, (_, i) => ({ a: i * 3.5, y: `c${i % classes}` })))
  assert.throws(
    () => prepare(rows(16), { target: 'y' }),
    /no row is for validation: each of the 16 classes of "y" has one row, and a class needs two rows to be in both parts\. Join classes/,
  )
  assert.equal(prepare(rows(2), { target: 'y' }).split.train.length > 0, true)
})
