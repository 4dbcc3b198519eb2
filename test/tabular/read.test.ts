import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Choice } from '../../src/data/types.ts'
import type { ReadOptions } from '../../src/tabular/read/options.ts'
import { readTable } from '../../src/tabular/read/read-table.ts'
import type { FrameColumn } from '../../src/tabular/types.ts'
import { put, tempFolder } from '../helpers/data.ts'

/** The cells of a column: numbers, dates in ISO form, words; null where missing. */
function cells(column: FrameColumn): (string | number | null)[] {
  if (column.type === 'words')
    return Array.from(column.values.codes, code => (code < 0 ? null : column.values.words[code]!))
  return Array.from(column.values, value =>
    Number.isNaN(value)
      ? null
      : column.type === 'date'
        ? new Date(value * 1000).toISOString().replace('.000Z', '')
        : value,
  )
}

/** A table as an object of columns, and what was chosen. */
async function read(t: TestContext, content: string | Uint8Array, options: ReadOptions = {}, name = 't.csv') {
  const dir = tempFolder(t)
  put(dir, { [name]: content })
  return readFile(join(dir, name), options)
}

async function readFile(file: string, options: ReadOptions = {}) {
  const choices: Choice[] = []
  const frame = await readTable(file, { threads: 1, ...options, onChoice: choice => choices.push(choice) })
  const table = Object.fromEntries(frame.columns.map(column => [column.name, cells(column)]))
  return { table, choices, rows: frame.rows, said: choices.map(one => `${one.what}: ${one.value}`).join('\n') }
}

