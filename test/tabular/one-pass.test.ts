import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { rng } from '../../src/base/random.ts'
import { missingRule } from '../../src/cells/missing.ts'
import { dateIn, numberIn } from '../../src/tabular/read/cells-of-bytes.ts'
import { csvTables } from '../../src/tabular/read/csv.ts'
import { readInOnePass } from '../../src/tabular/read/csv-pass.ts'
import { DuckOnDemand } from '../../src/tabular/read/duckdb.ts'
import { frameOf, type Read } from '../../src/tabular/read/frame-of.ts'
import type { PassFile, PassResult } from '../../src/tabular/read/pass-columns.ts'
import { readTable } from '../../src/tabular/read/read-table.ts'
import { readRelation } from '../../src/tabular/read/relation.ts'
import { rowReader } from '../../src/tabular/read/row-reader.ts'
import type { Frame } from '../../src/tabular/types.ts'
import { put, tempFolder } from '../helpers/data.ts'

const missing = missingRule(undefined)
const options = { missing, report: () => {}, signal: undefined }
const fast = rowReader()

/** One pass without the addon's reader, which must find the same with it. */
async function onePass(files: readonly PassFile[], names: readonly string[]): Promise<PassResult | undefined> {
  assert.ok(fast, 'the addon has a reader of rows')
  const slow = await readInOnePass(files, names, { ...options, fast: false })
  assert.deepEqual(await readInOnePass(files, names, { ...options, fast }), slow, files.map(f => f.path).join(' '))
  return slow
}

/** The tables that one pass and DuckDB read from the same file, or their errors; undefined where one pass does not take
 *  the file. */
async function both(files: readonly string[]): Promise<{ pass: unknown; duck: unknown }> {
  const demand = new DuckOnDemand({ threads: 1 })
  try {
    const tables = await csvTables(files, demand, { convert: new Map() })
    const { names } = tables.relation
    const plain = tables.plain(names.map((_, i) => i))!
    const pass = await onePass(plain, names)
    const read = await readRelation(await demand.open(), tables.relation, { ...options, skip: new Set() }).catch(
      (error: Error) => error,
    )
    if (read instanceof Error) return { pass: pass && cellsOf(pass), duck: 'an error' }
    return { pass: pass && cellsOf(pass), duck: cellsOf(read) }
  } finally {
    await demand.close()
  }
}

/** The columns as they are after all words were read, or why that is not possible. */
function cellsOf(read: Pick<Read, 'rows' | 'columns'>): unknown {
  let frame: Frame
  try {
    const whole = { ...read, choices: [], where: (row: number) => `row ${row}` }
    frame = frameOf('t', whole, { options: {}, missing })
  } catch (error) {
    return (error as Error).message
  }
  return frame.columns.map(({ name, type, values }) => ({
    name,
    type,
    cells:
      type === 'words'
        ? Array.from(values.codes, code => (code < 0 ? null : values.words[code]))
        : Array.from(values, value => (Number.isNaN(value) ? null : value)),
  }))
}

const numbers =
  '0 1 -1 +2 3.5 -0.25 .5 5. 1e3 2.5E-4 -1e+2 1234567.891 123456789012.345678 0.1 0.30000000000000004 9007199254740993.5 1e22 -7 42 100'
    .split(' ')
    .concat(['', ' 8 ', '"9"', '" 10 "'])
const dates =
  '2020-01-31 2020/02/29 2021-3-4 1969-12-31 1900-02-28 2020-01-02T03:04:05Z 2020-01-02 2024-02-29T23:59:59.25 2020-06-01T10:00:00+02 2020-06-01T10:00:00-05:30'
    .split(' ')
    .concat(['2020-01-02 03:04:05', '2020-01-02 03:04', '', '2020-01-02 03:04:05.678901'])
const words = [
  'red',
  'blue',
  'dark red',
  ' pale ',
  '"a, b"',
  '"he said ""no"""',
  '"two\nlines"',
  'café',
  '日本',
  '😀',
  'x_1',
  '1_000',
  '',
  'None',
  'epoch',
]
const others = ['NA', '?', '007', '12345678901234567', 'nan', '-', '10%', '1:30', 'oops', '2020', '0x10', '1e']
const pools = [numbers, dates, words, [...numbers, 'NA', '?'], [...dates, 'NA'], [...words, ...numbers], others]

