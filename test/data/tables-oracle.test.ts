import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cellText } from '../../src/cells/cell.ts'
import type { Table } from '../../src/data/tables/table.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { readTable } from '../helpers/of-pictures.ts'
import { root } from '../helpers/sources.ts'

const golden = join(root, 'test/golden')

interface Read {
  columns?: string[]
  rows?: (string | null)[][]
  data?: unknown[][]
  error?: string
}
interface Text {
  kind: string
  name: string
  ending: string
  /** Base64. */
  bytes: string
  pandas: Read
  duckdb?: Read
}
const oracle = JSON.parse(readFileSync(join(golden, 'tables-oracle.json'), 'utf8')) as {
  versions: Record<string, string>
  texts: Text[]
  jsonLines: { name: string; text: string; pandas: Read; duckdb: Read }[]
  parquet: Record<string, { columns: string[]; rows: unknown[][] }>
}

const asRead = ({ columns, rows }: Table): Read => ({
  columns: columns.map(({ name }) => name),
  rows: Array.from({ length: rows }, (_, row) => columns.map(({ cells }) => cellText(cells[row]))),
})
const trimmed = ({ columns, rows }: Read): Read => ({
  columns: columns!,
  rows: rows!.map(row => row.map(cell => (cell ?? '').trim())),
})

