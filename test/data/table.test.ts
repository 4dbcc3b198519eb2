import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cellNumber, columnNamed } from '../../src/data/tables/table.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { readTable } from '../helpers/of-pictures.ts'
import { root } from '../helpers/sources.ts'

const golden = join(root, 'test/golden')

interface Case {
  name: string
  text: string
  columns: string[]
  rows: string[][]
  lines: number[]
}

test("text tables are read as Python's csv module reads them, with the line of each row", async t => {
  const dir = tempFolder(t)
  for (const { name, text, columns, rows, lines } of JSON.parse(
    readFileSync(join(golden, 'tables.json'), 'utf8'),
  ) as Case[])
    await t.test(name, async () => {
      put(dir, { 'labels.csv': text })
      const file = join(dir, 'labels.csv')
      const table = await readTable(file)
      assert.deepEqual(
        table.columns.map(column => column.name),
        columns,
      )
      assert.deepEqual(
        rows.map((_, row) => table.columns.map(column => column.cells[row])),
        rows,
      )
      assert.equal(table.rows, rows.length)
      assert.deepEqual(
        lines.map(line => `${file}, line ${line}`),
        lines.map((_, row) => table.where(row)),
      )
    })
})

test('Parquet in every compression that pyarrow writes', async () => {
  const codecs = ['none', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli']
  for (const codec of codecs) {
    const file = join(golden, 'tables', `${codec}.parquet`)
    const table = await readTable(file)
    const cells = Object.fromEntries(table.columns.map(({ name, cells }) => [name, [...cells]]))
    assert.deepEqual(cells, {
      image: ['a/1.jpg', 'a/2.jpg', 'b/3.jpg', 'b/Ünï.jpg'],
      label: ['cat', 'dog', null, 'cat'],
      tags: [['x', 'y'], [], null, ['y']],
      big: [1, 2, null, 2 ** 40],
      small: [1, 2, 3, 4],
      score: [0.5, -1.25, null, 1e300],
      half: [0.1, 0.2, 0.3, 0.4].map(Math.fround),
      is_valid: [true, false, null, false],
      taken: ['2024-05-31T17:45:00.000Z', '1999-01-01T00:00:00.000Z', null, '2030-01-01T00:00:00.000Z'],
    })
    assert.equal(table.where(2, table.columns[1]), `${file}, row 3, column "label"`)
  }
})

test('JSON lines: columns are all keys, what a line leaves out is nothing', async t => {
  const dir = tempFolder(t)
  const lines = ['{"file":"a.jpg","tags":["x","y"],"n":1.5}', '', '{"file":"b.jpg","ok":true,"box":{"w":1}}']
  put(dir, { 'metadata.jsonl': `\ufeff${lines.join('\r\n')}\n` })
  const table = await readTable(join(dir, 'metadata.jsonl'))
  assert.deepEqual(Object.fromEntries(table.columns.map(({ name, cells }) => [name, cells])), {
    file: ['a.jpg', 'b.jpg'],
    tags: [['x', 'y'], null],
    n: [1.5, null],
    ok: [null, true],
    box: [null, '{"w":1}'],
  })
  assert.match(table.where(1), /line 3$/)
})

test('encodings: marks of UTF-8 and UTF-16, and Windows-1252 where it is not UTF-8', async t => {
  const dir = tempFolder(t)
  const text = 'file,label\né.jpg,Größe\n'
  const file = join(dir, 'x.csv')
  const wide = Buffer.from(`\ufeff${text}`, 'utf16le')
  for (const bytes of [Buffer.from(`\ufeff${text}`), wide, Buffer.from(wide).swap16(), Buffer.from(text, 'latin1')]) {
    put(dir, { 'x.csv': bytes })
    const { columns, choices } = await readTable(file)
    assert.deepEqual(
      columns.map(column => [column.name, ...column.cells]),
      [
        ['file', 'é.jpg'],
        ['label', 'Größe'],
      ],
    )
    assert.deepEqual(
      choices.map(choice => choice.value),
      bytes.includes(Buffer.from('\xe9', 'latin1')) && bytes[0] === 0x66 ? ['windows-1252'] : [],
    )
  }
})

test('blank lines, rows of empty cells and empty columns at the end are passed over', async t => {
  const dir = tempFolder(t)
  put(dir, { 'x.csv': '\n  \nfile , label,,\n\na.jpg, cat ,,\n,,,\n"b.jpg","dog",,\n,,,\n' })
  const table = await readTable(join(dir, 'x.csv'))
  assert.deepEqual(
    table.columns.map(column => [column.name, ...column.cells]),
    [
      ['file', 'a.jpg', 'b.jpg'],
      ['label', 'cat', 'dog'],
    ],
  )
  assert.match(table.where(1), /line 7$/)
})

test('tables that can not be read say where and why', async t => {
  const dir = tempFolder(t)
  const refused: Record<string, [content: string | Uint8Array, message: RegExp]> = {
    'empty.csv': ['', /empty \(0 bytes\)/],
    'blank.csv': ['\n\n', /only blank lines/],
    'header.csv': ['file,label\n', /without rows/],
    'open.csv': [
      'file,label\r\na.jpg,cat\r\nb.jpg,"dog\r\nc.jpg,cat\r\n',
      /open.csv, line 3: a quote .* no quote closes/,
    ],
    'inside.csv': ['file,label\na.jpg,5" disk\n', /inside.csv, line 2: a quote \("\) inside a cell; .*doubled/],
    'after.csv': ['file,label\na.jpg,"5" disk\n', /after.csv, line 2: a quote/],
    'few.csv': [
      'file,label\na.jpg,cat\n\nb.jpg\nc.jpg\n',
      /few.csv, line 4 \(and 1 more line\): 1 cell, expected 2 \(file, label\)/,
    ],
    'many.csv': ['file,label\na.jpg,cat,dog\n', /many.csv, line 2: 3 cells, expected 2.*contains a comma in quotes/],
    'twice.csv': ['file,label,label\na.jpg,cat,dog\n', /two columns "label"/],
    'book.csv': ['PK\x03\x04xl/worksheets', /a workbook or an archive.*save its sheet as CSV/],
    'bytes.csv': [new Uint8Array([1, 0, 2, 0]), /bytes that are not text/],
    'array.json': ['[{"file": "a.jpg"}]', /one JSON array; expected JSON lines/],
    'bad.jsonl': ['{"file": "a.jpg"}\n{"file": }\n', /bad.jsonl, line 2: not JSON \(/],
    'list.jsonl': ['{"file": "a.jpg"}\n["a.jpg"]\n', /list.jsonl, line 2: .* is not an object/],
    'bad.parquet': ['PAR1xxxxxxxxPAR1', /begins like a Parquet file but can not be read/],
  }
  for (const [name, [content, message]] of Object.entries(refused)) {
    put(dir, { [name]: content })
    await t.test(name, () => assert.rejects(readTable(join(dir, name)), { name: 'AnnealError', message }))
  }
  await assert.rejects(readTable(join(dir, 'none.csv')), /none.csv can not be read: it does not exist/)
  await assert.rejects(readTable(dir), /can not be read/)
  put(dir, { 'x.csv': 'file,labels\na.jpg,cat\n' })
  const table = await readTable(join(dir, 'x.csv'))
  assert.throws(
    () => columnNamed(table, 'label', 'labelColumn'),
    /no column "label" \(labelColumn\); expected one of "file", "labels". Did you mean "labels"\?/,
  )
})

test('numbers are what a person calls so', () => {
  assert.deepEqual([' 1 ', '-2.5', '1e3', '.5', '+7', '5.', 3].map(cellNumber), [1, -2.5, 1000, 0.5, 7, 5, 3])
  for (const cell of ['', 'x', '1,5', '0x10', 'Infinity', 'NaN', '1 2', null, true, ['1', '2']])
    assert.ok(Number.isNaN(cellNumber(cell)), String(cell))
})