/** Content, and the table that it must become. */
const right: [string, string | Uint8Array, Record<string, unknown[]>][] = [
  ['commas', 'a,b\n1,x\n2.5,y\n', { a: [1, 2.5], b: ['x', 'y'] }],
  ['semicolons and decimal commas', 'a;b\n1,5;x\n-2,25;y\n', { a: [1.5, -2.25], b: ['x', 'y'] }],
  ['tabs', 'a\tb\n1\tx y\n2\t\n', { a: [1, 2], b: ['x y', null] }],
  ['bars', 'a|b\n1|x\n2|y\n', { a: [1, 2], b: ['x', 'y'] }],
  ['blanks between columns', 'a   b c\n1   x  "u v"\n22  y  w\n', { a: [1, 22], b: ['x', 'y'], c: ['u v', 'w'] }],
  [
    'a delimiter, line ends and quotes inside quotes',
    'a,b\n1,"x, y"\n2,"u\n""v"""\n',
    { a: [1, 2], b: ['x, y', 'u\n"v"'] },
  ],
  ['quotes behind backslashes', 'a,b\n1,"x \\"q\\" y"\n2,"z"\n', { a: [1, 2], b: ['x "q" y', 'z'] }],
  ['a blank before a quote', 'a, b\n1, "x, y"\n2, "z"\n', { a: [1, 2], b: ['x, y', 'z'] }],
  ['leading and trailing blanks', 'a,b\n 1 , State-gov\n 2 , Private \n', { a: [1, 2], b: ['State-gov', 'Private'] }],
  ['titles above the header', 'Sales of 2020\n\na,b,c\n1,2,3\n4,5,6\n', { a: [1, 4], b: [2, 5], c: [3, 6] }],
  ['titles with delimiters', 'Sales,,\nsource: me,,\na,b,c\n1,2,3\n4,5,6\n', { a: [1, 4], b: [2, 5], c: [3, 6] }],
  ['a line sep=', 'sep=;\na;b\n1;2\n', { a: [1], b: [2] }],
  ['comments above', '# made by x\na,b\n1,2\n', { a: [1], b: [2] }],
  ['names in a comment', '#a,b\n1,2\n3,4\n', { a: [1, 3], b: [2, 4] }],
  ['no header', '1,x\n2,y\n3,x\n', { 'column 1': [1, 2, 3], 'column 2': ['x', 'y', 'x'] }],
  ['names of two lines', '"a\n(cm)",b\n1,2\n3,4\n', { 'a\n(cm)': [1, 3], b: [2, 4] }],
  ['old line ends', 'a,b\r1,2\r3,4\r', { a: [1, 3], b: [2, 4] }],
  ['line ends of both kinds', 'a,b\r\n1,2\n3,4\r\n', { a: [1, 3], b: [2, 4] }],
  ['blank lines', 'a,b\n1,2\n\n3,4\n\n', { a: [1, 3], b: [2, 4] }],
  ['a byte order mark', '\ufeffa,b\n1,2\n', { a: [1], b: [2] }],
  ['UTF-16 of Windows', Buffer.from('\ufeffa,b\n1,é\n2,ü\n', 'utf16le'), { a: [1, 2], b: ['é', 'ü'] }],
  ['UTF-16 of the other order', Buffer.from('\ufeffa,b\n1,é\n', 'utf16le').swap16(), { a: [1], b: ['é'] }],
  ['latin-1', Buffer.from('a,b\n1,caf\xe9\n2,\x80\n', 'latin1'), { a: [1, 2], b: ['café', '€'] }],
  ['names that occur twice', 'a,a,A\n1,2,3\n', { a: [1], 'a (2)': [2], A: [3] }],
  ['a delimiter at the end of rows', 'a,b\n1,2,\n3,4,\n', { a: [1, 3], b: [2, 4], 'column 3': [null, null] }],
  ["R's names of rows", 'a,b\nx,1,2\ny,3,4\n', { 'column 1': ['x', 'y'], a: [1, 3], b: [2, 4] }],
  [
    'missing words among numbers',
    'a,b\n1,NA\n?,2\nNaN,3\nNone,-\n4,5\n',
    { a: [1, null, null, null, 4], b: [null, 2, 3, null, 5] },
  ],
  ['None among words', 'a\nNone\nMinor\nNone\n?\n', { a: ['None', 'Minor', 'None', null] }],
  ['plus and minus', 'class\n+\n-\n+\n', { class: ['+', '-', '+'] }],
  [
    'currency, percent and thousands',
    'a,b,c\n"$1,234",10%,"1,234.5"\n$5,2.5%,2\n',
    { a: [1234, 5], b: [10, 2.5], c: [1234.5, 2] },
  ],
  ['negative amounts in parentheses', 'a\n(12.5)\n3\n', { a: [-12.5, 3] }],
  ['zeros in front', 'zip,n\n01234,1\n94110,2\n', { zip: ['01234', '94110'], n: [1, 2] }],
  [
    'long numbers are names',
    'id,n\n12345678901234567891,1\n12345678901234567892,2\n',
    { id: ['12345678901234567891', '12345678901234567892'], n: [1, 2] },
  ],
  ['an underscore is no thousands sign of a name', 'a\n12_34\n56_78\n', { a: ['12_34', '56_78'] }],
  [
    'ISO dates',
    'd\n2020-01-31\n2020-02-01T03:04:05Z\n2020-02-01 05:04:05+02\n',
    { d: ['2020-01-31T00:00:00', '2020-02-01T03:04:05', '2020-02-01T03:04:05'] },
  ],
  ['day first', 'd,x\n03/04/2020,1\n25/12/2020,2\n', { d: ['2020-04-03T00:00:00', '2020-12-25T00:00:00'], x: [1, 2] }],
  [
    'month first',
    'd,x\n03/04/2020 2:30 pm,1\n12/25/2020 12:00 AM,2\n',
    { d: ['2020-03-04T14:30:00', '2020-12-25T00:00:00'], x: [1, 2] },
  ],
  [
    'points between day, month and year',
    'd;x\n03.04.2020;1\n05.06.1999;2\n',
    { d: ['2020-04-03T00:00:00', '1999-06-05T00:00:00'], x: [1, 2] },
  ],
  [
    'names of months',
    'd;x\n3 Apr 2020;1\nDecember 25, 2020;2\n',
    { d: ['2020-04-03T00:00:00', '2020-12-25T00:00:00'], x: [1, 2] },
  ],
  ['times of day', 't,v\n08:30,1\n09:15:30,2\n,3\n', { t: [30_600, 33_330, null], v: [1, 2, 3] }],
  [
    'columns of a fixed width with tabs before names',
    '18.0   8   307.0  70\t"chevrolet malibu"\n15.0   8   ?      70\t"buick 320"\n18.0   6   318.0  71\t"ford pinto"\n',
    {
      'column 1': [18, 15, 18],
      'column 2': [8, 8, 6],
      'column 3': [307, null, 318],
      'column 4': [70, 70, 71],
      'column 5': ['chevrolet malibu', 'buick 320', 'ford pinto'],
    },
  ],
  ['a euro sign of Windows', Buffer.from('a;\x80\nx;1,5\ny;2\n', 'latin1'), { a: ['x', 'y'], '€': [1.5, 2] }],
  [
    'another column shows the order of dates and the sign before fractions',
    'd,e,n,v\n01/02/2020,13/02/2020,"1,234",1.5\n03/04/2020,14/04/2020,"5,678",2\n',
    {
      d: ['2020-02-01T00:00:00', '2020-04-03T00:00:00'],
      e: ['2020-02-13T00:00:00', '2020-04-14T00:00:00'],
      n: [1234, 5678],
      v: [1.5, 2],
    },
  ],
  ['true and false', 'a,b\ntrue,yes\nfalse,no\n', { a: ['true', 'false'], b: ['yes', 'no'] }],
]
for (const [name, content, table] of right)
  test(`a table is read rightly: ${name}`, async t => {
    assert.deepEqual((await read(t, content)).table, table)
  })