/** The cases in which Anneal differs from pandas or DuckDB, and why: its error, or its rows. */
const differs: Record<string, { from: ('pandas' | 'duckdb')[]; why: string; error?: RegExp; rows?: string[][] }> = {
  'encoding: cp1252 ,': { from: ['duckdb'], why: 'DuckDB has no Windows-1252' },
  'encoding: cp1252 ;': { from: ['duckdb'], why: 'DuckDB has no Windows-1252' },
  'blank lines: CRLF and LF mixed': { from: ['duckdb'], why: 'DuckDB refuses mixed line ends' },
  'rows of empty cells: two': {
    from: ['pandas', 'duckdb'],
    why: 'a row of empty cells names no picture; spreadsheets leave them behind',
    rows: [
      ['a.jpg', 'cat'],
      ['b.jpg', 'dog'],
    ],
  },
  'trailing delimiter: in each line': {
    from: ['pandas', 'duckdb'],
    why: 'a last column without a name and without cells is none',
    rows: [
      ['a.jpg', 'cat'],
      ['b.jpg', 'dog'],
    ],
  },
  'trailing delimiter: in each row': {
    from: ['pandas'],
    why: 'pandas takes the names of files for an index, and moves all names by one column',
    rows: [
      ['a.jpg', 'cat'],
      ['b.jpg', 'dog'],
    ],
  },
  'blanks around cells: comma': {
    from: ['pandas', 'duckdb'],
    why: 'blanks around cells and names are no part of them',
    rows: [
      ['a.jpg', 'cat'],
      ['b.jpg', 'dog'],
    ],
  },
  'ragged: short': {
    from: ['pandas'],
    why: 'pandas fills up what may be a delimiter that was forgotten',
    error:
      /x.csv, line 3: 2 cells, expected 3 \(file, label, note\); it holds b.jpg \| dog. A cell that is empty still/,
  },
  'ragged: long': {
    from: ['duckdb'],
    why: 'DuckDB takes the long row for the names of columns, and all before it for comments',
    error: /x.csv, line 3: 3 cells, expected 2 \(file, label\); .*contains a comma in quotes/,
  },
  'ragged: long in the first row': {
    from: ['pandas'],
    why: 'pandas takes the names of files for an index, and moves all names by one column',
    error: /x.csv, line 2: 3 cells, expected 2 \(file, label\)/,
  },
  'quotes: inside a cell': {
    from: ['pandas', 'duckdb'],
    why: 'RFC 4180 has no quote in a bare cell: it may be one that lost its partner',
    error: /x.csv, line 2: a quote \("\) inside a cell/,
  },
  'columns: twice': {
    from: ['pandas', 'duckdb'],
    why: 'nobody can tell which of them is meant by its name',
    error: /two columns "label" \(the 2nd and the 3rd\) with different cells/,
  },
  'columns: without a name': {
    from: ['pandas', 'duckdb'],
    why: 'all call the column in their own way',
    rows: [
      ['0', 'a.jpg', 'cat'],
      ['1', 'b.jpg', 'dog'],
    ],
  },
  'columns: R': {
    from: ['pandas'],
    why: 'pandas calls the names of rows index, Anneal column 1',
    rows: [
      ['1', 'a.jpg', 'cat'],
      ['2', 'b.jpg', 'long dress'],
    ],
  },
}

test(`text tables beside pandas ${oracle.versions.pandas} and DuckDB ${oracle.versions.duckdb}`, async t => {
  const dir = tempFolder(t)
  const used = new Set<string>()
  let compared = 0
  for (const { kind, name, ending, bytes, pandas, duckdb } of oracle.texts) {
    const file = join(dir, `x${ending}`)
    put(dir, { [`x${ending}`]: Buffer.from(bytes, 'base64') })
    const ours = await readTable(file).then(asRead, error => ({ error: String(error) }) as Read)
    for (const [who, theirs] of Object.entries({ pandas, duckdb })) {
      if (!theirs) continue
      compared++
      const called = `${kind}: ${name}`
      const other = differs[called]
      if (!other?.from.includes(who as 'pandas')) {
        if (theirs.error) assert.match(ours.error ?? 'read', /x\.\w+, line \d+: /, `${called}: refused by ${who} alone`)
        else assert.deepEqual(ours, trimmed(theirs), `${called}: ${who}`)
        continue
      }
      used.add(called)
      assert.notDeepEqual(ours, theirs, `${called}: ${who} reads as we do; take it out of the table`)
      if (other.error) assert.match(ours.error ?? 'read', other.error, `${called}: ${other.why}`)
      else if (other.rows) assert.deepEqual(ours.rows, other.rows, `${called}: ${other.why}`)
      else assert.ok(theirs.error !== undefined && ours.rows, `${called}: ${other.why}`)
    }
  }
  assert.deepEqual([...used].sort(), Object.keys(differs).sort(), 'every difference in the table is there')
  assert.ok(compared > 100, `${compared} comparisons`)
})

test('JSON lines beside pandas and DuckDB', async t => {
  const dir = tempFolder(t)
  for (const { name, text, pandas, duckdb } of oracle.jsonLines) {
    put(dir, { 'x.jsonl': text })
    const read = readTable(join(dir, 'x.jsonl'))
    if (pandas.error) {
      assert.ok(duckdb.error, `${name}: both refuse it`)
      await assert.rejects(read, /x.jsonl, line 2: not JSON/, name)
      continue
    }
    const { columns, rows } = await read
    const names = columns.map(column => column.name)
    const ours = Array.from({ length: rows }, (_, row) => columns.map(({ cells }) => cells[row]!))
    assert.deepEqual(names, pandas.columns, name)
    const large = name.startsWith('large') // pandas also rounds JSON numbers beyond 2^53; ours are text
    if (!large) assert.deepEqual(ours, pandas.data, `${name}: pandas`)
    const own = duckdb.data!.map(row => names.map(column => row[duckdb.columns!.indexOf(column)]))
    if (!large) assert.deepEqual(ours, own, `${name}: DuckDB`)
    else assert.deepEqual(ours.flat().map(String), ['a.jpg', '9007199254740993', 'b.jpg', '12'], name)
  }
})

test('Parquet of pyarrow and DuckDB beside DuckDB: integers, decimals, dates, int96, lists, nothing', async () => {
  const isTime = (value: unknown) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)
  const alike = (value: unknown): unknown =>
    isTime(value) ? new Date(value as string).toISOString() : Array.isArray(value) ? value.map(alike) : value
  for (const [name, { columns, rows }] of Object.entries(oracle.parquet)) {
    const table = await readTable(join(golden, 'tables', name))
    assert.deepEqual(
      table.columns.map(column => column.name),
      columns,
      name,
    )
    for (const [c, column] of table.columns.entries())
      assert.deepEqual(
        column.cells,
        rows.map(row => alike(row[c])),
        `${name}: ${column.name}`,
      )
  }
})