test('one pass reads what DuckDB reads: made tables of numbers, dates, words and what stands among them', async t => {
  const dir = tempFolder(t)
  let taken = 0
  for (let table = 0; table < 40; table++) {
    const random = rng(11, table)
    const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)]!
    const columns = Array.from({ length: 2 + random.integer(4) }, () => {
      const pool = pick(pools)
      const own = Array.from({ length: 1 + random.integer(6) }, () => pick(pool))
      return random.chance(0.3) ? [...own, pick(others)] : own
    })
    const end = random.chance(0.3) ? '\r\n' : '\n'
    const row = () => columns.map(column => pick(column)).join(',')
    const lines = [columns.map((_, i) => `n${i}`).join(','), ...Array.from({ length: 3 + random.integer(30) }, row)]
    const text = `${random.chance(0.2) ? '\ufeff' : ''}${lines.join(end)}${random.chance(0.7) ? end : ''}`
    put(dir, { [`t${table}.csv`]: text })
    const { pass, duck } = await both([join(dir, `t${table}.csv`)])
    if (pass === undefined) continue
    taken++
    assert.deepEqual(pass, duck, JSON.stringify(text))
  }
  assert.ok(taken >= 25, `one pass takes most of these tables, it took ${taken}`)
})

test('one pass leaves files that are not plain to DuckDB', async t => {
  const dir = tempFolder(t)
  const files: Record<string, string | Buffer> = {
    'short row.csv': 'a,b\n1,2\n3\n',
    'long row.csv': 'a,b\n1,2\n3,4,5\n',
    'quote inside.csv': 'a,b\n1,x"y\n',
    'text behind a quote.csv': 'a,b\n1,"x" y\n',
    'empty line of one column.csv': 'a\n1\n\n2\n',
    'not UTF-8.csv': Buffer.from('a,b\n1,x\n2,caf\xe9\n', 'latin1'),
  }
  put(dir, files)
  for (const name of Object.keys(files)) {
    const path = join(dir, name)
    const columns = name.includes('one column') ? [0] : [0, 1]
    const names = ['a', 'b'].slice(0, columns.length)
    const read = await onePass([{ path, delimiter: ',', quote: '"', skip: 1, columns }], names)
    assert.equal(read, undefined, name)
  }
})

const many = (rows: number, of: (row: number) => string) => Array.from({ length: rows }, (_, row) => of(row)).join('\n')

/** Tables of several blocks, and what must be in them. */
const large: [string, string, (frame: Frame) => void][] = [
  [
    'numbers and words, with line ends inside cells at the borders of blocks',
    `n,w\n${many(60_000, row => `${row / 8},"word ${row % 7}\nof ""two"" lines, ${'x'.repeat(row % 40)}"`)}\n`,
    ({ rows, columns: [n, w] }) => {
      assert.equal(rows, 60_000)
      assert.ok(n?.type === 'number' && n.values.every((value, row) => value === row / 8), 'all numbers are right')
      assert.ok(w?.type === 'words', 'words are words')
      for (let row = 0; row < rows; row++) {
        const expected = `word ${row % 7}\nof "two" lines, ${'x'.repeat(row % 40)}`.trim()
        assert.equal(w.values.words[w.values.codes[row]!], expected, `row ${row}`)
      }
    },
  ],
  [
    'a number that becomes a word after many rows',
    `a,b,c\n${many(90_000, row => `${row === 80_000 ? 'k-80000' : row % 1000},${row},${row === 70_000 ? 'NA' : row}`)}\n`,
    ({ columns: [a, b, c] }) => {
      assert.ok(a?.type === 'number' || a?.type === 'words', 'the column is there')
      assert.ok(b?.type === 'number' && b.values[89_999] === 89_999, 'its neighbour stays numbers')
      assert.ok(c?.type === 'number' && Number.isNaN(c.values[70_000]) && c.values[70_001] === 70_001, 'NA is missing')
    },
  ],
  [
    'a column that is empty in the first rows',
    `a,b,c\n${many(90_000, row => `${row},${row < 80_000 ? '' : 2 * row},${row < 80_000 ? '' : 'late'}`)}\n`,
    ({ columns: [, b, c] }) => {
      assert.ok(b?.type === 'number' && Number.isNaN(b.values[79_999]) && b.values[80_000] === 160_000, 'numbers')
      assert.ok(c?.type === 'words' && c.values.codes[79_999] === -1 && c.values.codes[80_000] === 0, 'words')
    },
  ],
  [
    'rows that are longer than those of the first block',
    `a,b\n${many(1000, row => `${row},${'long'.repeat(2000)}`)}\n${many(100_000, row => `${row},s`)}\n`,
    ({ rows, columns: [a] }) => {
      assert.equal(rows, 101_000)
      assert.ok(a?.type === 'number' && a.values[100_999] === 99_999 && a.values[1000] === 0, 'all rows are there')
    },
  ],
]
for (const [name, content, check] of large)
  test(`one pass over several blocks: ${name}`, async t => {
    const dir = tempFolder(t)
    put(dir, { 't.csv': content, 'p.csv.gz': gzipSync(content) })
    const as = name.includes('becomes a word') ? ({ as: { a: 'category' } } as const) : {}
    check(await readTable(join(dir, 't.csv'), as))
    check(await readTable(join(dir, 'p.csv.gz'), as))
    const names = content.slice(0, content.indexOf('\n')).split(',')
    const columns = [...names.keys()]
    const file = { path: join(dir, 't.csv'), delimiter: ',', quote: '"', skip: 1, columns }
    assert.ok(await onePass([file], names), 'one pass takes the file')
  })