/** Content, and what the error must say. */
const refused: [string, string, RegExp, ReadOptions?][] = [
  [
    'a row too short and one too long',
    'a,b\n1,2\n3\n4,5,6\n',
    /t\.csv, line 3 \(and 1 more line: 4\): 1 cell, expected 2 \(a, b\); it holds 3\..*skipBadRows: true/,
  ],
  ['a row too long below titles', 'title\n\na,b\n1,2\n3,4,5\n6,7\n', /line 5: 3 cells, expected 2/],
  ['a footer', 'a,b\n1,2\n3,4\nTotal: 2 rows\n', /line 4: 1 cell, expected 2 \(a, b\); it holds Total: 2 rows/],
  ['a quote that is not closed', 'a,b\n1,"x\n2,y\n', /quote/],
  ['text after a closing quote', 'a,b\n1,"x" y\n2,z\n', /quote/],
  [
    'day and month, or month and day',
    'd\n01/02/2020\n03/04/2020\n',
    /t\.csv, line 2: "01\/02\/2020" may be day 1 of month 2 or day 2 of month 1.*dateOrder: "dmy".*dateOrder: "mdy"/,
  ],
  [
    'a decimal comma, or a comma between thousands',
    'a;b\n1,234;x\n5,678;y\n',
    /line 2: "1,234" may be 1\.234 .* or 1234 .*decimal: ","/,
  ],
  [
    'a word that stands late among numbers',
    `a,b\n${Array.from({ length: 30_000 }, (_, i) => `${i},x\n`).join('')}oops,y\n`,
    /line 30002: "oops" is not a number, and nearly all values of "a" are numbers.*missing: \["oops"\].*as: \{ "a": "category" \}/,
  ],
  [
    'a word among numbers that are asked for',
    'a\n1\nx\n',
    /line 3: "x" is not a number, and as: \{ "a": "number" \}/,
    { as: { a: 'number' } },
  ],
  ['no rows', 'a,b\n', /holds no rows/],
  ['nothing', '', /is empty/],
  ['a spreadsheet', 'PK\x03\x04', /zip archive.*Save the sheet as CSV/],
]
for (const [name, content, says, options] of refused)
  test(`a table is refused: ${name}`, async t => {
    await assert.rejects(read(t, content, options), (error: Error) => {
      assert.match(error.message, says)
      return true
    })
  })

