import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readTable } from '../../src/tabular/read/read-table.ts'
import { writeScores } from '../../src/tabular/run/write-scores.ts'
import type { Frame } from '../../src/tabular/types.ts'
import { put, tempFolder } from '../helpers/data.ts'

const frame: Frame = {
  source: 't',
  rows: 3,
  columns: [
    { name: 'id', type: 'words', values: { codes: Int32Array.of(0, 1, -1), words: ['a, "b"', "it's"] } },
    { name: 'sold', type: 'date', values: Float64Array.of(0, 86_399, Number.NaN) },
    { name: 'predicted', type: 'words', values: { codes: Int32Array.of(1, 0, 1), words: ['no', 'yes'] } },
    { name: 'p_yes', type: 'number', values: Float64Array.of(0.1 + 0.2, 1, Number.NaN) },
    { name: 'P_yes', type: 'number', values: Float64Array.of(1, 2, 3) },
  ],
}
const only: Frame = { ...frame, rows: 1, columns: [{ name: 'p', type: 'number', values: Float64Array.of(0.5) }] }

/** The names of the columns of a table and their values: numbers, texts, seconds of dates, null where missing. */
async function tableIn(file: string, table: string) {
  const { columns } = await readTable(file, { table, as: { sold: 'date' } })
  return Object.fromEntries(
    columns.map(({ name, type, values }) => [
      name,
      type === 'words'
        ? Array.from(values.codes, code => (code < 0 ? null : values.words[code]!))
        : Array.from(values, value => (Number.isNaN(value) ? null : value)),
    ]),
  )
}
const expected = {
  id: ['a, "b"', "it's", null],
  sold: [0, 86_399, null],
  predicted: ['yes', 'no', 'yes'],
  p_yes: [0.1 + 0.2, 1, null],
  P_yes_2: [1, 2, 3],
}

for (const ending of ['duckdb', 'sqlite', 'sqlite3', 'db'])
  test(`scores go into a table of a .${ending} file; other tables stay, and the same table only where asked`, async t => {
    const dir = tempFolder(t)
    const out = join(dir, 'new', `scores.${ending}`)
    await writeScores(out, frame)
    await writeScores(out, only, { table: 'of May; "1"' })
    assert.deepEqual(await tableIn(out, 'predictions'), expected)
    assert.deepEqual(await tableIn(out, 'of May; "1"'), { p: [0.5] })
    for (const table of ['predictions', 'PREDICTIONS'])
      await assert.rejects(
        writeScores(out, only, { table }),
        /holds a table "\w+" already\. replace: true replaces it, outTable: "\w+_2" writes another one/,
      )
    assert.deepEqual(await tableIn(out, 'predictions'), expected, 'a refused write changes nothing')
    await writeScores(out, only, { table: 'predictions', replace: true })
    assert.deepEqual(await tableIn(out, 'predictions'), { p: [0.5] })
    assert.deepEqual(await tableIn(out, 'of May; "1"'), { p: [0.5] })
  })

test('a .db file that is there stays the database that it is', async t => {
  const dir = tempFolder(t)
  const { DuckDBInstance } = await import('@duckdb/node-api')
  put(dir, { 'x.txt': '' })
  const file = join(dir, 'mine.db')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run('CREATE TABLE one AS SELECT 1 AS a; CREATE VIEW v AS SELECT * FROM one')
  connection.closeSync()
  instance.closeSync()
  await writeScores(file, only)
  assert.equal(readFileSync(file).subarray(8, 12).toString(), 'DUCK')
  assert.deepEqual([await tableIn(file, 'one'), await tableIn(file, 'predictions')], [{ a: [1] }, { p: [0.5] }])
  await assert.rejects(
    writeScores(file, only, { table: 'v', replace: true }),
    /holds a view "v", which is not replaced/,
  )
})

test('what is no database, and options without one, are refused; a failed write leaves nothing', async t => {
  const dir = tempFolder(t)
  put(dir, { 'notes.db': 'these are notes, not a database', 'folder.sqlite/x.txt': '' })
  const says: [string, object, RegExp][] = [
    ['notes.db', {}, /neither a SQLite nor a DuckDB database/],
    ['scores.csv', { table: 'x' }, /outTable: "x" is for a table in a database: .*scores\.csv is none/],
    ['scores.csv', { replace: true }, /replace: true is for a table in a database/],
    ['scores.xlsx', {}, /ends with \.csv or \.parquet, or a database that ends with \.duckdb, \.sqlite or \.db/],
    ['scores.db', { table: '' }, /expected the name of a table/],
  ]
  for (const [name, options, words] of says)
    await assert.rejects(
      writeScores(join(dir, name), frame, options),
      (error: Error) => words.test(error.message),
      name,
    )
  const stop = new AbortController()
  stop.abort(new Error('stopped'))
  const many: Frame = {
    ...only,
    rows: 20_000,
    columns: [{ name: 'p', type: 'number', values: new Float64Array(20_000) }],
  }
  for (const name of ['new.duckdb', 'new.sqlite']) {
    await assert.rejects(writeScores(join(dir, name), many, { signal: stop.signal }), /stopped/)
    assert.equal(existsSync(join(dir, name)), false, name)
  }
  assert.equal(readFileSync(join(dir, 'notes.db'), 'utf8'), 'these are notes, not a database')
})