test('a word late among numbers is still refused, with its line', async t => {
  const dir = tempFolder(t)
  put(dir, { 't.csv': `a,b\n${many(90_000, row => `${row === 80_000 ? 'oops' : row},x`)}\n` })
  await assert.rejects(readTable(join(dir, 't.csv')), /line 80002: "oops" is not a number/)
})

test('infinite numbers are missing among numbers, and words where most cells are such', async t => {
  const dir = tempFolder(t)
  put(dir, { 't.csv': 'a,b,c\ninf,inf,1e400\n2,inf,5\n-Infinity,3,-1e999\n4,inf,7\n5,,8\n' })
  const said: string[] = []
  const { columns } = await readTable(join(dir, 't.csv'), { onChoice: ({ value }) => said.push(value) })
  const [a, b, c] = columns
  assert.deepEqual(Array.from(a?.values as Float64Array), [Number.NaN, 2, Number.NaN, 4, 5])
  assert.deepEqual(b?.type === 'words' && b.values.words, ['3', 'inf'])
  assert.deepEqual(Array.from(c?.values as Float64Array), [Number.NaN, 5, Number.NaN, 7, 8])
  assert.deepEqual(said, ['2 rows of a', '2 rows of c'])
})

test('numbers and dates of bytes: exactly those of Number and Date', () => {
  const bytes = (text: string) => Buffer.from(`,${text},`)
  const random = rng(3, 1)
  for (let i = 0; i < 20_000; i++) {
    const value = random.chance(0.5) ? random.normal() * 10 ** random.integer(12) : random.integer(1e9) / 1000
    const text = random.chance(0.5) ? String(value) : value.toFixed(random.integer(9))
    const odd = /^-?\d{16,}$|^0\d/.test(text)
    assert.equal(numberIn(bytes(text), 1, text.length + 1), odd ? undefined : Number(text), text)
    const date = new Date(random.integer(4e12) - 1e12)
    const iso = date.toISOString().slice(0, random.chance(0.5) ? 23 : 19)
    assert.equal(dateIn(bytes(iso), 1, iso.length + 1), Date.parse(`${iso}Z`) / 1000, iso)
    assert.equal(dateIn(bytes(iso.slice(0, 10)), 1, 11), Date.parse(iso.slice(0, 10)) / 1000, iso)
  }
  for (const text of ['', '.', '-', '+', '1e', 'e5', '0x10', '1_0', '1,5', '--1', '1.2.3', '007', '00', 'nan', '1 2'])
    assert.equal(numberIn(bytes(text), 1, text.length + 1), undefined, text)
  for (const text of '2021-02-29 2020-13-01 2020-00-10 2020-1-0 2020-01/02 2020-01-02T24:00 2020-01-02T10:60 2020-01-02T1 2020-01-02Z 20-01-02 2020-01 2020-01-02T10:00:00.1234567 2020-01-02T10:00+99'.split(
    ' ',
  ))
    assert.equal(dateIn(bytes(text), 1, text.length + 1), undefined, text)
})