test('what is guessed is said, with the way to say otherwise', async t => {
  const { choices } = await read(t, 'note\n\nd;v;w\n25/12/2020;1,5;?\n01/01/2021;2,5;None\n01/02/2021;NA;x\n')
  const said = choices.map(one => `${one.what}: ${one.value} (${one.reason})`).join('\n')
  for (const part of [
    /delimiter of columns: a semicolon/,
    /line passed over: line 1, "note"/,
    /dates: d: day, month, year \("25\/12\/2020" has no month 25; dateOrder: "mdy"/,
    /numbers: a comma before the fraction/,
    /missing values: "NA" in v \(1 row\)/,
    /missing values: "\?" in w \(1 row\)/,
    /a value, not missing: "None" in w \(1 row\).*missing: \["None"\]/,
  ])
    assert.match(said, part)
})

test('the user says how cells are read', async t => {
  const text = 'd,n,s\n01/02/2020,"1,234",None\n03/04/2020,"5,678",a\n05/06/2020,x,NA\n'
  const { table } = await read(t, text, { dateOrder: 'mdy', decimal: '.', missing: ['x', 'None'] })
  assert.deepEqual(table, {
    d: ['2020-01-02T00:00:00', '2020-03-04T00:00:00', '2020-05-06T00:00:00'],
    n: [1234, 5678, null],
    s: [null, 'a', 'NA'],
  })
})

test('kinds that the user asks for: dates of numbers, dates as words, zeros in front as numbers', async t => {
  const text = 'a,b,c,d\n20240131,2020-01-02,007,2019\n,2020-01-02T01:00:00Z,010,2020\n'
  const { table } = await read(t, text, { as: { a: 'date', b: 'category', c: 'number', d: 'date' } })
  assert.deepEqual(table, {
    a: ['2024-01-31T00:00:00', null],
    b: ['2020-01-02', '2020-01-02T01:00:00'],
    c: [7, 10],
    d: ['2019-01-01T00:00:00', '2020-01-01T00:00:00'],
  })
  await assert.rejects(read(t, 'a\n20241331\n', { as: { a: 'date' } }), /line 2: 20241331 in "a" is not a date/)
  await assert.rejects(read(t, 'a\n2024-01-31\n', { as: { a: 'number' } }), /holds dates, and as: \{ "a": "number" \}/)
})

test('numbers that mean a missing value: as the user says, in every column', async t => {
  const { table } = await read(t, 'a,b\n-999,x\n1.5,y\n-999.0,-999\n', { missing: ['-999'] })
  assert.deepEqual(table, { a: [null, 1.5, null], b: ['x', 'y', null] })
})

test('bad rows are left out where the user asks for it, and counted', async t => {
  const { table, said } = await read(t, 'a,b\n1,2\n3\n4,5,6\n7,8\n', { skipBadRows: true })
  assert.deepEqual(table, { a: [1, 7], b: [2, 8] })
  assert.match(said, /rows left out: 2 rows/)
})

test('a packed file is read', async t => {
  assert.deepEqual((await read(t, gzipSync('a,b\n1,x\n2,y\n'), {}, 't.csv.gz')).table, { a: [1, 2], b: ['x', 'y'] })
})

test('JSON: lines and arrays, numbers among texts, null, nested values', async t => {
  const rows = '{"a":1,"b":"x","c":true,"d":"2020-01-02"}\n{"a":2.5,"c":false,"e":{"f":1}}\n{"a":null,"b":"y"}\n'
  const lines = await read(t, rows, {}, 't.jsonl')
  const expected = {
    a: [1, 2.5, null],
    b: ['x', null, 'y'],
    c: ['true', 'false', null],
    d: ['2020-01-02T00:00:00', null, null],
  }
  assert.deepEqual(lines.table, expected)
  assert.match(lines.said, /column left out: e/)
  const array = await read(t, `[${rows.trim().replaceAll('\n', ',')}]`, {}, 't.json')
  assert.deepEqual(array.table, expected)
  await assert.rejects(read(t, '{"a":1}\n{"a":\n', {}, 't.jsonl'), /line \d/)
})

test('several files by a pattern: columns by name, in any order', async t => {
  const dir = tempFolder(t)
  put(dir, { 's-1.csv': 'a,b\n1,x\n', 's-2.csv': 'b;a\ny;2\n', 'other.csv': 'q\n1\n' })
  assert.deepEqual((await readFile(join(dir, 's-*.csv'))).table, { a: [1, 2], b: ['x', 'y'] })
  put(dir, { 's-3.csv': 'a,c\n1,2\n' })
  await assert.rejects(readFile(join(dir, 's-*.csv')), /s-3\.csv lacks "b" and has "c" in addition/)
  await assert.rejects(readFile(join(dir, 'no-*.csv')), /no file has a name like/)
})

test('SQL over a file: one SELECT, of this file alone', async t => {
  const dir = tempFolder(t)
  put(dir, { 'sales.csv': 'a,d,w\n1,2020-01-02,x\n2,2021-03-04,y\nNA,2022-01-01,x\n', 'secret.csv': 'k\n1\n' })
  const file = join(dir, 'sales.csv')
  const { table } = await readFile(file, {
    sql: 'SELECT w, sum(a) AS s, max(year(d)) AS y FROM sales GROUP BY w ORDER BY w',
  })
  assert.deepEqual(table, { w: ['x', 'y'], s: [1, 2], y: [2022, 2021] })
  for (const [sql, says] of [
    ['DROP VIEW data', /not a SELECT/],
    ['SELECT 1; SELECT 2', /2 statements/],
    [`SELECT * FROM read_csv('${join(dir, 'secret.csv')}')`, /SQL/],
    [`COPY data TO '${join(dir, 'out.csv')}'`, /SQL/],
    ["SELECT * FROM read_text('/etc/hostname')", /SQL/],
    ["SET memory_limit='1TB'", /not a SELECT|SQL/],
    ['SELECT nothing FROM data', /nothing/],
    ['SELECT * FROM dta', /called data or "sales"/],
    ['SELEC 1', /can't be read/],
  ] as const)
    await assert.rejects(readFile(file, { sql }), (error: Error & { code?: string }) => {
      assert.match(error.message, says)
      assert.equal(error.code, 'ERR_DATA')
      return true
    })
})

/** An empty DuckDB file in a folder of its own. `end` writes it out. */
async function newDatabase(t: TestContext) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const dir = tempFolder(t)
  put(dir, { 'x.txt': '' })
  const file = join(dir, 'x.duckdb')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  const end = () => {
    connection.closeSync()
    instance.closeSync()
  }
  return { dir, file, connection, end }
}

test('Parquet and DuckDB files: types, dates, big whole numbers, tables by name', async t => {
  const { dir, file, connection, end } = await newDatabase(t)
  await connection.run(
    "CREATE TABLE one AS SELECT 1.5::DECIMAL(5,2) AS a, 9007199254740993 AS big, DATE '2020-01-02' AS d, TRUE AS t, 'x' AS w, 'nan'::DOUBLE AS n, 'inf'::DOUBLE AS i, [1,2] AS l UNION ALL SELECT 2, 9007199254740995, NULL, FALSE, ' 7 ', 3, 4, NULL",
  )
  await connection.run(`COPY one TO '${join(dir, 'x.parquet')}' (format parquet)`)
  end()
  const expected = {
    a: [1.5, 2],
    big: ['9007199254740993', '9007199254740995'],
    d: ['2020-01-02T00:00:00', null],
    t: ['true', 'false'],
    w: ['x', '7'],
    n: [null, 3],
    i: [null, 4],
  }
  const parquet = await readFile(join(dir, 'x.parquet'))
  assert.deepEqual(parquet.table, expected)
  assert.match(parquet.said, /column left out: l/)
  assert.match(parquet.said, /missing values: 1 row of i/)
  assert.deepEqual((await readFile(file)).table, expected)
  assert.deepEqual((await readFile(file, { sql: 'SELECT a * 2 AS b FROM one' })).table, { b: [3, 4] })
  await assert.rejects(readFile(file, { table: 'on' }), /no table "on"\. Did you mean "one"\? Its tables: one/)
  await assert.rejects(readFile(file, { sql: 'CREATE TABLE two AS SELECT 1' }), /not a SELECT/)
})

test('types of DuckDB: every kind of time, decimals, enums, lengths of time, values with parts, a table without rows', async t => {
  const { file, connection, end } = await newDatabase(t)
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run("CREATE TYPE mood AS ENUM ('sad', 'ok')")
  const at = "TIMESTAMP '2020-01-02 03:04:05'"
  await connection.run(`CREATE TABLE one AS SELECT ${at} AS us, ${at}::TIMESTAMP_MS AS ms, ${at}::TIMESTAMP_S AS s, ${at}::TIMESTAMP_NS AS ns,
    TIMESTAMPTZ '2020-01-02 03:04:05+02' AS tz, TIME '01:00:01' AS tod, ${at} - TIMESTAMP '2020-01-01' AS wait, 1.25::DECIMAL(38,10) AS dec, 7::HUGEINT AS huge,
    'ok'::mood AS e, '00000000-0000-0000-0000-00000000000a'::UUID AS u, MAP {'k': 1} AS m, {'p': 1} AS o, 'b'::BLOB AS b
    UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`)
  await connection.run('CREATE TABLE none (a INT)')
  end()
  const time = '2020-01-02T03:04:05'
  const { table, said } = await readFile(file, { table: 'one' })
  assert.deepEqual(table, {
    us: [time, null],
    ms: [time, null],
    s: [time, null],
    ns: [time, null],
    tz: ['2020-01-02T01:04:05', null],
    tod: [3601, null],
    wait: [97_445, null],
    dec: [1.25, null],
    huge: [7, null],
    e: ['ok', null],
    u: ['00000000-0000-0000-0000-00000000000a', null],
  })
  for (const name of ['m', 'o', 'b']) assert.match(said, new RegExp(`column left out: ${name}`), `${name} is named`)
  assert.match(said, /lengths of time: wait/)
  const asked = await readFile(file, {
    sql: "SELECT us - TIMESTAMP '2020-01-01' AS late, wait / 2 AS half FROM one WHERE us > '2019-01-01'",
  })
  assert.deepEqual(asked.table, { late: [97_445], half: [48_722.5] })
  await assert.rejects(readFile(file, { table: 'none' }), /x\.duckdb, table "none", holds no rows/)
})

test('SQLite files: a table, a view, SQL; texts among numbers; nothing is written', async t => {
  const { default: sqlite } = await import('node-sqlite3-wasm')
  const dir = tempFolder(t)
  put(dir, { 'x.txt': '' })
  const file = join(dir, 'x.db')
  const base = new sqlite.Database(file)
  base.exec(`CREATE TABLE people (id INTEGER, age REAL, name TEXT, big INTEGER, "2019" TEXT);
    INSERT INTO people VALUES (1, 1.5, 'x', 9007199254740993, '2020-01-02'), (2, NULL, ' 7', 5, NULL), (3, '?', NULL, 6, '2021-01-02');
    CREATE VIEW young AS SELECT id FROM people WHERE id < 3;`)
  base.close()
  const people = {
    id: [1, 2, 3],
    age: [1.5, null, null],
    name: ['x', '7', null],
    big: ['9007199254740993', '5', '6'],
    2019: ['2020-01-02T00:00:00', null, '2021-01-02T00:00:00'],
  }
  assert.deepEqual((await readFile(file, { table: 'people' })).table, people)
  assert.deepEqual((await readFile(file, { table: 'young' })).table, { id: [1, 2] })
  const sql = 'SELECT id, id * 2 AS id, count(*) AS n FROM people GROUP BY id ORDER BY id DESC; -- all'
  assert.deepEqual((await readFile(file, { sql })).table, { id: [3, 2, 1], 'id:1': [6, 4, 2], n: [1, 1, 1] })
  for (const [options, says] of [
    [{}, /holds 2 tables: people, young\. Choose one: table: "people"/],
    [{ table: 'peple' }, /no table "peple"\. Did you mean "people"/],
    [{ sql: 'SELECT 1; DROP TABLE people' }, /is not one SELECT/],
    [{ sql: 'DELETE FROM people' }, /is not one SELECT/],
    [{ sql: 'SELECT nothing FROM people' }, /nothing/],
  ] as const)
    await assert.rejects(readFile(file, options), (error: Error & { code?: string }) => {
      assert.match(error.message, says)
      assert.equal(error.code, 'ERR_DATA')
      return true
    })
  put(dir, { 'bad.db': Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4096, 7)]) })
  await assert.rejects(readFile(join(dir, 'bad.db'), { table: 'a' }), /bad\.db: .*damaged/)
})

test('a reading is interrupted by a signal', async t => {
  const dir = tempFolder(t)
  put(dir, { 't.csv': `a,b\n${Array.from({ length: 200_000 }, (_, i) => `${i},w${i % 1000}\n`).join('')}` })
  const stop = new AbortController()
  const reading = readFile(join(dir, 't.csv'), { signal: stop.signal })
  setTimeout(() => stop.abort(new Error('stopped')), 20)
  await assert.rejects(reading, /stopped/)
})