test('with the addon: numbers and dates of all forms, words for missing values, words without end', async t => {
  const dir = tempFolder(t)
  const random = rng(5, 1)
  const digits = (count: number) => Array.from({ length: count }, () => random.integer(10)).join('')
  const forms: (() => string)[] = [
    () => String(random.uniform()),
    () => String(random.normal() * 10 ** (random.integer(33) - 20)),
    () => (random.normal() * 10 ** random.integer(6)).toExponential(random.integer(18)),
    () => `${random.chance(0.5) ? '-' : ''}${digits(1 + random.integer(14))}`.replace(/^(-?)0+(?=\d)/, '$1'),
    () => `${1 + random.integer(9)}${digits(random.integer(12))}.${digits(random.integer(14))}`,
    () => `.${digits(1 + random.integer(22))}`,
    // Halves of the last bit, and their neighbours.
    () =>
      `${(2n ** 53n + BigInt(random.integer(2 ** 30))) * 2n + 1n}.${'0'.repeat(random.integer(3))}${random.integer(2)}`,
    () => `${random.integer(1000)}.5e${random.integer(24) - 12}`,
    () => (random.chance(0.2) ? 'NA' : random.chance(0.1) ? '?' : String(random.integer(50))),
  ]
  const dates = [
    () => new Date(random.integer(4e12) - 1e12).toISOString().slice(0, 10 + 1 + random.integer(14)),
    () => `${1900 + random.integer(200)}/${1 + random.integer(13)}/${1 + random.integer(31)}`,
    () =>
      new Date(random.integer(4e12))
        .toISOString()
        .replace('Z', `${random.chance(0.5) ? '+' : '-'}0${random.integer(9)}:30`),
    () => new Date(random.integer(4e12)).toISOString().slice(0, 19).replace('T', ' '),
    () => new Date(random.integer(4e12)).toISOString().slice(0, 10),
  ]
  const rows = 4000
  const columns = [...forms, ...dates, () => `id ${random.integer(1e9)}`, () => ` ${'ab'[random.integer(2)]} `]
  const lines = Array.from({ length: rows }, () => columns.map(cell => cell()).join(';'))
  put(dir, { 't.csv': `${columns.map((_, i) => `n${i}`).join(';')}\n${lines.join('\n')}\n` })
  const file = { path: join(dir, 't.csv'), delimiter: ';', quote: '"', skip: 1, columns: [...columns.keys()] }
  const read = await onePass(
    [file],
    columns.map((_, i) => `n${i}`),
  )
  for (const [i, column] of read!.columns.entries())
    if (column.type === 'number')
      for (const [row, value] of column.values.entries()) {
        const cell = lines[row]!.split(';')[i]!
        assert.equal(value, missing.inNumbers(cell) ? Number.NaN : Number(cell), `row ${row}, ${cell}`)
      }
  const types = read!.columns.map(({ type }) => type)
  assert.deepEqual(types.slice(0, 9), Array(9).fill('number'))
  assert.deepEqual(types.slice(9), ['words', 'words', 'date', 'date', 'date', 'words', 'words'])
  const last = read!.columns[8]!
  const count = (word: string) => lines.filter(line => line.split(';')[8] === word).length
  assert.deepEqual(
    last.type === 'number' && last.missing,
    new Map([
      ['NA', count('NA')],
      ['?', count('?')],
    ]),
  )
})

test('several files and skipped columns in one pass', async t => {
  const dir = tempFolder(t)
  put(dir, { 's-1.csv': 'title\n\na,b,c\n1,x,7\n', 's-2.csv': 'c;b;a\n8;"y";2\r\n9;;3\r\n' })
  const { pass, duck } = await both([join(dir, 's-1.csv'), join(dir, 's-2.csv')])
  assert.deepEqual(pass, duck)
  const frame = await readTable(join(dir, 's-*.csv'), { skip: ['b'] })
  assert.deepEqual(
    frame.columns.map(({ name, values }) => [name, Array.from(values as Float64Array)]),
    [
      ['a', [1, 2, 3]],
      ['c', [7, 8, 9]],
    ],
  )
})

test('plain CSV files need no DuckDB', async (t: TestContext) => {
  const dir = tempFolder(t)
  put(dir, { 't.csv': 'a,b\n1,x\n2,y\n' })
  const demand = new DuckOnDemand({})
  t.after(() => demand.close())
  const opened = t.mock.method(demand, 'open')
  const tables = await csvTables([join(dir, 't.csv')], demand, { convert: new Map() })
  assert.ok(await readInOnePass(tables.plain([0, 1])!, ['a', 'b'], options), 'one pass takes the file')
  assert.equal(opened.mock.callCount(), 0)
})
